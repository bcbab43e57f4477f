package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/catalog"
	"github.com/sepproxy/sepproxy/policy"
	"github.com/sepproxy/sepproxy/proxy"
	"github.com/sepproxy/sepproxy/proxy/upstream"
)

// patience is how long a test waits for what has to happen.
const patience = 10 * time.Second

// A trail is an audit trail in memory.
type trail struct {
	mu      sync.Mutex
	records []*audit.Record
	changed chan struct{}
	broken  error
}

func (tr *trail) write(records ...*audit.Record) error {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.broken != nil {
		return tr.broken
	}
	for _, r := range records {
		copied := *r
		tr.records = append(tr.records, &copied)
	}
	close(tr.changed)
	tr.changed = make(chan struct{})
	return nil
}

func (tr *trail) breakWith(err error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.broken = err
}

func (tr *trail) all(action string) (out []*audit.Record) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, r := range tr.records {
		if r.Event.Action == action {
			out = append(out, r)
		}
	}
	return out
}

// await gives the first n records of an action, when they are there.
func (tr *trail) await(t testing.TB, action string, n int) []*audit.Record {
	t.Helper()
	deadline := time.After(patience)
	for {
		tr.mu.Lock()
		changed := tr.changed
		tr.mu.Unlock()
		if got := tr.all(action); len(got) >= n {
			return got
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("there are %d records of %s, want %d", len(tr.all(action)), action, n)
		}
	}
}

// A site is a proxy under test with what surrounds it.
type site struct {
	t      testing.TB
	server *proxy.Server
	addr   string
	trail  *trail
	policy atomic.Pointer[policy.Policy]
}

// newSite runs a proxy with the given policy.yaml. Names are found at the addresses in hosts.
func newSite(t testing.TB, policyYAML string, hosts map[string]string, change ...func(*proxy.Config)) *site {
	t.Helper()
	s := &site{t: t, trail: &trail{changed: make(chan struct{})}}
	s.setPolicy(policyYAML)
	cfg := proxy.Config{
		Policy:   s.policy.Load,
		Record:   s.trail.write,
		Upstream: upstream.Config{Hosts: map[string][]netip.AddrPort{}},
		Timeouts: proxy.Timeouts{Header: patience, Connect: patience, ClientHello: patience, KeepAlive: time.Minute, Idle: time.Minute},
		Limits:   proxy.Limits{HeaderBytes: 32 << 10},
		SNI:      proxy.SNIOff, // most origins here just echo
	}
	for name, addr := range hosts {
		cfg.Upstream.Hosts[name] = []netip.AddrPort{netip.MustParseAddrPort(addr)}
	}
	for _, f := range change {
		f(&cfg)
	}
	s.server = proxy.New(cfg)
	l := listenLocal(t)
	s.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.server.Shutdown(ctx)
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	return s
}

func (s *site) setPolicy(yaml string) {
	s.t.Helper()
	p, err := policy.Compile("policy.yaml", []byte(yaml), catalog.Builtin(), time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	s.policy.Store(p)
}

// allowing makes a policy.yaml that allows urls besides the catalog.
func allowing(urls ...string) string {
	var b strings.Builder
	b.WriteString("allow:\n")
	for _, u := range urls {
		b.WriteString("  - {url: \"" + u + "\", service: local.test, reason: test}\n")
	}
	return b.String()
}

func listenLocal(t testing.TB) net.Listener {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// origin runs handle for every connection that it accepts, and gives its address.
func origin(t testing.TB, handle func(net.Conn)) string {
	t.Helper()
	addr, _ := originWithStop(t, handle)
	return addr
}

// originWithStop also gives a function that stops accepting and waits for what runs.
func originWithStop(t testing.TB, handle func(net.Conn)) (addr string, stop func()) {
	t.Helper()
	l := listenLocal(t)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				handle(c)
			})
		}
	})
	stop = func() {
		_ = l.Close()
		running.Wait()
	}
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

// rawOrigin answers each connection's first request with answer and gives what it was sent.
func rawOrigin(t testing.TB, answer string) (addr string, requests chan string) {
	requests = make(chan string, 16)
	return origin(t, func(c net.Conn) {
		br := bufio.NewReader(c)
		var b strings.Builder
		for !strings.HasSuffix(b.String(), "\r\n\r\n") {
			line, err := br.ReadString('\n')
			b.WriteString(line)
			if err != nil {
				return
			}
		}
		requests <- b.String()
		_, _ = io.WriteString(c, answer)
	}), requests
}

// dial connects to the proxy.
func (s *site) dial() *net.TCPConn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// send writes raw to the proxy and gives everything that comes back until it closes.
func (s *site) send(raw string) string {
	s.t.Helper()
	c := s.dial()
	defer c.Close()
	if _, err := io.WriteString(c, raw); err != nil {
		s.t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil {
		s.t.Fatalf("reading the answer: %v (so far %q)", err, got)
	}
	return string(got)
}

// connect opens a tunnel and gives the connection; early is sent together with the CONNECT.
func (s *site) connect(authority, early string) *net.TCPConn {
	s.t.Helper()
	c := s.dial()
	if _, err := io.WriteString(c, "CONNECT "+authority+" HTTP/1.1\r\nHost: "+authority+"\r\n\r\n"+early); err != nil {
		s.t.Fatal(err)
	}
	if got := readHead(s.t, c); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		s.t.Fatalf("CONNECT %s was answered %q", authority, got)
	}
	return c
}

// readHead reads up to and including an empty line, and not a byte more.
func readHead(t testing.TB, r io.Reader) string {
	t.Helper()
	var got []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(got, []byte("\r\n\r\n")) {
		if _, err := io.ReadFull(r, one); err != nil {
			t.Fatalf("reading a head: %v (so far %q)", err, got)
		}
		got = append(got, one[0])
	}
	return string(got)
}

// client is an HTTP client that uses the proxy, and nothing else.
func (s *site) client() *http.Client {
	tr := &http.Transport{
		Proxy:              http.ProxyURL(&url.URL{Scheme: "http", Host: s.addr}),
		DisableCompression: true,
	}
	s.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// answered asserts an error answer of the proxy: status, reason code, a body that names both the
// reason and the transaction that the trail has.
func (s *site) answered(got string, status, reason string) {
	s.t.Helper()
	head, body, _ := strings.Cut(got, "\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.1 "+status+" ") {
		s.t.Errorf("answered %q, want status %s", head, status)
	}
	if !strings.Contains(head, "Proxy-Status: sepproxy; error=") || !strings.Contains(head, `details="`+reason+`"`) {
		s.t.Errorf("no Proxy-Status with details %q in %q", reason, head)
	}
	decisions := s.trail.all(audit.ActionDecision)
	if len(decisions) == 0 {
		s.t.Fatal("nothing was recorded")
	}
	last := decisions[len(decisions)-1]
	if !strings.Contains(body, "reason: "+reason) || !strings.Contains(body, last.Transaction.ID) {
		s.t.Errorf("the body %q names not both reason and transaction", body)
	}
}

// decided asserts verdict and reason of the last decision and gives it.
func (s *site) decided(verdict, reason string) *audit.Record {
	s.t.Helper()
	decisions := s.trail.all(audit.ActionDecision)
	if len(decisions) == 0 {
		s.t.Fatal("nothing was decided")
	}
	last := decisions[len(decisions)-1]
	if last.Sepproxy.Verdict != verdict || last.Sepproxy.Reason != reason || last.Event.Reason != reason {
		s.t.Errorf("decided %s %s (event.reason %s), want %s %s", last.Sepproxy.Verdict, last.Sepproxy.Reason,
			last.Event.Reason, verdict, reason)
	}
	return last
}

// ended waits for the n-th outcome and asserts its failure reason ("" for success).
func (s *site) ended(n int, failure string) *audit.Record {
	s.t.Helper()
	o := s.trail.await(s.t, audit.ActionOutcome, n)[n-1]
	switch {
	case failure == "" && o.Event.Outcome != "success":
		s.t.Errorf("outcome %s %s, want success", o.Event.Outcome, o.Sepproxy.Reason)
	case failure != "" && (o.Event.Outcome != "failure" || o.Sepproxy.Reason != failure):
		s.t.Errorf("outcome %s %s, want failure %s", o.Event.Outcome, o.Sepproxy.Reason, failure)
	}
	if !slices.Equal(o.Event.Type, []string{"connection", "end"}) {
		s.t.Errorf("event.type %v", o.Event.Type)
	}
	return o
}

// moved asserts the bytes of an outcome.
func moved(t testing.TB, o *audit.Record, sent, received int64) {
	t.Helper()
	if *o.Source.Bytes != sent || *o.Destination.Bytes != received {
		t.Errorf("%d bytes sent and %d received are recorded, want %d and %d", *o.Source.Bytes, *o.Destination.Bytes, sent, received)
	}
}

// eventually waits until cond holds; it is for what no channel tells.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
		time.Sleep(time.Millisecond)
	}
}

var errDisk = errors.New("no space left on device")
