package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestAnswersAreKeptForTheirTTL(t *testing.T) {
	ns := serving(t, "a.example. 60 A 192.0.9.1", "a.example. 60 AAAA 2606:4700::1")
	u, clock := asking(ns)
	want := []string{"192.0.9.1:443", "[2606:4700::1]:443"}
	for _, step := range []struct {
		after     time.Duration
		questions int
	}{{0, 1}, {0, 0}, {59 * time.Second, 0}, {time.Second, 1}, {0, 0}} {
		clock.advance(step.after)
		if got, err := resolve(t, u, "a.example"); err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, %v", got, err)
		}
		if n := ns.questions(); n != step.questions {
			t.Errorf("after %v more: %d questions, want %d", step.after, n, step.questions)
		}
	}
}

func TestTTLsAreBounded(t *testing.T) {
	ns := serving(t, "short.example. 0 A 192.0.9.1", "long.example. 864000 A 192.0.9.1")
	u, clock := asking(ns)
	for host, bound := range map[string]time.Duration{"short.example": minTTL, "long.example": maxTTL} {
		for _, step := range []struct {
			after     time.Duration
			questions int
		}{{0, 1}, {bound - time.Millisecond, 0}, {time.Millisecond, 1}} {
			clock.advance(step.after)
			_, _ = resolve(t, u, host)
			if n := ns.questions(); n != step.questions {
				t.Errorf("%s after %v more: %d questions, want %d", host, step.after, n, step.questions)
			}
		}
	}
}

func TestManyWhoWantOneNameAskOnce(t *testing.T) {
	ns := serving(t)
	all := make(chan struct{})
	ns.answers(func(_ dns.Question, reply *dns.Msg) {
		<-all
		rr, _ := dns.NewRR("a.example. 60 A 192.0.9.1")
		reply.Answer = []dns.RR{rr}
	})
	u, _ := asking(ns)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			if got, err := resolve(t, u, "a.example"); err != nil || len(got) != 1 {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	if _, err := u.Resolve(ctx, "a.example", 443); err == nil { // who leaves does not end it for the others
		t.Error("a cancelled wait ends with addresses")
	}
	close(all)
	group.Wait()
	if n := ns.questions(); n > 2 { // those who came after the first answer was in found it in the cache
		t.Errorf("%d questions", n)
	}
}

func TestAnExpiredAnswerServesWhileResolversFail(t *testing.T) {
	ns := serving(t, "a.example. 60 A 192.0.9.1")
	u, clock := asking(ns)
	_, _ = resolve(t, u, "a.example")
	ns.answers(func(_ dns.Question, reply *dns.Msg) { reply.Rcode = dns.RcodeServerFailure })
	clock.advance(time.Minute + staleFor - time.Second)
	if got, err := resolve(t, u, "a.example"); err != nil || len(got) != 1 {
		t.Errorf("while it may be stale: %v, %v", got, err)
	}
	clock.advance(2 * time.Second)
	if got, err := resolve(t, u, "a.example"); err == nil {
		t.Errorf("long after: %v", got)
	}
}

func TestANameThatDoesNotExistIsNotStale(t *testing.T) {
	first, second := serving(t, "a.example. 60 A 192.0.9.1"), serving(t, "a.example. 60 A 192.0.9.2")
	u, clock := asking(first, second)
	_, _ = resolve(t, u, "a.example")
	first.zone(t)
	clock.advance(time.Minute)
	_, err := resolve(t, u, "a.example")
	if d, ok := errors.AsType[*net.DNSError](err); !ok || !d.IsNotFound {
		t.Errorf("got %v", err)
	}
	if n := second.questions(); n != 0 {
		t.Errorf("the second resolver was asked %d times, though the first knows", n)
	}
}

// DNS rebinding: a name that led outside leads inside the next time.
func TestEachAnswerIsJudgedAnew(t *testing.T) {
	ns := serving(t, "a.example. 1 A 192.0.9.1")
	u, clock := asking(ns)
	if got, err := resolve(t, u, "a.example"); err != nil || len(got) != 1 {
		t.Fatalf("got %v, %v", got, err)
	}
	ns.zone(t, "a.example. 1 A 10.0.0.1")
	clock.advance(time.Second)
	if got, err := resolve(t, u, "a.example"); !errors.Is(err, ErrForbidden) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestOnlyWhatMayBeDialledIsGiven(t *testing.T) {
	ns := serving(t, "mixed.example. 60 A 10.0.0.1", "mixed.example. 60 A 192.0.9.1", "mixed.example. 60 A 169.254.169.254",
		"mixed.example. 60 AAAA fd00::1", "mixed.example. 60 AAAA ::ffff:10.0.0.1", "mixed.example. 60 AAAA 64:ff9b::a00:1",
		"alias.example. 60 CNAME inner.example.", "inner.example. 60 A 10.0.0.1", "inside.example. 60 A 10.1.0.1",
		"self.example. 60 A 127.0.0.1")
	u, _ := asking(ns)
	u.cfg.AllowCIDRs = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("127.0.0.0/8")}
	for host, want := range map[string]string{
		"mixed.example": "[192.0.9.1:443]", "alias.example": ErrForbidden.Error(), "inside.example": "[10.1.0.1:443]", "self.example": "[127.0.0.1:443]",
	} {
		got, err := resolve(t, u, host)
		if text := fmt.Sprint(got); err == nil && text != want || err != nil && err.Error() != want {
			t.Errorf("%s: %v, %v, want %s", host, got, err, want)
		}
	}
	for _, listener := range []net.Addr{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443}, &net.TCPAddr{Port: 443}} {
		u.own.addresses = nil
		if err := u.Refuse(listener); err != nil {
			t.Fatal(err)
		}
		if got, err := resolve(t, u, "self.example"); !errors.Is(err, ErrForbidden) {
			t.Errorf("listening on %s: %v, %v", listener, got, err)
		}
	}
}

func TestAliasesAreFollowedInsideTheAnswerAndNotForEver(t *testing.T) {
	ns := serving(t, "a.example. 60 CNAME b.example.", "b.example. 5 CNAME c.example.", "c.example. 60 A 192.0.9.1")
	u, clock := asking(ns)
	if got, err := resolve(t, u, "a.example"); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	ns.questions()
	clock.advance(5 * time.Second) // the shortest of the chain
	_, _ = resolve(t, u, "a.example")
	if n := ns.questions(); n != 1 {
		t.Errorf("%d questions after the shortest TTL of the chain", n)
	}
	ns.answers(func(_ dns.Question, reply *dns.Msg) {
		for _, line := range []string{"loop.example. 60 CNAME pool.example.", "pool.example. 60 CNAME loop.example."} {
			rr, _ := dns.NewRR(line)
			reply.Answer = append(reply.Answer, rr)
		}
	})
	if got, err := resolve(t, u, "loop.example"); err == nil {
		t.Errorf("a loop leads to %v", got)
	}
}

func TestLiesGoForNothing(t *testing.T) {
	ns := serving(t)
	for name, lie := range map[string]func(q dns.Question, reply *dns.Msg){
		"an answer to another question": func(_ dns.Question, reply *dns.Msg) {
			rr, _ := dns.NewRR("a.example. 60 A 192.0.9.1")
			reply.Question[0].Name, reply.Answer = "other.example.", []dns.RR{rr}
		},
		"records of another name": func(_ dns.Question, reply *dns.Msg) {
			rr, _ := dns.NewRR("other.example. 60 A 192.0.9.1")
			reply.Answer = []dns.RR{rr}
		},
		"another id": func(_ dns.Question, reply *dns.Msg) {
			rr, _ := dns.NewRR("a.example. 60 A 192.0.9.1")
			reply.Answer = []dns.RR{rr}
			reply.Id++
		},
		"a refusal": func(_ dns.Question, reply *dns.Msg) { reply.Rcode = dns.RcodeRefused },
	} {
		t.Run(name, func(t *testing.T) {
			ns.answers(lie)
			u, _ := asking(ns)
			u.cfg.Timeout = 300 * time.Millisecond
			if got, err := resolve(t, u, "a.example"); err == nil {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestALongAnswerComesByTCP(t *testing.T) {
	var zone []string
	for i := range 100 {
		zone = append(zone, fmt.Sprintf("a.example. 60 A 192.0.9.%d", i+1))
	}
	ns := serving(t, zone...)
	u, _ := asking(ns)
	if got, err := resolve(t, u, "a.example"); err != nil || len(got) != 100 {
		t.Errorf("%d addresses, %v", len(got), err)
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if !slices.ContainsFunc(ns.asked, func(q string) bool { return strings.HasPrefix(q, "tcp ") }) {
		t.Errorf("asked %v", ns.asked)
	}
}

func TestTheNextResolverIsAskedWhereOneFails(t *testing.T) {
	good := serving(t, "a.example. 60 A 192.0.9.1")
	for name, fail := range map[string]func(dns.Question, *dns.Msg){
		"silent":  func(_ dns.Question, reply *dns.Msg) { reply.Rcode = -1 },
		"failing": func(_ dns.Question, reply *dns.Msg) { reply.Rcode = dns.RcodeServerFailure },
	} {
		t.Run(name, func(t *testing.T) {
			bad := serving(t)
			bad.answers(fail)
			u, _ := asking(bad, good)
			if got, err := resolve(t, u, "a.example"); err != nil || len(got) != 1 {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestOneFamilyIsEnough(t *testing.T) {
	ns := serving(t)
	ns.answers(func(q dns.Question, reply *dns.Msg) {
		if q.Qtype == dns.TypeAAAA {
			reply.Rcode = -1 // as some do
			return
		}
		rr, _ := dns.NewRR("a.example. 60 A 192.0.9.1")
		reply.Answer = []dns.RR{rr}
	})
	u, _ := asking(ns)
	began := time.Now()
	if got, err := resolve(t, u, "a.example"); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestTheHostsFileComesFirst(t *testing.T) {
	u := New(Config{Timeout: time.Second, AllowCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	got, err := resolve(t, u, "localhost")
	if err != nil || !slices.Contains(got, "127.0.0.1:443") {
		t.Skipf("the hosts file here has no localhost at 127.0.0.1: %v, %v", got, err)
	}
}

func TestNamesInTheCacheAreBounded(t *testing.T) {
	u := New(Config{})
	for i := range maxNames + 100 {
		u.cache.put(fmt.Sprint(i), entry{})
	}
	if n := len(u.cache.entries); n > maxNames {
		t.Errorf("%d names", n)
	}
}

func BenchmarkResolveFromCache(b *testing.B) {
	u := New(Config{})
	u.cache.put("a.example", entry{addresses: []netip.Addr{netip.MustParseAddr("192.0.9.1")}, expires: time.Now().Add(time.Hour)})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := u.Resolve(context.Background(), "a.example", 443); err != nil {
			b.Fatal(err)
		}
	}
}
