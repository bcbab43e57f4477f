package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
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
		reply.Answer = records("a.example. 60 A 192.0.9.1")
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

// Who asks waits for silent resolvers only so long when there is an old answer, and the next ones
// do not wait at all.
func TestSilentResolversAreNotWaitedForWithAnOldAnswer(t *testing.T) {
	t.Parallel()
	ns := serving(t, "a.example. 60 A 192.0.9.1")
	u, clock := asking(ns)
	u.cfg.Timeout = staleAfter + time.Second
	_, _ = resolve(t, u, "a.example")
	ns.answers(func(_ dns.Question, reply *dns.Msg) { reply.Rcode = unsent })
	clock.advance(time.Minute)
	if got, err := resolve(t, u, "a.example"); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	if clock.Now().Before(u.cache.get("a.example").fresh) {
		t.Error("the old answer came only when the resolvers had failed")
	}
	_, _ = resolve(t, u, "a.example") // waits for the end of the flight, if it has not ended
	ns.questions()
	ns.zone("a.example. 60 A 192.0.9.2")
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{retryAfter - time.Millisecond, "[192.0.9.1:443]"}, {time.Millisecond, "[192.0.9.2:443]"}} {
		clock.advance(step.after)
		if got, err := resolve(t, u, "a.example"); err != nil || fmt.Sprint(got) != step.want {
			t.Errorf("%v later: %v, %v, want %s", step.after, got, err, step.want)
		}
	}
}

func TestANameThatDoesNotExistIsNotStale(t *testing.T) {
	first, second := serving(t, "a.example. 60 A 192.0.9.1"), serving(t, "a.example. 60 A 192.0.9.2")
	u, clock := asking(first, second)
	_, _ = resolve(t, u, "a.example")
	first.zone()
	clock.advance(time.Minute)
	_, err := resolve(t, u, "a.example")
	if d, ok := errors.AsType[*net.DNSError](err); !ok || !d.IsNotFound {
		t.Errorf("got %v", err)
	}
	if n := second.questions(); n != 0 {
		t.Errorf("the second resolver was asked %d times, though the first knows", n)
	}
}

func TestThatANameHasNoAddressIsKeptBriefly(t *testing.T) {
	for soa, kept := range map[string]time.Duration{
		"":    minTTL, // RFC 2308 §5: nothing says for how long
		"5":   5 * time.Second,
		"900": negativeTTL,
	} {
		ns := serving(t)
		ns.answers(func(_ dns.Question, reply *dns.Msg) {
			if soa != "" {
				reply.Ns = records("example. 86400 SOA ns.example. admin.example. 1 2 3 4 " + soa)
			}
		})
		u, clock := asking(ns)
		for _, step := range []struct {
			after     time.Duration
			questions int
		}{{0, 1}, {kept - time.Millisecond, 0}, {time.Millisecond, 1}} {
			clock.advance(step.after)
			_, _ = resolve(t, u, "a.example")
			if n := ns.questions(); n != step.questions {
				t.Errorf("SOA %q, after %v more: %d questions, want %d", soa, step.after, n, step.questions)
			}
		}
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
	u.cache.put("a.example", entry{addresses: []netip.Addr{netip.MustParseAddr("192.0.9.1")}, fresh: time.Now().Add(time.Hour)})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := u.Resolve(context.Background(), "a.example", 443); err != nil {
			b.Fatal(err)
		}
	}
}
