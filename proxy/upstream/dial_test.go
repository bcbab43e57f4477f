package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var onLoopback = Config{Connect: sockets.Dial, AllowCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

// listening gives the address of a listener that accepts and says nothing.
func listening(t testing.TB) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// refusing gives an address on which nothing listens.
func refusing(t testing.TB) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// silent gives an address that neither accepts nor refuses: a listener whose queue is full.
func silent(t testing.TB) netip.AddrPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*syscall.SockaddrInet4).Port))
	for range 16 {
		c, err := net.DialTimeout("tcp", addr.String(), 200*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("the listener's queue takes every connection")
	return addr
}

func TestTheFirstAddressThatAnswersWins(t *testing.T) {
	good, bad, quiet := listening(t), refusing(t), silent(t)
	for name, tc := range map[string]struct {
		addresses []netip.AddrPort
		atMost    time.Duration
	}{
		"alone":            {[]netip.AddrPort{good}, time.Second},
		"after a refusal":  {append(slices.Repeat([]netip.AddrPort{bad}, 8), good), attemptDelay}, // each failure starts the next at once
		"after a silence":  {[]netip.AddrPort{quiet, good}, 2 * attemptDelay},
		"after both":       {[]netip.AddrPort{quiet, bad, quiet, good}, 4 * attemptDelay},
		"before a silence": {[]netip.AddrPort{good, quiet}, attemptDelay},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			began := time.Now()
			conn, err := New(onLoopback).Dial(ctx, tc.addresses)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if took := time.Since(began); conn.RemoteAddr().String() != good.String() || took > tc.atMost+time.Second {
				t.Errorf("connected to %s after %v", conn.RemoteAddr(), took)
			}
		})
	}
}

func TestWhereNothingAnswersTheErrorSaysSo(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if _, err := New(onLoopback).Dial(ctx, []netip.AddrPort{refusing(t), refusing(t)}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("refused: %v", err)
	}
	if _, err := New(onLoopback).Dial(ctx, []netip.AddrPort{silent(t), silent(t)}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silent: %v", err)
	}
	if _, err := New(onLoopback).Dial(context.Background(), nil); err == nil {
		t.Error("no address: no error")
	}
}

// When several connect in the same moment, one is kept and the others are closed; and when Dial is
// over, so are its goroutines.
func TestTheOthersAreClosed(t *testing.T) {
	var together sync.WaitGroup
	together.Add(2)
	var peers []net.Conn
	var mu sync.Mutex
	won, err := race(context.Background(), make([]netip.AddrPort, 2), func(context.Context, netip.AddrPort) (net.Conn, error) {
		near, far := net.Pipe()
		mu.Lock()
		peers = append(peers, far)
		mu.Unlock()
		together.Done()
		together.Wait()
		return near, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = won.Write([]byte("x")); _ = won.Close() }()
	var heard string
	for _, peer := range peers {
		_ = peer.SetDeadline(time.Now().Add(patience))
		b, err := io.ReadAll(peer)
		if err != nil {
			t.Error(err)
		}
		heard += string(b)
	}
	if heard != "x" {
		t.Errorf("heard %q", heard)
	}
	conn, err := New(onLoopback).Dial(context.Background(), []netip.AddrPort{silent(t), listening(t)})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	stacks := make([]byte, 1<<20)
	for over := time.Now().Add(time.Second); strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "upstream.race"); runtime.Gosched() {
		if time.Now().After(over) { // what is about to return has done so long ago
			t.Fatal("an attempt goes on")
		}
	}
}

// Where IPv6 is switched off, connecting to it says that there is no source address: that is not what
// is wrong when IPv4 fails too.
func TestLackOfASourceIsTheErrorOfAllOrOfNone(t *testing.T) {
	lack := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)}
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	fails := func(with ...error) error {
		turn := 0
		_, err := race(context.Background(), make([]netip.AddrPort, len(with)), func(context.Context, netip.AddrPort) (net.Conn, error) {
			turn++ // each begins when the one before has failed
			return nil, with[turn-1]
		})
		return err
	}
	if err := fails(lack, refused); errors.Is(err, syscall.EADDRNOTAVAIL) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("one of two: %v", err)
	}
	if err := fails(lack, lack); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("both: %v", err)
	}
}

func TestFamiliesTakeTurns(t *testing.T) {
	in := []string{"192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1", "[2001:db8::1]:1", "[2001:db8::2]:1"}
	var addresses []netip.AddrPort
	for _, text := range in {
		addresses = append(addresses, netip.MustParseAddrPort(text))
	}
	want := "[[2001:db8::1]:1 192.0.2.1:1 [2001:db8::2]:1 192.0.2.2:1 192.0.2.3:1]"
	if got := fmt.Sprint(interleaved(addresses)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// With few ports, each source address of bind brings its own, and when all are used the error says so.
func TestSourceAddressesBringTheirPorts(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000 40003"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:5000")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	to := l.Addr().(*net.TCPAddr).AddrPort()
	u := New(Config{Connect: sockets.Dial, AllowCIDRs: onLoopback.AllowCIDRs, Bind: []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3")}})
	used := map[string]int{}
	for {
		conn, err := u.Dial(context.Background(), []netip.AddrPort{to})
		if err != nil {
			if !errors.Is(err, syscall.EADDRNOTAVAIL) {
				t.Errorf("out of ports: %v", err)
			}
			break
		}
		defer conn.Close()
		source, _, _ := net.SplitHostPort(conn.LocalAddr().String())
		if used[source]++; used[source] > 4 {
			t.Fatalf("%v connections with four ports", used)
		}
	}
	if used["127.0.0.2"] != 4 || used["127.0.0.3"] != 4 {
		t.Errorf("%v connections, want four from each", used)
	}
	other, err := net.Listen("tcp", "127.0.0.1:5001") // another destination has ports of its own
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	conn, err := u.Dial(context.Background(), []netip.AddrPort{other.Addr().(*net.TCPAddr).AddrPort()})
	if err != nil {
		t.Fatalf("another destination: %v", err)
	}
	_ = conn.Close()
}

func TestSourceAddressesOfTheDestinationsFamilyTakeTurns(t *testing.T) {
	turns := newTurns([]netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::1")})
	first, second := turns.next(netip.MustParseAddr("192.0.2.9")), turns.next(netip.MustParseAddr("192.0.2.9"))
	if len(first) != 2 || len(second) != 2 || first[0] == second[0] || !slices.Contains(first, second[0]) {
		t.Errorf("%v, then %v", first, second)
	}
	if got := turns.next(netip.MustParseAddr("2001:db8::9")); fmt.Sprint(got) != "[2001:db8::1]" {
		t.Errorf("got %v", got)
	}
}
