package tunnel

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// pair gives both ends of a TCP connection over loopback.
func pair(t testing.TB) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{a, b} {
		t.Cleanup(func() { _ = c.Close() })
	}
	_ = a.SetDeadline(time.Now().Add(patience))
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

// opaque hides the descriptor of a connection, as TLS does, but not its half-close.
type opaque struct{ net.Conn }

func (o opaque) CloseWrite() error       { return o.Conn.(*net.TCPConn).CloseWrite() }
func (o opaque) SetLinger(sec int) error { return o.Conn.(*net.TCPConn).SetLinger(sec) }

// A starter makes two connections and joins their near ends; client and origin are the far ones.
type starter func(Options) (client, origin *net.TCPConn, tun Tunnel, ended chan Result)

// each runs a test over every way to carry a tunnel.
func each(t *testing.T, f func(t *testing.T, start starter)) {
	for name, start := range carriers(t) {
		t.Run(name, func(t *testing.T) { f(t, over(t, start)) })
	}
}

// A carrier starts a tunnel.
type carrier func(client, origin *net.TCPConn, o Options) Tunnel

// carriers are the ways to carry a tunnel: the engine, and the twin with and without a descriptor.
func carriers(t testing.TB) map[string]carrier {
	e := NewEngine(time.Minute)
	t.Cleanup(e.Close)
	return map[string]carrier{
		"engine": func(client, origin *net.TCPConn, o Options) Tunnel { return e.Start(client, origin, o) },
		"twin":   func(client, origin *net.TCPConn, o Options) Tunnel { return startTwin(client, origin, o) },
		"opaque": func(client, origin *net.TCPConn, o Options) Tunnel {
			return e.Start(opaque{client}, opaque{origin}, o)
		},
	}
}

func over(t testing.TB, start carrier) starter {
	return func(o Options) (*net.TCPConn, *net.TCPConn, Tunnel, chan Result) {
		ended := make(chan Result, 2) // room for a second call, which would be wrong
		o.Done = func(r Result) { ended <- r }
		client, nearClient := pair(t)
		origin, nearOrigin := pair(t)
		return client, origin, start(nearClient, nearOrigin, o), ended
	}
}

func result(t *testing.T, ended chan Result) Result {
	t.Helper()
	select {
	case r := <-ended:
		return r
	case <-time.After(patience):
		t.Fatal("the tunnel does not end")
		return Result{}
	}
}

func TestEachDirectionEndsByItself(t *testing.T) {
	each(t, func(t *testing.T, start starter) {
		up, down := make([]byte, 1<<20), make([]byte, 2<<20)
		_, _ = rand.Read(up)
		_, _ = rand.Read(down)
		var sent, received atomic.Int64
		client, origin, _, ended := start(Options{Early: []byte("early"), Moved: func(s, r int) { sent.Add(int64(s)); received.Add(int64(r)) }})
		go func() {
			_, _ = client.Write(up)
			_ = client.CloseWrite()
		}()
		got, err := io.ReadAll(origin)
		if err != nil || !bytes.Equal(got, append([]byte("early"), up...)) {
			t.Errorf("the origin got %d bytes, %v", len(got), err)
		}
		go func() { // only now, after the other direction has ended
			_, _ = origin.Write(down)
			_ = origin.Close()
		}()
		if got, err := io.ReadAll(client); err != nil || !bytes.Equal(got, down) {
			t.Errorf("the client got %d bytes, %v", len(got), err)
		}
		want := Result{Ended, int64(len(up)) + 5, int64(len(down))}
		if r := result(t, ended); r != want || sent.Load() != want.Sent || received.Load() != want.Received {
			t.Errorf("result %+v, told of %d and %d, want %+v", r, sent.Load(), received.Load(), want)
		}
	})
}

func TestAbortResetsBothSidesAtOnce(t *testing.T) {
	each(t, func(t *testing.T, start starter) {
		client, origin, tun, ended := start(Options{})
		_, _ = client.Write([]byte("x"))
		_, _ = io.ReadFull(origin, make([]byte, 1))
		tun.Abort()
		tun.Abort()
		for _, c := range []net.Conn{client, origin} {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("one side sees %v, want a reset", err)
			}
		}
		if r := result(t, ended); r != (Result{Aborted, 1, 0}) {
			t.Errorf("result %+v", r)
		}
	})
}

func TestAbortEndsATunnelThatIsStuckWriting(t *testing.T) {
	each(t, func(t *testing.T, start starter) {
		full := make(chan struct{})
		var once atomic.Bool
		client, _, tun, ended := start(Options{Moved: func(int, int) {
			if once.CompareAndSwap(false, true) {
				close(full)
			}
		}})
		go func() { _, _ = io.Copy(client, neverEnding{}) }() // the origin never reads
		<-full
		tun.Abort()
		if r := result(t, ended); r.Cause != Aborted {
			t.Errorf("result %+v", r)
		}
	})
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }

func TestOnlyTheTimeSinceTheLastByteIsIdle(t *testing.T) {
	each(t, func(t *testing.T, start starter) {
		const idle = 200 * time.Millisecond
		client, origin, _, ended := start(Options{Idle: idle})
		began := time.Now()
		var last time.Time
		for time.Since(began) < 2*idle { // a byte now and then keeps it open
			last = time.Now()
			if _, err := client.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(origin, make([]byte, 1)); err != nil {
				t.Fatalf("ended after %v although bytes moved: %v", time.Since(began), err)
			}
		}
		r := result(t, ended)
		if r.Cause != Idle || time.Since(last) < idle {
			t.Errorf("result %+v, %v after the last byte", r, time.Since(last))
		}
	})
}

func TestAResetIsToldApartBySide(t *testing.T) {
	each(t, func(t *testing.T, start starter) {
		for _, want := range []Cause{ClientReset, UpstreamReset} {
			client, origin, _, ended := start(Options{})
			from, to := client, origin
			if want == UpstreamReset {
				from, to = origin, client
			}
			_ = from.SetLinger(0)
			_ = from.Close()
			if _, err := to.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the other side sees %v, want a reset", err)
			}
			if r := result(t, ended); r.Cause != want {
				t.Errorf("cause %v, want %v", r.Cause, want)
			}
		}
	})
}

// A server that has said its last byte and is gone answers with a reset what its client still says, an
// alert of TLS most often. Nobody misses that: the tunnel has ended, and not failed.
func TestWhatAClientAddsAfterItsServersEndIsNoFailure(t *testing.T) {
	each(t, func(t *testing.T, start starter) {
		var sent, written atomic.Int64
		client, origin, _, ended := start(Options{Moved: func(n, _ int) { sent.Add(int64(n)) }})
		_, _ = origin.Write([]byte("all"))
		_ = origin.Close()
		if got, err := io.ReadAll(client); err != nil || string(got) != "all" {
			t.Fatalf("%q, %v", got, err)
		}
		eventually(t, "dropping", func() bool { // the first piece is answered with the reset, and those after it cannot be sent
			n, err := client.Write([]byte("bye"))
			if err != nil {
				t.Fatal(err)
			}
			return written.Add(int64(n))-sent.Load() > 30
		})
		_ = client.Close()
		if r := result(t, ended); r.Cause != Ended || r.Received != 3 || r.Sent != sent.Load() {
			t.Errorf("result %+v, told of %d", r, sent.Load())
		}
	})
}
