package proxy_test

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/sepproxy/sepproxy/proxy"
)

// A nameServer answers A queries from a map and counts what it is asked.
type nameServer struct {
	addr  netip.AddrPort
	mu    sync.Mutex
	names map[string][]string // name without final dot: addresses
	asked []string
}

func newNameServer(t testing.TB, names map[string][]string) *nameServer {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ns := &nameServer{addr: pc.LocalAddr().(*net.UDPAddr).AddrPort(), names: names}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer, ok := ns.answer(buf[:n]); ok {
				_, _ = pc.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() { _ = pc.Close(); <-done })
	return ns
}

func (ns *nameServer) answer(query []byte) ([]byte, bool) {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil, false
	}
	q := m.Questions[0]
	name := strings.TrimSuffix(q.Name.String(), ".")
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.asked = append(ns.asked, name)
	addresses, known := ns.names[name]
	m.Response, m.RCode, m.Additionals = true, dnsmessage.RCodeSuccess, nil
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, text := range addresses {
		a := netip.MustParseAddr(text)
		h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}
		switch {
		case q.Type == dnsmessage.TypeA && a.Is4():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		case q.Type == dnsmessage.TypeAAAA && a.Is6():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	out, err := m.Pack()
	return out, err == nil
}

// names that were asked for, each once, sorted.
func (ns *nameServer) questions() []string {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	out := slices.Clone(ns.asked)
	slices.Sort(out)
	return slices.Compact(out)
}

func resolvingWith(ns *nameServer) func(*proxy.Config) {
	return func(c *proxy.Config) { c.Upstream.Resolvers = []netip.AddrPort{ns.addr} }
}

func TestANameThatIsNotAllowedIsNeverResolved(t *testing.T) {
	ns := newNameServer(t, map[string][]string{insight: {"127.0.0.1"}})
	s := newSite(t, allowing("http://plain.example/only"), nil, resolvingWith(ns))
	for _, raw := range []string{
		"CONNECT secret.data.attacker.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT " + insight + ":8443 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET http://plain.example/other HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET http://data.attacker.example/ HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT 10.0.0.1:443 HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT bad..name:443 HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		s.send(raw)
		if d := s.trail.all("decision"); d[len(d)-1].Sepproxy.Verdict != "deny" {
			t.Errorf("%q was allowed", raw)
		}
	}
	if got := ns.questions(); len(got) > 0 {
		t.Errorf("asked for %v", got)
	}
	s.send("CONNECT " + insight + ":443 HTTP/1.1\r\nHost: x\r\n\r\n") // the count counts
	if got := ns.questions(); !slices.Equal(got, []string{insight}) {
		t.Errorf("asked for %v, want %s alone", got, insight)
	}
}

func TestANameWithOnlyForbiddenAddressesIsDenied(t *testing.T) {
	ns := newNameServer(t, map[string][]string{insight: {"127.0.0.1", "127.9.9.9", "::1"}}) // even a broken guard reaches only this machine
	s := newSite(t, "", nil, resolvingWith(ns))
	s.answered(s.send("CONNECT "+insight+":443 HTTP/1.1\r\nHost: x\r\n\r\n"), "403", "address_forbidden")
	d := s.decided("deny", "address_forbidden")
	if !*d.Sepproxy.Documented || len(s.trail.all("outcome")) > 0 {
		t.Errorf("decision %+v", d.Sepproxy)
	}
}

func TestExceptionsToTheAddressRule(t *testing.T) {
	addr := netip.MustParseAddrPort(origin(t, echo))
	ns := newNameServer(t, map[string][]string{"inside.example": {"127.9.9.9", addr.Addr().String()}})
	s := newSite(t, allowing("https://inside.example:"+portOf(addr)), nil, resolvingWith(ns), func(c *proxy.Config) {
		c.Upstream.AllowCIDRs = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	_ = s.connect("inside.example:"+portOf(addr), "").Close()
	if o := s.ended(1, ""); o.Destination.IP != "127.0.0.1" {
		t.Errorf("dialled %s, though only 127.0.0.1 is excepted", o.Destination.IP)
	}
}

func portOf(a netip.AddrPort) string { _, p, _ := net.SplitHostPort(a.String()); return p }

func TestANameThatDoesNotExist(t *testing.T) {
	ns := newNameServer(t, nil)
	s := newSite(t, allowing("http://plain.example"), nil, resolvingWith(ns))
	s.answered(s.send("CONNECT "+insight+":443 HTTP/1.1\r\nHost: x\r\n\r\n"), "502", "dns_failure")
	s.decided("allow", "catalog")
	s.ended(1, "dns_failure")
	s.answered(s.send("GET http://plain.example/ HTTP/1.1\r\nHost: x\r\n\r\n"), "502", "dns_failure")
	s.ended(2, "dns_failure")
	for _, q := range ns.questions() {
		if q != insight && q != "plain.example" {
			t.Errorf("a search domain was tried: %s", q)
		}
	}
}

func TestASilentResolverCostsTheConnectTimeoutAndNoMore(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	s := newSite(t, "", nil, func(c *proxy.Config) {
		c.Upstream.Resolvers = []netip.AddrPort{pc.LocalAddr().(*net.UDPAddr).AddrPort()}
		c.Timeouts.Connect = 100 * time.Millisecond
	})
	s.answered(s.send("CONNECT "+insight+":443 HTTP/1.1\r\nHost: x\r\n\r\n"), "502", "dns_failure")
	s.ended(1, "dns_failure")
}
