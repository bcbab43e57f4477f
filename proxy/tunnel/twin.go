package tunnel

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A twin is a tunnel that two goroutines carry. It needs nothing but a net.Conn on each side.
type twin struct {
	client, origin net.Conn
	opt            Options
	sent, received atomic.Int64
	moved          atomic.Int64 // time of the last byte, nanoseconds since started
	started        time.Time
	idle           *time.Timer

	mu    sync.Mutex
	said  bool // the origin has ended its direction
	over  bool // no byte passes any more: cause is final
	cause Cause
}

// startTwin joins client and origin, which it owns from here on and closes.
func startTwin(client, origin net.Conn, opt Options) *twin {
	opt.Early = slices.Clone(opt.Early)
	t := &twin{client: client, origin: origin, opt: opt, started: time.Now()}
	if opt.Idle > 0 {
		t.mu.Lock()
		t.idle = time.AfterFunc(opt.Idle, t.checkIdle)
		t.mu.Unlock()
	}
	go t.run()
	return t
}

// Abort implements Tunnel.
func (t *twin) Abort() { t.stop(Aborted) }

// run owns both copies: it starts two, and waits for two.
func (t *twin) run() {
	down := make(chan struct{})
	go func() {
		defer close(down)
		t.copy(t.client, t.origin, nil, t.countReceived, ClientReset, UpstreamReset)
	}()
	early := t.opt.Early
	t.opt.Early = nil
	t.copy(t.origin, t.client, early, t.countSent, UpstreamReset, ClientReset)
	<-down
	t.stop(Ended)
	t.client.Close()
	t.origin.Close()
	t.opt.Done(Result{Cause: t.cause, Sent: t.sent.Load(), Received: t.received.Load()})
}

func (t *twin) countSent(n int) {
	t.sent.Add(int64(n))
	t.touch(n, 0)
}

func (t *twin) countReceived(n int) {
	t.received.Add(int64(n))
	t.touch(0, n)
}

func (t *twin) touch(sent, received int) {
	t.moved.Store(int64(time.Since(t.started)))
	if t.opt.Moved != nil {
		t.opt.Moved(sent, received)
	}
}

// copy moves bytes from src to dst until src ends, then passes the end on. An error on either side
// ends the whole tunnel, with the cause that belongs to that side.
func (t *twin) copy(dst, src net.Conn, early []byte, count func(int), dstFailed, srcFailed Cause) {
	if len(early) > 0 && !t.write(dst, early, count, dstFailed) {
		return
	}
	r := newReader(src)
	for {
		piece, err := r.next()
		if len(piece) > 0 && !t.write(dst, piece, count, dstFailed) {
			r.release()
			return
		}
		r.release()
		switch {
		case errors.Is(err, io.EOF):
			t.passEnd(dst, src == t.origin)
			return
		case err != nil:
			t.stop(srcFailed)
			return
		}
	}
}

// passEnd tells the peer that nothing more comes, unless the tunnel was ended with a reset.
func (t *twin) passEnd(dst net.Conn, said bool) {
	t.mu.Lock()
	over := t.over
	t.said = t.said || said
	t.mu.Unlock()
	if !over {
		closeWrite(dst)
	}
}

func (t *twin) write(dst net.Conn, p []byte, count func(int), failed Cause) bool {
	n, err := dst.Write(p)
	if n > 0 {
		count(n)
	}
	if err != nil && !t.isSunk(dst) {
		t.stop(failed)
		return false
	}
	return true
}

// isSunk tells that what the client still sends, and the server takes no more, is missed by nobody: the
// server had said its last byte.
func (t *twin) isSunk(dst net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return dst == t.origin && t.said && !t.over
}

// stop makes c the cause, unless there is one, and for all but Ended closes both sides so that the
// peers see a reset: linger 0 has to be set before any other close or shutdown.
func (t *twin) stop(c Cause) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	t.over, t.cause = true, c
	if t.idle != nil {
		t.idle.Stop()
	}
	if c == Ended {
		return
	}
	for _, conn := range []net.Conn{t.client, t.origin} {
		if l, ok := socket(conn).(interface{ SetLinger(int) error }); ok {
			_ = l.SetLinger(0) // on a connection that is gone already there is nothing to reset
		}
		_ = conn.SetDeadline(time.Unix(1, 0)) // wakes both copies; run closes
	}
}

// checkIdle runs when the tunnel may have been idle for long enough, and looks again later if not.
func (t *twin) checkIdle() {
	quiet := time.Since(t.started) - time.Duration(t.moved.Load())
	if quiet >= t.opt.Idle {
		t.stop(Idle)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.idle.Reset(t.opt.Idle - quiet)
	}
}

// socket gives the connection below those that show what they wrap, as *tls.Conn does. Its options
// are those of the whole; its bytes are not.
func socket(c net.Conn) net.Conn {
	for {
		w, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = w.NetConn()
	}
}

// closeWrite tells the peer that nothing more comes. A connection that cannot is left open: its
// peer sees the end when the tunnel closes.
func closeWrite(c net.Conn) {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite() // fails only where the peer is gone, which the other copy finds
	}
}

// dialer is package net's, for systems where sockets are not the engine's.
func dialer(keepAlive time.Duration, deadline time.Time, source netip.Addr) *net.Dialer {
	d := &net.Dialer{KeepAlive: keepAlive, Deadline: deadline}
	if keepAlive == 0 {
		d.KeepAlive = -1
	}
	if source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	return d
}
