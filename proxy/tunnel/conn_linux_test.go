package tunnel

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"
	"golang.org/x/sys/unix"
)

// plainListener is one for TCP and nothing more, as the proxy's are.
func plainListener(t testing.TB) net.Listener {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// listening gives one of the engine's listeners.
func listening(t testing.TB, e *Engine) net.Listener {
	t.Helper()
	l, err := e.Listener(plainListener(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func addressOf(l net.Listener) netip.AddrPort { return l.Addr().(*net.TCPAddr).AddrPort() }

func soon() time.Time { return time.Now().Add(patience) }

// sockets gives both ends of a connection between two of an engine's sockets: one accepted, one dialled.
func sockets(t testing.TB, e *Engine) (accepted, dialled net.Conn) {
	t.Helper()
	l := listening(t, e)
	dialled, err := e.Dial(t.Context(), soon(), netip.Addr{}, addressOf(l))
	if err != nil {
		t.Fatal(err)
	}
	if accepted, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{accepted, dialled} {
		if _, ok := c.(*Conn); !ok {
			t.Fatalf("it is a %T", c)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	return accepted, dialled
}

// TestConn holds the engine's sockets to what everybody expects of a net.Conn.
func TestConn(t *testing.T) {
	e := NewEngine(time.Minute)
	t.Cleanup(e.Close)
	nettest.TestConn(t, func() (one, other net.Conn, stop func(), err error) {
		one, other = sockets(t, e)
		return one, other, func() { _, _ = one.Close(), other.Close() }, nil
	})
}

func TestTheAddressesOfAConn(t *testing.T) {
	e := NewEngine(time.Minute)
	t.Cleanup(e.Close)
	accepted, dialled := sockets(t, e)
	if accepted.LocalAddr().String() != dialled.RemoteAddr().String() || accepted.RemoteAddr().String() != dialled.LocalAddr().String() {
		t.Errorf("%v to %v, %v to %v", accepted.LocalAddr(), accepted.RemoteAddr(), dialled.LocalAddr(), dialled.RemoteAddr())
	}
	source := netip.MustParseAddr("127.0.0.9")
	l := listening(t, e)
	bound, err := e.Dial(t.Context(), soon(), source, addressOf(l))
	if err != nil {
		t.Fatal(err)
	}
	defer bound.Close()
	if from := bound.LocalAddr().(*net.TCPAddr).AddrPort().Addr(); from != source {
		t.Errorf("it comes from %v", from)
	}
}

// A dead peer is found, by probes and by what it does not acknowledge, on accepted connections too.
func TestTheOptionsOfAConn(t *testing.T) {
	e := NewEngine(20 * time.Second)
	t.Cleanup(e.Close)
	accepted, dialled := sockets(t, e)
	for _, c := range []net.Conn{accepted, dialled} {
		for _, want := range []struct{ level, name, value int }{
			{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 20},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 20},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
			{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 80_000},
		} {
			if got, err := unix.GetsockoptInt(c.(*Conn).fd, want.level, want.name); err != nil || got != want.value {
				t.Errorf("option %d is %d, %v, want %d", want.name, got, err, want.value)
			}
		}
	}
}

func TestWhatDialFailsWith(t *testing.T) {
	e := NewEngine(time.Minute)
	t.Cleanup(e.Close)
	refusing := listening(t, e)
	_ = refusing.Close()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	silent := silentAddress(t)
	for name, tc := range map[string]struct {
		ctx      context.Context
		deadline time.Time
		to       netip.AddrPort
		want     error
	}{
		"refused":   {t.Context(), soon(), addressOf(refusing), syscall.ECONNREFUSED},
		"too late":  {t.Context(), time.Now().Add(50 * time.Millisecond), silent, os.ErrDeadlineExceeded},
		"given up":  {cancelled, soon(), silent, context.Canceled},
		"no family": {t.Context(), soon(), netip.AddrPortFrom(netip.MustParseAddr("fe80::1%nowhere"), 443), nil},
	} {
		before := descriptors(t)
		conn, err := e.Dial(tc.ctx, tc.deadline, netip.Addr{}, tc.to)
		if conn != nil || err == nil || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, %v, want %v", name, conn, err, tc.want)
		}
		if n := descriptors(t) - before; n != 0 {
			t.Errorf("%s: %d descriptors are left", name, n)
		}
	}
}

// silentAddress is one that neither accepts nor refuses: a listener whose queue is full.
func silentAddress(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := addrPort(name)
	for range 16 { // the handshakes of those beyond the queue are not answered
		c, err := net.DialTimeout("tcp", addr.String(), 50*time.Millisecond)
		if err != nil {
			break
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	return addr
}

func TestAListenerThatIsClosed(t *testing.T) {
	e := NewEngine(time.Minute)
	t.Cleanup(e.Close)
	l := listening(t, e)
	ended := make(chan error, 1)
	go func() { _, err := l.Accept(); ended <- err }()
	_ = l.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("accepting ends with %v", err)
	}
	if _, err := net.DialTimeout("tcp", l.Addr().String(), patience); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("its address: %v", err)
	}
}

func TestOtherListenersStayAsTheyAre(t *testing.T) {
	e := NewEngine(time.Minute)
	t.Cleanup(e.Close)
	var lc net.ListenConfig
	lc.SetMultipathTCP(true)
	multipath, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer multipath.Close()
	other, err := nettest.NewLocalListener("unix")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, l := range []net.Listener{multipath, other} {
		if got, err := e.Listener(l); got != l || err != nil {
			t.Errorf("%v became %v, %v", l, got, err)
		}
	}
}

// Several may read at once, as from any net.Conn.
func TestWhoeverReadsIsToldOfTheEnd(t *testing.T) {
	e := NewEngine(time.Minute)
	t.Cleanup(e.Close)
	for range 50 { // whether both wait by then is chance
		c, _ := sockets(t, e)
		ended := make(chan error, 2)
		for range cap(ended) {
			go func() { _, err := c.Read(make([]byte, 1)); ended <- err }()
		}
		eventually(t, "waiting", func() bool {
			c := c.(*Conn)
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.watched != 0
		})
		_ = c.Close()
		for range cap(ended) {
			select {
			case err := <-ended:
				if !errors.Is(err, net.ErrClosed) {
					t.Fatalf("reading ends with %v", err)
				}
			case <-time.After(patience):
				t.Fatal("one of two who read still waits")
			}
		}
	}
}

func TestAnEngineThatIsClosedEndsDialling(t *testing.T) {
	silent := silentAddress(t)
	e := NewEngine(time.Minute)
	ended := make(chan error, 1)
	go func() { _, err := e.Dial(t.Context(), soon(), netip.Addr{}, silent); ended <- err }()
	eventually(t, "waiting", func() bool {
		return slices.ContainsFunc(e.loops, func(l *loop) bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.open > 0
		})
	})
	e.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("dialling ends with %v", err)
	}
}

func TestAnEngineThatIsClosedClosesConns(t *testing.T) {
	e := NewEngine(time.Minute)
	accepted, _ := sockets(t, e)
	ended := make(chan error, 1)
	go func() { _, err := accepted.Read(make([]byte, 1)); ended <- err }()
	eventually(t, "waiting", func() bool {
		c := accepted.(*Conn)
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.watched != 0
	})
	e.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) && err != io.EOF { // the other end was closed first
			t.Errorf("reading ends with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("reading goes on")
	}
}
