// Package proxy answers one question: how is the policy enforced?
//
// It is an explicit HTTP/1.1 forward proxy. Every request takes the same way: its head is parsed
// (client.go, head.go), it is judged and the decision recorded (decide.go), its addresses are
// dialled (package upstream), and it is carried: a CONNECT as a tunnel (connect.go, package tunnel),
// anything else through goproxy over a transport of our own (forward.go, transport.go). How it
// ended is recorded in transaction.go.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/policy"
	"github.com/sepproxy/sepproxy/proxy/tunnel"
	"github.com/sepproxy/sepproxy/proxy/upstream"
)

// Config is what a Server needs. It is not changed after New.
type Config struct {
	// Policy gives the policy in force. Nil, or a nil policy, denies everything.
	Policy func() *policy.Policy
	// Record writes records, all or none, and returns once they were handed to the kernel. Nil refuses
	// everything.
	Record func(...*audit.Record) error
	// PassUnrecorded is on_error: allow. What cannot be recorded passes all the same.
	PassUnrecorded bool
	Upstream       upstream.Config // its Timeout and Connect are set by New
	SNI            SNIMode
	Timeouts       Timeouts
	Limits         Limits
	Log            *zap.Logger // nil: silent
	Metrics        Metrics
}

// Timeouts bound how long the proxy waits. None may be zero, except Idle and KeepAlive, where zero
// means never.
type Timeouts struct {
	Header  time.Duration // for a complete request head
	Connect time.Duration // for a connection to the server, its name's resolution included
	// ClientHello is for a complete ClientHello after a CONNECT was answered.
	ClientHello time.Duration
	KeepAlive   time.Duration // between TCP keep-alive probes
	Idle        time.Duration // for the next byte, either way
}

// Limits bound what clients may hold. Zero connections mean no limit.
type Limits struct {
	Connections          int
	ConnectionsPerClient int
	RequestsPerClient    int // in a second; zero: no limit
	HeaderBytes          int // of a request's head
}

// Metrics are told what happens; nil functions are not called. They must not block.
type Metrics struct {
	Request     func(verdict, reason, service string)
	TunnelBytes func(sent, received int)
	Dial        func(time.Duration)
}

// A Server is the proxy. Make it with New.
type Server struct {
	cfg      Config
	conns    connections
	active   register
	rate     rateLimit
	workers  *workers
	draining atomic.Bool
	stop     sync.Once
	accepts  listeners
	tunnels  *tunnel.Engine
	endings  endings
	plain    *http.Server
	handover *handover
	forward  http.Handler
	upstream *upstream.Upstream
	trips    *http.Transport
}

// New makes a Server that does not listen yet.
func New(cfg Config) *Server {
	cfg = cfg.withSafeDefaults()
	s := &Server{cfg: cfg, handover: newHandover(), tunnels: tunnel.NewEngine(cfg.Timeouts.KeepAlive)}
	s.conns.init(cfg.Limits)
	s.active.init()
	s.endings.init(func(some []ending) { _ = s.record(some, nil) })
	s.workers = newWorkers(s.serve)
	s.rate = rateLimit{limit: cfg.Limits.RequestsPerClient, record: s.recordFlood}
	cfg.Upstream.Timeout, cfg.Upstream.Connect = cfg.Timeouts.Connect, s.tunnels.Dial
	s.upstream = upstream.New(cfg.Upstream)
	s.trips = s.newTransport()
	s.forward = s.newForwarder()
	s.plain = &http.Server{
		Handler:           http.HandlerFunc(s.serveHTTP),
		ReadHeaderTimeout: cfg.Timeouts.Header,
		IdleTimeout:       cfg.Timeouts.Idle,
		MaxHeaderBytes:    2*cfg.Limits.HeaderBytes + readSize, // ours was enforced before
		ErrorLog:          zap.NewStdLog(cfg.Log),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, clientKey{}, c)
		},
	}
	go func() { _ = s.plain.Serve(s.handover) }() // ends with the handover, and has no error to tell
	return s
}

type clientKey struct{}

// withSafeDefaults makes what is missing refuse, never allow.
func (cfg Config) withSafeDefaults() Config {
	if cfg.Policy == nil {
		cfg.Policy = func() *policy.Policy { return nil }
	}
	if cfg.Record == nil {
		cfg.PassUnrecorded = false
		cfg.Record = func(...*audit.Record) error { return errors.New("there is no audit trail") }
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.Metrics.Request == nil {
		cfg.Metrics.Request = func(string, string, string) {}
	}
	if cfg.Metrics.Dial == nil {
		cfg.Metrics.Dial = func(time.Duration) {}
	}
	return cfg
}

// TunnelsActive is how many tunnels are open.
func (s *Server) TunnelsActive() int { return s.active.tunnels() }

// ConnectionsActive is how many client connections are open, tunnels included.
func (s *Server) ConnectionsActive() int { return s.conns.count() }

// Refuse keeps names from leading to an address that this process listens on. Serve does it for its own.
func (s *Server) Refuse(listener net.Addr) { s.upstream.Refuse(listener) }

// Draining tells whether Drain was called.
func (s *Server) Draining() bool { return s.draining.Load() }

// Drain stops accepting connections, and has new requests on open ones refused with draining.
func (s *Server) Drain() {
	s.draining.Store(true)
	s.accepts.close()
	s.plain.SetKeepAlivesEnabled(false)
}

// Serve accepts connections from l until Shutdown, and then returns nil. It closes l. It may be
// called for several listeners at once.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	s.Refuse(l.Addr())
	l, err := s.tunnels.Listener(l)
	if err != nil {
		return err
	}
	if !s.accepts.add(l) {
		return nil
	}
	var pause time.Duration
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			s.accept(conn)
		case s.draining.Load():
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accepting connections: %w", err)
		default: // out of descriptors, most likely: it passes
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.cfg.Log.Error("accepting connections", zap.Error(err), zap.Duration("pause", pause))
			time.Sleep(pause)
		}
	}
}

func (s *Server) accept(conn net.Conn) {
	c := &clientConn{Conn: conn, server: s, remote: remoteAddr(conn)}
	if !s.conns.add(c) {
		_ = conn.Close() // beyond what can be refused politely
		return
	}
	s.workers.take(c)
}

func remoteAddr(conn net.Conn) netip.AddrPort {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		a := tcp.AddrPort()
		return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
	}
	return netip.AddrPort{}
}

// serve reads the first head of a connection and sends it on its way.
func (s *Server) serve(c *clientConn) {
	_ = c.SetReadDeadline(time.Now().Add(s.cfg.Timeouts.Header))
	if _, err := c.readFirst(make([]byte, 1)); err != nil {
		_ = c.Close()
		return
	}
	if err := c.readHead(); err != nil {
		_ = c.Close()
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	if c.head.method == http.MethodConnect {
		s.connect(c, c.raw)
		return
	}
	c.show(0)
	if !s.handover.give(c) {
		_ = c.Close()
	}
}

// serveHTTP is where net/http hands over the requests of a connection that began with a plain one.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(clientKey{}).(*clientConn)
	if r.Method != http.MethodConnect {
		s.serveForward(w, r, c)
		return
	}
	_, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	early, _ := rw.Reader.Peek(rw.Reader.Buffered())
	s.connect(c, append(append([]byte(nil), early...), c.raw...))
}

// PolicyChanged judges everything that is open again, and ends what the policy in force does not
// allow. It is to be called after every change of policy and when an observation ends.
func (s *Server) PolicyChanged() {
	p := s.cfg.Policy()
	s.active.each(func(o open) { o.judgeAgain(p) })
}

// Shutdown drains, and waits for what is open until ctx ends; what is still open then is closed. It
// returns how many that were, after every outcome was recorded.
func (s *Server) Shutdown(ctx context.Context) int {
	s.Drain()
	s.active.wait(ctx)
	left := 0
	s.active.each(func(o open) {
		left++
		o.abort(failDrain)
	})
	s.active.wait(context.Background())
	s.handover.close()
	_ = s.plain.Close()
	s.conns.closeAll()
	s.tunnels.Close()
	s.stop.Do(func() { close(s.workers.stop) })
	s.trips.CloseIdleConnections()
	s.rate.flush() // what was refused to the last
	return left
}
