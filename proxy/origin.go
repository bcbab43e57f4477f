package proxy

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"time"
)

// maxAnswerHead bounds the head of an answer, in bytes.
const maxAnswerHead = 256 << 10

// An originConn is a connection to a server for plain HTTP, between net/http and the socket. It
// puts the request target in as the client sent it, which net/url would normalise; it checks heads
// of answers as strictly as those of requests; it keeps what net/http forgets of them; and it
// bounds the time in which nothing moves. One request at a time is on it.
type originConn struct {
	net.Conn
	idle time.Duration

	mu      sync.Mutex
	target  string   // for the next request line; "" once it is written
	waiting bool     // what is read next is the head of an answer
	head    []byte   // of an answer, until it is complete
	ready   []byte   // checked, for net/http to read
	options []string // values of Connection in the last head
}

// begin prepares for a request with the given target.
func (o *originConn) begin(target string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.target, o.waiting = target, true
}

// connectionOptions gives the values of Connection in the answer; net/http drops them when one
// is close. A nil originConn has none.
func (o *originConn) connectionOptions() []string {
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.options
}

// Write is net/http's. The first write of a request begins with its request line, whose target is
// the "/" that forwarding.outgoing put there.
func (o *originConn) Write(p []byte) (int, error) {
	o.extend()
	o.mu.Lock()
	target := o.target
	o.target = ""
	o.mu.Unlock()
	if target == "" {
		return o.Conn.Write(p)
	}
	method, rest, ok := bytes.Cut(p, []byte(" / "))
	if !ok {
		return 0, errors.New("writing the request: there is no request line to put the target in")
	}
	whole := bytes.Join([][]byte{method, []byte(target), rest}, []byte(" "))
	if _, err := o.Conn.Write(whole); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Read is net/http's: an answer's head once it is complete and checked, content as it comes.
func (o *originConn) Read(p []byte) (int, error) {
	for {
		if n := o.take(p); n > 0 {
			return n, nil
		}
		o.extend()
		n, err := o.Conn.Read(p)
		if n == 0 {
			return 0, err
		}
		if pass, err := o.examine(p[:n]); pass || err != nil {
			return n, err
		}
	}
}

func (o *originConn) take(p []byte) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := copy(p, o.ready)
	o.ready = o.ready[n:]
	return n
}

// examine gathers the head of an answer from what was read. True means that it is no part of one.
func (o *originConn) examine(piece []byte) (pass bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.waiting {
		return true, nil
	}
	o.head = append(o.head, piece...)
	for o.waiting {
		n, err := splitHead(o.head, maxAnswerHead)
		if err != nil {
			return false, err
		}
		if n == 0 {
			return false, nil
		}
		interim, options, err := checkAnswer(o.head[:n])
		if err != nil {
			return false, err
		}
		o.ready = append(o.ready, o.head[:n]...)
		o.head = o.head[n:]
		o.waiting, o.options = interim, options
	}
	o.ready = append(o.ready, o.head...)
	o.head = nil
	return false, nil
}

func (o *originConn) extend() {
	if o.idle > 0 {
		_ = o.SetDeadline(time.Now().Add(o.idle))
	}
}

// checkAnswer refuses an answer whose end could be read in two ways. interim tells that another
// head follows (RFC 9110 §15.2); options are the values of Connection.
func checkAnswer(head []byte) (interim bool, options []string, err error) {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' {
		return false, nil, errors.New("the answer does not begin with a status line")
	}
	f := framing{minor: line[7] - '0'}
	for len(rest) > 2 {
		line, after, _ := bytes.Cut(rest, []byte("\r\n"))
		name, value, err := splitField(line)
		if err != nil {
			return false, nil, err
		}
		switch name {
		case "Connection":
			options = append(options, value)
		case "Content-Length", "Transfer-Encoding", "Trailer":
			if err := f.add(name, value); err != nil {
				return false, nil, err
			}
		}
		rest = after
	}
	if f.lengths > 0 && f.codings > 0 {
		return false, nil, errors.New("there are both Content-Length and Transfer-Encoding")
	}
	return line[9] == '1' && !bytes.HasPrefix(line[9:], []byte("101")), options, nil
}
