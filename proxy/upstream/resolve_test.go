package upstream

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// DNS rebinding: a name that led outside leads inside the next time.
func TestEachAnswerIsJudgedAnew(t *testing.T) {
	ns := serving(t, "a.example. 1 A 192.0.9.1")
	u, clock := asking(ns)
	if got, err := resolve(t, u, "a.example"); err != nil || len(got) != 1 {
		t.Fatalf("got %v, %v", got, err)
	}
	ns.zone("a.example. 1 A 10.0.0.1")
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
}

// What the process itself listens on is dialled for no name, whatever the exceptions say.
func TestNoNameLeadsBackIntoTheProxy(t *testing.T) {
	ns := serving(t, "self.example. 60 A 127.0.0.1", "also.example. 60 A 127.0.0.2", "nowhere.example. 60 A 0.0.0.0", "outside.example. 60 A 192.0.9.1")
	for listener, forbidden := range map[string][]string{
		"127.0.0.1:443": {"self.example", "nowhere.example"},
		"0.0.0.0:443":   {"self.example", "also.example", "nowhere.example"},
		"[::]:443":      {"self.example", "also.example", "nowhere.example"},
		"127.0.0.1:80":  {"nowhere.example"},
		"[::]:80":       {"nowhere.example"},
	} {
		u, _ := asking(ns)
		u.cfg.AllowCIDRs = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
		u.Refuse(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(listener)))
		for _, host := range []string{"self.example", "also.example", "nowhere.example", "outside.example"} {
			got, err := resolve(t, u, host)
			if want := slices.Contains(forbidden, host); errors.Is(err, ErrForbidden) != want {
				t.Errorf("listening on %s: %s leads to %v, %v", listener, host, got, err)
			}
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
		reply.Answer = records("loop.example. 60 CNAME pool.example.", "pool.example. 60 CNAME loop.example.")
	})
	_, err := resolve(t, u, "loop.example")
	if d, ok := errors.AsType[*net.DNSError](err); !ok || d.IsNotFound { // the next resolver may know better
		t.Errorf("a loop: %v", err)
	}
}

func TestLiesGoForNothing(t *testing.T) {
	for name, lie := range map[string]func(reply *dns.Msg){
		"an answer to another question": func(reply *dns.Msg) { reply.Question[0].Name = "other.example." },
		"another type":                  func(reply *dns.Msg) { reply.Question[0].Qtype = dns.TypeTXT },
		"another id":                    func(reply *dns.Msg) { reply.Id++ },
		"another class":                 func(reply *dns.Msg) { reply.Question[0].Qclass = dns.ClassCHAOS },
		"a question":                    func(reply *dns.Msg) { reply.Response = false },
		"no question":                   func(reply *dns.Msg) { reply.Question = nil },
	} {
		t.Run(name, func(t *testing.T) {
			ns := serving(t, "a.example. 60 A 192.0.9.1")
			ns.forges(func(reply *dns.Msg) {
				reply.Rcode, reply.Answer = dns.RcodeSuccess, records("a.example. 60 A 192.0.9.66")
				lie(reply)
			})
			u, _ := asking(ns)
			if got, err := resolve(t, u, "a.example"); err != nil || fmt.Sprint(got) != "[192.0.9.1:443]" {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestRecordsOfOtherNamesGoForNothing(t *testing.T) {
	ns := serving(t)
	ns.answers(func(_ dns.Question, reply *dns.Msg) {
		reply.Answer = records("other.example. 60 A 192.0.9.66", "other.example. 60 CNAME evil.example.", "evil.example. 60 A 192.0.9.67")
		reply.Answer = append(reply.Answer, &dns.A{Hdr: dns.RR_Header{Name: "a.example.", Rrtype: dns.TypeA, Class: dns.ClassCHAOS, Ttl: 60}, A: net.IPv4(192, 0, 9, 68)})
		reply.Extra = records("a.example. 60 A 192.0.9.69")
	})
	u, _ := asking(ns)
	if got, err := resolve(t, u, "a.example"); err == nil {
		t.Errorf("got %v", got)
	}
}

func TestALongAnswerComesByTCP(t *testing.T) {
	var zone []string
	for i := range 100 {
		zone = append(zone, fmt.Sprintf("a.example. 60 A 192.0.9.%d", i+1))
	}
	ns := serving(t, zone...)
	u, _ := asking(ns)
	if got, err := resolve(t, u, "a.example"); err != nil || len(got) != maxAddresses {
		t.Errorf("%d addresses, %v", len(got), err)
	}
	if n := ns.countOf("tcp A "); n != 1 {
		t.Errorf("%d questions by TCP", n)
	}
}

func TestTheNextResolverIsAskedWhereOneFails(t *testing.T) {
	t.Parallel()
	good := serving(t, "a.example. 60 A 192.0.9.1")
	for name, fail := range map[string]func(dns.Question, *dns.Msg){
		"silent":   func(_ dns.Question, reply *dns.Msg) { reply.Rcode = unsent },
		"failing":  func(_ dns.Question, reply *dns.Msg) { reply.Rcode = dns.RcodeServerFailure },
		"refusing": func(_ dns.Question, reply *dns.Msg) { reply.Rcode = dns.RcodeRefused },
		"lame": func(_ dns.Question, reply *dns.Msg) {
			reply.RecursionAvailable, reply.Ns = false, records("example. 60 NS ns.example.")
		},
	} {
		t.Run(name, func(t *testing.T) {
			bad := serving(t)
			bad.answers(fail)
			u, _ := asking(bad, good)
			if got, err := resolve(t, u, "a.example"); err != nil || len(got) != 1 {
				t.Errorf("got %v, %v", got, err)
			}
			if n := bad.questions(); n == 0 {
				t.Error("the first was not asked")
			}
		})
	}
}

func TestALostPacketIsSentAgain(t *testing.T) {
	t.Parallel()
	ns := serving(t)
	lost := map[uint16]bool{}
	ns.answers(func(q dns.Question, reply *dns.Msg) {
		if !lost[q.Qtype] {
			lost[q.Qtype], reply.Rcode = true, unsent
			return
		}
		reply.Answer = records("a.example. 60 A 192.0.9.1")
	})
	u, _ := asking(ns)
	u.cfg.Timeout = patience
	began := time.Now()
	if got, err := resolve(t, u, "a.example"); err != nil || len(got) != 1 || time.Since(began) > patience/2 {
		t.Errorf("got %v, %v after %v", got, err, time.Since(began))
	}
}

// A name that does not exist has addresses of neither family (RFC 8020): the other answer, which some
// never send, is not waited for.
func TestANameThatDoesNotExistIsKnownFromOneAnswer(t *testing.T) {
	ns := serving(t)
	ns.answers(func(q dns.Question, reply *dns.Msg) {
		if reply.Rcode = dns.RcodeNameError; q.Qtype == dns.TypeAAAA {
			reply.Rcode = unsent
		}
	})
	u, _ := asking(ns)
	u.cfg.Timeout = patience
	began := time.Now()
	_, err := resolve(t, u, "a.example")
	if d, ok := errors.AsType[*net.DNSError](err); !ok || !d.IsNotFound || time.Since(began) > patience/2 {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
}

func TestOneFamilyIsEnough(t *testing.T) {
	ns := serving(t)
	ns.answers(func(q dns.Question, reply *dns.Msg) {
		if q.Qtype == dns.TypeAAAA {
			reply.Rcode = unsent // as some do
			return
		}
		reply.Answer = records("a.example. 60 A 192.0.9.1")
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
