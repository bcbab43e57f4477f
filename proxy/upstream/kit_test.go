package upstream

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/sepproxy/sepproxy/proxy/tunnel"
)

// sockets are what everything here connects with.
var sockets = tunnel.NewEngine(time.Minute)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

const patience = 10 * time.Second

// A nameServer answers by UDP and TCP as its handler says, and counts.
type nameServer struct {
	addr    netip.AddrPort
	mu      sync.Mutex
	handler func(q dns.Question, reply *dns.Msg)
	forge   func(reply *dns.Msg) // makes what somebody else sends before each true answer; may be nil
	asked   []string             // network, type and name
}

// serving runs, on a port of its own, a nameServer whose names are the lines of a zone: "name ttl type value".
func serving(t testing.TB, zone ...string) *nameServer {
	t.Helper()
	return servingAt(t, "127.0.0.1:0", zone...)
}

func servingAt(t testing.TB, address string, zone ...string) *nameServer {
	t.Helper()
	ns := &nameServer{}
	ns.zone(zone...)
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ns.addr = l.Addr().(*net.TCPAddr).AddrPort()
	pc, err := net.ListenPacket("udp", ns.addr.String())
	if err != nil {
		t.Skip("the port is taken for UDP")
	}
	for _, server := range []*dns.Server{{Listener: l, Handler: ns}, {PacketConn: pc, Handler: ns}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() { _ = server.ActivateAndServe() }() // ends with Shutdown
		<-started
		t.Cleanup(func() { _ = server.Shutdown() })
	}
	return ns
}

// zone replaces what the server knows. A name of which it knows nothing does not exist.
func (ns *nameServer) zone(lines ...string) {
	known := records(lines...)
	ns.answers(func(q dns.Question, reply *dns.Msg) {
		name := q.Name
		reply.Rcode = dns.RcodeNameError
		for _, rr := range known {
			if rr.Header().Name != name {
				continue
			}
			reply.Rcode = dns.RcodeSuccess
			if alias, ok := rr.(*dns.CNAME); ok {
				name = alias.Target
			} else if rr.Header().Rrtype != q.Qtype {
				continue
			}
			reply.Answer = append(reply.Answer, rr)
		}
	})
}

func (ns *nameServer) answers(f func(q dns.Question, reply *dns.Msg)) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.handler = f
}

func (ns *nameServer) forges(f func(reply *dns.Msg)) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.forge = f
}

// unsent is the Rcode of a reply that is not sent.
const unsent = -1

// ServeDNS is dns.Server's.
func (ns *nameServer) ServeDNS(w dns.ResponseWriter, m *dns.Msg) {
	reply := new(dns.Msg).SetReply(m)
	reply.RecursionAvailable = true
	ns.mu.Lock()
	ns.asked = append(ns.asked, fmt.Sprint(w.LocalAddr().Network(), " ", dns.TypeToString[m.Question[0].Qtype], " ", m.Question[0].Name))
	ns.handler(m.Question[0], reply)
	if ns.forge != nil {
		lie := reply.Copy()
		ns.forge(lie)
		_ = w.WriteMsg(lie)
	}
	ns.mu.Unlock()
	if w.LocalAddr().Network() == "udp" && reply.Len() > 512 {
		reply.Truncate(512)
	}
	if reply.Rcode != unsent {
		_ = w.WriteMsg(reply)
	}
}

// questions gives how often the server was asked by UDP for addresses (A), and forgets what it was asked.
func (ns *nameServer) questions() int { return ns.countOf("udp A ") }

func (ns *nameServer) countOf(kind string) (n int) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	for _, q := range ns.asked {
		if strings.HasPrefix(q, kind) {
			n++
		}
	}
	ns.asked = nil
	return n
}

// records are the lines of a zone.
func records(lines ...string) (out []dns.RR) {
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			panic(err)
		}
		out = append(out, rr)
	}
	return out
}

// A clock is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// asking makes an Upstream that asks the servers, and the clock that it goes by.
func asking(servers ...*nameServer) (*Upstream, *clock) {
	c := &clock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	cfg := Config{Now: c.Now, Timeout: 2 * time.Second, Connect: sockets.Dial}
	for _, s := range servers {
		cfg.Resolvers = append(cfg.Resolvers, s.addr)
	}
	return New(cfg), c
}

// resolve gives the addresses of host on port 443 as text, sorted, or the error.
func resolve(t testing.TB, u *Upstream, host string) ([]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	found, err := u.Resolve(ctx, host, 443)
	var out []string
	for _, a := range found {
		out = append(out, a.String())
	}
	slices.Sort(out)
	return out, err
}

// inNamespace runs the test it is called from again, in a namespace of its own: its network has nothing
// but loopback, so that nothing is reached whatever is dialled, and what it mounts nobody else sees. It gives true there, and false where the test is over with that.
func inNamespace(t *testing.T) bool {
	t.Helper()
	const mark = "UPSTREAM_TEST_IN_NAMESPACE"
	if os.Getenv(mark) != "" {
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			t.Fatalf("setting loopback up: %v\n%s", err, out)
		}
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("a network namespace takes root")
	}
	cmd := exec.Command("unshare", "--net", "--mount", os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("in the namespace: %v\n%s", err, out)
	}
	return false
}
