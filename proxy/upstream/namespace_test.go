package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// onThisMachine gives loopback an address, and a listener there that counts who connects.
func onThisMachine(t *testing.T, address string) *atomic.Int32 {
	t.Helper()
	if out, err := exec.Command("ip", "address", "add", address, "dev", "lo", "nodad").CombinedOutput(); err != nil {
		t.Fatalf("adding %s: %v\n%s", address, err, out)
	}
	l, err := net.Listen("tcp", netip.AddrPortFrom(netip.MustParseAddr(address), 443).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	came := new(atomic.Int32)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			_ = conn.Close()
		}
	}()
	return came
}

// Every address here has somebody who would answer; only the public ones are connected to, neither by
// a name's answer nor by a dial that did not ask.
func TestForbiddenAddressesAreNotConnectedTo(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	public := []string{"8.8.8.8", "2606:4700::1111"}
	forbidden := []string{"10.0.0.1", "169.254.169.254", "168.63.129.16", "100.64.0.1", "192.168.1.1", "fd00:ec2::254", "64:ff9b::a00:1", "2002:a00:1::1"}
	came := map[string]*atomic.Int32{}
	zone := []string{"mapped.example. 60 AAAA ::ffff:10.0.0.1"}
	for _, a := range append(public, forbidden...) {
		came[a] = onThisMachine(t, a)
		family := "A"
		if netip.MustParseAddr(a).Is6() {
			family = "AAAA"
		}
		zone = append(zone, fmt.Sprintf("mixed.example. 60 %s %s", family, a))
	}
	u, _ := asking(serving(t, zone...))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	addresses, err := u.Resolve(ctx, "mixed.example", 443)
	if err != nil || len(addresses) != len(public) {
		t.Fatalf("%v, %v", addresses, err)
	}
	for _, a := range addresses {
		conn, err := u.Dial(ctx, []netip.AddrPort{a})
		for errors.Is(err, syscall.ENETUNREACH) && ctx.Err() == nil { // a new IPv6 address has its route a moment later
			conn, err = u.Dial(ctx, []netip.AddrPort{a})
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	if got, err := u.Resolve(ctx, "mapped.example", 443); !errors.Is(err, ErrForbidden) {
		t.Errorf("an IPv4-mapped address: %v, %v", got, err)
	}
	for _, a := range append(forbidden, "127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:10.0.0.1") {
		to := []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(a), 443)}
		for _, addresses := range [][]netip.AddrPort{to, append(to, to...)} {
			if _, err := u.Dial(ctx, addresses); !errors.Is(err, ErrForbidden) {
				t.Errorf("dialling %s: %v", addresses, err)
			}
		}
		if n := came[a]; n != nil && n.Load() > 0 {
			t.Errorf("%s was connected to", a)
		}
	}
}

// over puts text in the place of one of the system's files, for this namespace alone.
func over(t *testing.T, file, text string) (change func(text string)) {
	t.Helper()
	temporary := filepath.Join(t.TempDir(), filepath.Base(file))
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(temporary, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(text)
	if out, err := exec.Command("mount", "--bind", temporary, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", file).Run() })
	return func(text string) {
		write(text)
		later := time.Now().Add(time.Minute) // whatever the resolution of the file system's clock
		if err := os.Chtimes(temporary, later, later); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWithoutResolversTheSystemsFilesCount(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	over(t, "/etc/hosts", "192.0.9.1 fixed.example\n10.0.0.1 inside.example\n")
	change := over(t, "/etc/resolv.conf", "search elsewhere.example\nnameserver 127.0.0.53\n")
	first := servingAt(t, "127.0.0.53:53", "a.example. 60 A 192.0.9.2", "fixed.example. 60 A 192.0.9.9", "b.example.elsewhere.example. 60 A 192.0.9.9")
	second := servingAt(t, "127.0.0.54:53", "a.example. 60 A 192.0.9.3")
	u, clock := asking()
	leadsTo := func(host, want string) {
		t.Helper()
		got, err := resolve(t, u, host)
		if text := fmt.Sprint(got); err == nil && text != want || err != nil && want != "" && !errors.Is(err, ErrForbidden) {
			t.Errorf("%s: %v, %v, want %s", host, got, err, want)
		}
	}
	leadsTo("fixed.example", "[192.0.9.1:443]")
	leadsTo("inside.example", "[]") // the hosts file does not lift the address rule
	if n := first.questions(); n != 0 {
		t.Errorf("%d questions for what the hosts file says", n)
	}
	leadsTo("a.example", "[192.0.9.2:443]")
	leadsTo("b.example", "") // no search domains
	change("nameserver 127.0.0.54\n")
	clock.advance(time.Minute)
	leadsTo("a.example", "[192.0.9.3:443]")
	if second.questions() == 0 {
		t.Error("the new resolver was not asked")
	}
	change("")
	clock.advance(time.Minute)
	leadsTo("a.example", "[192.0.9.3:443]") // of those that were known
	if second.questions() == 0 {
		t.Error("the resolver that was known was not asked")
	}
}
