package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// A clientConn is an accepted connection. It reads and checks every head itself. A CONNECT never
// meets net/http, unless it follows a plain request on the same connection; plain requests do, and
// then the clientConn is the net.Conn that net/http reads: it shows heads that were checked, with a
// request line that net/http cannot stumble over, and content whose framing was checked. The real
// head is in head.
//
// One goroutine reads at a time, as net/http does: its background read while a handler runs asks
// for one byte, and gets the first byte of the next request, unchecked and harmless alone.
type clientConn struct {
	net.Conn
	server *Server
	remote netip.AddrPort
	over   bool // it was accepted beyond the connection limits

	raw     []byte // read from the socket, not yet passed on; the end of buf
	buf     []byte // what raw is cut from, kept for the next requests
	ready   []byte // checked, for net/http to read
	head    head   // of the request being served
	content content
	begun   bool // the first byte of the next head was passed on alone
	tunnel  bool // a CONNECT was read: from here on bytes pass as they come
	refused bool // a head was refused: net/http may neither read nor write any more
	close   sync.Once
}

// readSize is how much is read from a client at once, in bytes.
const readSize = 4 << 10

// errRefused has the form that makes net/http close without an answer of its own.
var errRefused = &net.OpError{Op: "read", Net: "tcp", Err: errors.New("the request was refused")}

// NetConn gives the socket.
func (c *clientConn) NetConn() net.Conn { return c.Conn }

// Close closes the socket and gives the connection's place back.
func (c *clientConn) Close() error {
	err := net.ErrClosed
	c.close.Do(func() {
		err = c.Conn.Close()
		c.server.conns.remove(c)
	})
	return err
}

// handOver leaves the socket to a tunnel. The connection keeps its place until conns.leave.
func (c *clientConn) handOver() { c.server.conns.handOver(c) }

// Write is net/http's.
func (c *clientConn) Write(p []byte) (int, error) {
	if c.refused {
		return 0, errRefused
	}
	return c.Conn.Write(p)
}

// Read is net/http's: checked bytes only.
func (c *clientConn) Read(p []byte) (int, error) {
	switch {
	case len(p) == 0:
		return 0, nil
	case c.refused:
		return 0, errRefused
	case len(c.ready) > 0:
		n := copy(p, c.ready)
		c.ready = c.ready[n:]
		return n, nil
	case c.tunnel:
		return c.readRaw(p)
	case c.content.state != contentEnd:
		return c.readContent(p)
	case !c.begun:
		return c.readFirst(p)
	}
	// net/http waits for the beginning of a request as long as a connection may idle, and takes this
	// for a part of it; it sets a deadline of its own afterwards.
	_ = c.SetReadDeadline(time.Now().Add(c.server.cfg.Timeouts.Header))
	if err := c.readHead(); err != nil {
		return 0, err
	}
	c.show(1)
	return c.Read(p)
}

// readRaw passes what was read ahead, then the socket.
func (c *clientConn) readRaw(p []byte) (int, error) {
	if len(c.raw) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.raw)
	c.raw = c.raw[n:]
	return n, nil
}

func (c *clientConn) readContent(p []byte) (int, error) {
	if len(c.raw) == 0 {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n, err := c.content.pass(c.raw[:min(len(p), len(c.raw))])
	if err != nil {
		return 0, err
	}
	copy(p, c.raw[:n])
	c.raw = c.raw[n:]
	return n, nil
}

// readFirst passes on the first byte of a head. An empty line before it is dropped, as RFC 9112
// §2.2 asks.
func (c *clientConn) readFirst(p []byte) (int, error) {
	for len(c.raw) == 0 || (c.raw[0] == '\r' && len(c.raw) < 3) {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	if c.raw[0] == '\r' && c.raw[1] == '\n' {
		c.raw = c.raw[2:]
	}
	p[0] = c.raw[0]
	c.begun = true
	return 1, nil
}

// fill reads more from the socket.
func (c *clientConn) fill() error {
	if cap(c.raw)-len(c.raw) < readSize/2 {
		switch need := len(c.raw) + readSize/2; {
		case c.buf == nil && need <= readSize:
			c.buf = headBuffers.Get().(*[readSize]byte)[:]
		case cap(c.buf) < need:
			c.buf = make([]byte, 2*need)
		}
		c.raw = append(c.buf[:0], c.raw...)
	}
	n, err := c.Conn.Read(c.raw[len(c.raw):cap(c.raw)])
	c.raw = c.raw[:len(c.raw)+n]
	if n > 0 {
		return nil
	}
	return err
}

// headBuffers are for those whose first request is a CONNECT: they do not need theirs for long.
var headBuffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// release gives the buffer back; nothing that was read into it is used any more.
func (c *clientConn) release() {
	if len(c.buf) == readSize {
		headBuffers.Put((*[readSize]byte)(c.buf))
	}
	c.raw, c.buf = nil, nil
}

// readHead reads the next head into c.head. A head that is not well formed, or that does not come
// in time, is recorded and answered here; the error then is errRefused.
func (c *clientConn) readHead() error {
	limit := c.server.cfg.Limits.HeaderBytes
	for {
		n, err := splitHead(c.raw, limit)
		if err != nil {
			return c.refuse(partialHead(c.raw), err)
		}
		if n > 0 {
			return c.takeHead(n)
		}
		if err := c.fill(); err != nil {
			if isTimeout(err) && len(c.raw) > 0 {
				return c.refuse(partialHead(c.raw), fmt.Errorf("the head was not complete within %v", c.server.cfg.Timeouts.Header))
			}
			return err
		}
	}
}

func (c *clientConn) takeHead(n int) error {
	h, err := parseHead(c.raw[:n])
	if err != nil {
		return c.refuse(h, err)
	}
	c.raw = c.raw[n:]
	c.head = h
	c.begun = false
	c.content = newContent(h.length, c.server.cfg.Limits.HeaderBytes)
	c.tunnel = h.method == http.MethodConnect
	return nil
}

// partialHead makes out what it can of a head that is not complete or not well formed.
func partialHead(raw []byte) head {
	var h head
	for i, b := range raw {
		if b == '\r' || b == '\n' {
			raw = raw[:i]
			break
		}
	}
	_ = h.parseRequestLine(string(raw)) // an error was found before; this only names what there is
	return h
}

// show makes the head readable for net/http, without the first skip bytes. Its target stands
// for the real one, which may hold bytes that net/url refuses.
func (c *clientConn) show(skip int) {
	target := "http://target/"
	if c.tunnel {
		target = "target:443"
	}
	c.ready = fmt.Appendf(nil, "%s %s HTTP/1.%d\r\nHost: target\r\n%s\r\n", c.head.method, target, c.head.minor, c.head.fields)[skip:]
}

// refuse records a request that is not well formed, answers it and ends the connection.
func (c *clientConn) refuse(h head, why error) error {
	c.refused = true
	c.server.refuseMalformed(c, h, why)
	return errRefused
}

// linger closes a connection on which an error was answered, in a way that lets the client read
// the answer: a close with unread bytes in the buffer would reset it (RFC 9112 §9.6).
func (c *clientConn) linger() {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
	}
	_ = c.Conn.SetReadDeadline(time.Now().Add(lingerTime))
	var sink [readSize]byte
	for range lingerReads {
		if _, err := c.Conn.Read(sink[:]); err != nil {
			break
		}
	}
	_ = c.Close()
}

// What is read and thrown away after an error was answered: at most 256 KiB or a second.
const (
	lingerTime  = time.Second
	lingerReads = 64
)

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}
