//go:build linux

package e2e_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The site: who it has, and which vendor hosts stand in.
const (
	agents     = 5  // 127.0.1.1 and on
	lookups    = 40 // of each agent
	pushes     = 8  // tunnels that each agent holds open
	sampleSize = 3 << 20

	insight  = "ent-shasta-rrs.symantec.com"
	samples  = "central.crsi.symantec.com"
	spoc     = "us.spoc.securitycloud.symantec.com"
	liveHTTP = "liveupdate.symantecliveupdate.com" // here stands in its port 80 only
	updates  = "/%24mx$20definitions/vd|405[1].m25"
	statuses = "ocsp.example.net"
)

// A telemetry host is one of several services, and which ones depends on who asks.
const telemetry = "tses.broadcom.com"

const sitePolicy = `
clients:
  - {name: agents, cidrs: [127.0.1.0/28], groups: [agent, agent-cloud]}
  - {name: managers, cidrs: [127.0.1.16/28], groups: [sepm, sepm-cloud]}
allow:
  - {url: "http://ocsp.example.net/status", service: local.status, clients: [managers], reason: certificate status}
deny:
  - {url: "https://storage.googleapis.com", reason: not moved there yet}
`

// A site is the proxy with everything around it.
type site struct {
	t      *testing.T
	proxy  *proxy
	ledger ledger
	trust  *authority
	pins   map[string][sha256.Size]byte
	update []byte // what liveHTTP serves at updates
}

func newSite(t *testing.T) *site {
	s := &site{t: t, trust: newAuthority(t), pins: map[string][sha256.Size]byte{}, update: random(700_001)}
	hosts := map[string]string{}
	for _, host := range []string{insight, samples, spoc, telemetry} {
		cert := s.trust.issue(host)
		s.pins[host] = pin(cert.Leaf)
		hosts[host] = webOrigin(t, vendorHost(), cert)
	}
	hosts[liveHTTP] = webOrigin(t, http.HandlerFunc(s.serveUpdates))
	hosts[statuses] = webOrigin(t, http.HandlerFunc(serveStatus))
	s.proxy = start(t, settings{policy: sitePolicy, hosts: hosts})
	return s
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// vendorHost does what the vendor's TLS hosts are needed for here.
func vendorHost() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /lookup", func(w http.ResponseWriter, r *http.Request) {
		asked, _ := io.ReadAll(r.Body) // what did not come is not in the answer
		sum := sha256.Sum256(asked)
		fmt.Fprintf(w, "%x is known by %s\n", sum, strings.Repeat("many ", int(sum[0])))
	})
	mux.HandleFunc("POST /sample", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		_, _ = io.Copy(sum, r.Body)
		fmt.Fprintf(w, "%x", sum.Sum(nil))
	})
	mux.HandleFunc("GET /push", servePush)
	return mux
}

// servePush answers each ping with a pong and a notification, until the client is done.
func servePush(w http.ResponseWriter, _ *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		line, err := rw.ReadString('\n')
		if err != nil {
			return
		}
		fmt.Fprintf(rw, "pong %snotification %[1]s", line)
		if rw.Flush() != nil {
			return
		}
	}
}

const updateTag = `"edition-405"`

// serveUpdates serves one file, whose request target has to arrive byte for byte.
func (s *site) serveUpdates(w http.ResponseWriter, r *http.Request) {
	if r.RequestURI != updates && r.RequestURI != updates+"?token=secret" {
		http.Error(w, "no such file: "+r.RequestURI, http.StatusNotFound)
		return
	}
	w.Header().Set("ETag", updateTag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.update))
}

func serveStatus(w http.ResponseWriter, r *http.Request) {
	content, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/ocsp-response")
	slices.Reverse(content)
	_, _ = w.Write(content)
	_ = http.NewResponseController(w).Flush() // without a length: chunked
	_, _ = w.Write(content)
}

func (s *site) machine(ip string) *machine {
	return &machine{proxy: s.proxy, ip: ip, trust: s.trust.pool(), pins: s.pins, ledger: &s.ledger}
}

func (s *site) agents() (all []*machine) {
	for i := range agents {
		all = append(all, s.machine(fmt.Sprintf("127.0.1.%d", i+1)))
	}
	return all
}

// everywhere does a job on all machines at once, each by itself.
func (s *site) everywhere(machines []*machine, job func(*machine) error) {
	s.t.Helper()
	var all sync.WaitGroup
	for _, m := range machines {
		all.Go(func() {
			if err := job(m); err != nil {
				s.t.Errorf("%s: %v", m.ip, err)
			}
		})
	}
	all.Wait()
}

// TestSite plays a day of a site and compares what everybody says of it.
func TestSite(t *testing.T) {
	s := newSite(t)
	all, manager := s.agents(), []*machine{s.machine("127.0.1.17")}
	held := s.openPushes(all, "agent-cloud.spoc", pushes)
	held = append(held, s.openPushes(manager, "sepm-cloud.spoc", 1)...)
	s.everywhere(all, func(m *machine) error {
		return errors.Join(lookUp(m), upload(m), report(m, "agent.telemetry"), refusedAgent(m), refusedInside(m))
	})
	s.everywhere(manager, func(m *machine) error {
		return errors.Join(s.updates(m), certificateStatus(m), report(m, "sepm.telemetry"), refusedManager(m))
	})
	if err := errors.Join(s.forged(), refusedStranger(s.machine("127.0.1.200"))); err != nil {
		t.Error(err)
	}
	if got := s.proxy.metrics()["sepproxy_tunnels_active"]; got != float64(len(held)) {
		t.Errorf("%v tunnels are open, want %d", got, len(held))
	}
	s.finishAndCompareMetrics(held)
	s.drain(s.openPushes(all, "agent-cloud.spoc", 1))

	s.proxy.sound()
	named(t, s.proxy.records())
	sameEntries(t, s.ledger.entries, entriesOf(s.proxy.records()))
	s.compareReport()
}

// finishAndCompareMetrics ends what is held open; the counters then equal the clients'.
func (s *site) finishAndCompareMetrics(held []*tunnel) {
	s.t.Helper()
	for _, push := range held {
		if err := errors.Join(push.ping("still there?"), push.finish()); err != nil {
			s.t.Error(err)
		}
	}
	want := s.ledger.samples()
	var got map[string]float64
	eventually(s.t, "metrics for every outcome", func() bool {
		got = countedRequests(s.proxy.metrics())
		outcomes := `sepproxy_audit_records_total{action="outcome"}`
		return got[outcomes] >= want[outcomes]
	})
	if !maps.Equal(got, want) {
		s.t.Errorf("metrics and clients differ:\n%v\n%v", got, want)
	}
}

// drain stops the proxy while tunnels are open: they go on until they end by themselves.
func (s *site) drain(held []*tunnel) {
	s.t.Helper()
	s.proxy.signal(syscall.SIGTERM)
	s.proxy.logged("stopping", 1)
	for _, push := range held {
		if err := errors.Join(push.ping("during the drain"), push.finish()); err != nil {
			s.t.Error(err)
		}
	}
	if code := s.proxy.ended(); code != 0 {
		s.t.Errorf("the proxy ended with code %d", code)
	}
}
