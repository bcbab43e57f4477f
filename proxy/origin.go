package proxy

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// maxAnswerHead bounds the head of an answer, in bytes.
const maxAnswerHead = 256 << 10

// An originConn is a connection to a server for plain HTTP, between net/http and the socket. It
// puts the request target in as the client sent it, which net/url would normalise; it checks the
// framing of answers as strictly as that of requests, and ends the connection at bytes that belong
// to no answer, which net/http might give to the next request; it keeps what net/http forgets of
// heads; and it bounds the time in which nothing moves. One request at a time is on it.
type originConn struct {
	net.Conn
	idle time.Duration

	mu      sync.Mutex
	target  string   // for the next request line; "" once it is written
	isHEAD  bool     // the answer has no content
	waiting bool     // what is read next is the head of an answer
	head    []byte   // of an answer, until it is complete
	content content  // of an answer
	ready   []byte   // checked, for net/http to read
	broken  error    // what ended it
	options []string // values of Connection in the last head
	idled   bool     // nothing moved for too long; net/http does not always say so
}

// errUnasked is what ends a connection on which a server sends what nobody asked for.
var errUnasked = errors.New("the server sends more than it was asked for")

// begin prepares for a request with the given target.
func (o *originConn) begin(method, target string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.target, o.isHEAD, o.waiting = target, method == http.MethodHead, true
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
		n, err := o.Conn.Write(p)
		return n, o.note(err)
	}
	method, rest, ok := bytes.Cut(p, []byte(" / "))
	if !ok {
		return 0, errors.New("writing the request: there is no request line to put the target in")
	}
	whole := bytes.Join([][]byte{method, []byte(target), rest}, []byte(" "))
	if _, err := o.Conn.Write(whole); err != nil {
		return 0, o.note(err)
	}
	return len(p), nil
}

// note remembers that an error was a time-out.
func (o *originConn) note(err error) error {
	if isTimeout(err) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.idled = true
	}
	return err
}

// wasIdle tells whether nothing moved for too long. A nil originConn was not.
func (o *originConn) wasIdle() bool {
	if o == nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.idled
}

// Read is net/http's: an answer's head once it is complete and checked, content as it comes.
func (o *originConn) Read(p []byte) (int, error) {
	for {
		if n, err := o.take(p); n > 0 || err != nil {
			return n, err
		}
		o.extend()
		n, err := o.Conn.Read(p)
		if n == 0 {
			return 0, o.note(err)
		}
		if n = o.examine(p[:n]); n > 0 {
			return n, nil
		}
	}
}

// take gives what is ready, and after that what ended the connection.
func (o *originConn) take(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.ready) == 0 {
		return 0, o.broken
	}
	n := copy(p, o.ready)
	o.ready = o.ready[n:]
	return n, nil
}

// examine checks what was read and gives how much of it may go on as it is. What belongs to a head
// goes on by way of ready, and after what may not go on the connection is broken.
func (o *originConn) examine(piece []byte) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.waiting {
		return o.pass(piece)
	}
	o.head = append(o.head, piece...)
	for o.waiting && o.broken == nil {
		n, err := splitHead(o.head, maxAnswerHead)
		if n == 0 && err == nil {
			return 0
		}
		if err == nil {
			err = o.takeHead(o.head[:n])
		}
		if err != nil {
			o.broken = err
			return 0
		}
		o.ready = append(o.ready, o.head[:n]...)
		o.head = o.head[n:]
	}
	rest := o.head
	o.head = nil
	o.ready = append(o.ready, rest[:o.pass(rest)]...)
	return 0
}

// pass gives how much of p belongs to the content.
func (o *originConn) pass(p []byte) int {
	n, err := o.content.pass(p)
	if err == nil && n < len(p) {
		err = errUnasked
	}
	o.broken = err
	return n
}

func (o *originConn) takeHead(data []byte) error {
	a, err := parseAnswer(data)
	if err != nil {
		return err
	}
	o.waiting, o.options = a.interim, a.options
	if o.isHEAD || a.status == http.StatusNoContent || a.status == http.StatusNotModified {
		a.length = 0
	}
	o.content = newContent(a.length, maxAnswerHead)
	return nil
}

func (o *originConn) extend() {
	if o.idle > 0 {
		_ = o.SetDeadline(time.Now().Add(o.idle))
	}
}

// An answerHead is what matters here of the head of an answer.
type answerHead struct {
	status  int
	interim bool     // another head follows (RFC 9110 §15.2)
	length  int64    // of the content, in bytes; lengthChunked, or lengthToEnd
	options []string // values of Connection
}

// parseAnswer refuses an answer whose end could be read in two ways.
func parseAnswer(data []byte) (a answerHead, err error) {
	line, rest, _ := bytes.Cut(data, []byte("\r\n"))
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' {
		return a, errors.New("the answer does not begin with a status line")
	}
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil || a.status < 100 {
		return a, errors.New("the answer has no status code")
	}
	f := framing{minor: line[7] - '0'}
	for len(rest) > 2 {
		line, after, _ := bytes.Cut(rest, []byte("\r\n"))
		name, value, err := splitField(line)
		if err != nil {
			return a, err
		}
		switch name {
		case "Connection":
			a.options = append(a.options, value)
		case "Content-Length", "Transfer-Encoding", "Trailer":
			if err := f.add(name, value); err != nil {
				return a, err
			}
		}
		rest = after
	}
	a.interim = a.status < 200 && a.status != http.StatusSwitchingProtocols
	a.length, err = f.answerLength()
	return a, err
}
