package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
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
	resp, err := s.trips.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		_ = resp.Body.Close()
		return nil, errSwitchedScheme
	}
	removeHopByHop(resp.Header, f.origin.connectionOptions())
	addVia(resp.Header, resp.ProtoMinor)
	if _, ok := resp.Header["Content-Type"]; !ok {
		resp.Header["Content-Type"] = nil // or net/http would guess one
	}
	resp.Body = &counted{ReadCloser: resp.Body, n: &f.so.received, err: &f.receivedErr}
	return resp, nil
}

// got is called when a connection was found for the request, before it is written.
func (f *forwarding) got(conn net.Conn) {
	f.peer = remoteAddr(conn)
	f.origin = conn.(*originConn) // dialForward makes no other
	target := f.request.Target
	f.origin.begin(f.request.Method, target.Path+target.Query)
}
