package proxy

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// newTransport makes the http.Transport that carries plain HTTP: cleartext only, no proxy of its
// own, nothing added or decoded, and dialling only what was judged.
func (s *Server) newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            s.dialForward,
		DialTLSContext:         func(context.Context, string, string) (net.Conn, error) { return nil, errNoTLS },
		DisableCompression:     true,
		MaxResponseHeaderBytes: 256 << 10,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        time.Minute,
		ExpectContinueTimeout:  time.Second,
	}
}

var (
	errNoTLS          = errors.New("the proxy makes no TLS connection")
	errSwitchedScheme = errors.New("the server switched protocols, which was not asked for")
)

// A dialError is an error of dialling, as opposed to one of reading or writing.
type dialError struct{ error }

func (e dialError) Unwrap() error { return e.error }

// dialForward dials the addresses that were judged for the request it is called for. The
// connection may serve later requests for the same name.
func (s *Server) dialForward(ctx context.Context, _, _ string) (net.Conn, error) {
	f := forwardingOf(ctx)
	if f == nil {
		return nil, dialError{errors.New("there is no decision to dial for")}
	}
	conn, err := s.dial(ctx, f.addresses)
	if err != nil {
		return nil, dialError{err}
	}
	return &originConn{Conn: conn, idle: s.cfg.Timeouts.Idle}, nil
}

// roundTrip sends a plain request and makes its answer fit to pass on.
func (s *Server) roundTrip(r *http.Request) (*http.Response, error) {
	f := forwardingOf(r.Context())
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { f.got(info.Conn) }}
	resp, err := s.trips.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		_ = resp.Body.Close()
		return nil, errSwitchedScheme
	}
	removeHopByHop(resp.Header)
	addVia(resp.Header, resp.ProtoMinor)
	if _, ok := resp.Header["Content-Type"]; !ok {
		resp.Header["Content-Type"] = nil // or net/http would guess one
	}
	resp.Body = &counted{ReadCloser: resp.Body, n: &f.so.received, err: &f.receivedErr}
	return resp, nil
}

// got is called when a connection was found for the request, before it is written.
func (f *forwarding) got(conn net.Conn) {
	f.so.peer = remoteAddr(conn)
	if o, ok := conn.(*originConn); ok {
		target := f.request.Target
		o.replaceTarget(target.Path + target.Query)
	}
}

// An originConn is a connection to a server for plain HTTP. It puts the request target in as the
// client sent it, which net/url would normalise, and bounds the time in which nothing moves.
type originConn struct {
	net.Conn
	idle time.Duration

	mu     sync.Mutex
	target string // for the next request line; "" once it is written
}

func (o *originConn) replaceTarget(target string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.target = target
}

// Read is net/http's.
func (o *originConn) Read(p []byte) (int, error) {
	o.extend()
	return o.Conn.Read(p)
}

// Write is net/http's. The first write of a request begins with its request line, whose target is
// the "/" that outgoing put there.
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
	whole := make([]byte, 0, len(p)+len(target))
	whole = append(append(append(append(append(whole, method...), ' '), target...), ' '), rest...)
	if n, err := o.Conn.Write(whole); err != nil {
		return max(0, n-len(target)), err
	}
	return len(p), nil
}

func (o *originConn) extend() {
	if o.idle > 0 {
		_ = o.SetDeadline(time.Now().Add(o.idle))
	}
}
