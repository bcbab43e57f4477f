//go:build linux

package e2e_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sepproxy/sepproxy/audit"
)

// An entry is one request as its client saw it, or as the trail has it: the two have to be equal.
type entry struct {
	source         netip.AddrPort
	method, scheme string
	host           string // "" for what cannot be parsed; path then holds what was sent
	port           uint16
	path           string
	services       []string
	documented     bool
	verdict        string
	reason         string // of the decision
	failure        string // of the outcome; "" is success
	inside         string // why an allowed tunnel was denied after all, for its first bytes; "" is not
	status         int
	sent, received int64
}

func (e entry) String() string {
	return fmt.Sprintf("%v %s %s://%s%s for %v documented=%v: %s %s %s%s status=%d sent=%d received=%d", e.source, e.method, e.scheme,
		e.address(), e.path, e.services, e.documented, e.verdict, e.reason, e.failure, e.inside, e.status, e.sent, e.received)
}

// final is the verdict with its reason when all is over.
func (e entry) final() (verdict, reason string) {
	if e.inside != "" {
		return "deny", e.inside
	}
	return e.verdict, e.reason
}

func (e entry) address() string {
	return net.JoinHostPort(e.host, strconv.Itoa(int(e.port)))
}

// A ledger is what all machines of a site counted.
type ledger struct {
	mu      sync.Mutex
	entries []entry
}

func (l *ledger) enter(e entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
}

// entriesOf reads a trail as a ledger.
func entriesOf(all []*audit.Record) []entry {
	outcomes := map[string]*audit.Record{}
	for _, o := range ofAction(all, audit.ActionOutcome) {
		outcomes[o.Transaction.ID] = o
	}
	var entries []entry
	for _, d := range ofAction(all, audit.ActionDecision) {
		e := entry{
			source: netip.AddrPortFrom(netip.MustParseAddr(d.Source.IP), d.Source.Port),
			method: d.HTTP.Request.Method, scheme: d.URL.Scheme, host: d.URL.Domain, port: d.URL.Port,
			path: d.URL.Path + d.URL.Original, services: d.Sepproxy.Services, documented: *d.Sepproxy.Documented,
			verdict: d.Sepproxy.Verdict, reason: d.Sepproxy.Reason,
		}
		if o := outcomes[d.Transaction.ID]; o != nil {
			e.end(o)
		}
		entries = append(entries, e)
	}
	return entries
}

func (e *entry) end(o *audit.Record) {
	e.sent, e.received = *o.Source.Bytes, *o.Destination.Bytes
	if o.HTTP.Response != nil {
		e.status = o.HTTP.Response.StatusCode
	}
	switch {
	case o.Sepproxy.Verdict == "deny":
		e.inside = o.Sepproxy.Reason
	case o.Event.Outcome != "success":
		e.failure = o.Sepproxy.Reason
	}
}

// sameEntries compares two ledgers, in no order.
func sameEntries(t testing.TB, counted, recorded []entry) {
	t.Helper()
	only := func(a, b []entry, whose string) {
		left := map[string]int{}
		for _, e := range b {
			left[e.String()]++
		}
		alone := 0
		for _, e := range a {
			if left[e.String()]--; left[e.String()] < 0 {
				if alone++; alone <= 10 {
					t.Errorf("only %s: %v", whose, e)
				}
			}
		}
		if alone > 10 {
			t.Errorf("and %d more that only %s", alone-10, whose)
		}
	}
	only(counted, recorded, "the clients know of")
	only(recorded, counted, "the trail knows of")
}

// A row is what the report says of one service.
type row struct {
	Requests, Failures, Denied int64
	Clients                    int
	BytesReceived, BytesSent   int64
	Endpoints                  map[string][2]int64 // requests and denied by host:port
	clients                    map[netip.Addr]bool
}

// services sums the ledger up as a report does: an endpoint of several services counts in each.
func (l *ledger) services() map[string]*row {
	rows := map[string]*row{}
	for _, e := range l.entries {
		for _, id := range e.services {
			if rows[id] == nil {
				rows[id] = &row{Endpoints: map[string][2]int64{}, clients: map[netip.Addr]bool{}}
			}
			rows[id].add(e)
		}
	}
	return rows
}

func (r *row) add(e entry) {
	at := r.Endpoints[e.address()]
	r.Requests++
	at[0]++
	if verdict, _ := e.final(); verdict == "deny" {
		r.Denied++
		at[1]++
	}
	if e.failure != "" {
		r.Failures++
	}
	r.BytesReceived += e.received
	r.BytesSent += e.sent
	r.Endpoints[e.address()] = at
	r.clients[e.source.Addr()] = true
	r.Clients = len(r.clients)
}

// undocumented sums up what no catalog lists, by host:port: requests, allowed, denied, clients.
func (l *ledger) undocumented() map[string][4]int64 {
	rows := map[string][4]int64{}
	clients := map[string]bool{}
	for _, e := range l.entries {
		if e.documented || e.host == "" {
			continue
		}
		r := rows[e.address()]
		r[0]++
		if verdict, _ := e.final(); verdict == "allow" {
			r[1]++
		} else {
			r[2]++
		}
		if who := e.address() + " " + e.source.Addr().String(); !clients[who] {
			clients[who] = true
			r[3]++
		}
		rows[e.address()] = r
	}
	return rows
}

// samples gives what /metrics has to say about the ledger's requests and tunnels.
func (l *ledger) samples() map[string]float64 {
	m := map[string]float64{}
	for _, e := range l.entries {
		service := "none"
		switch {
		case len(e.services) == 1:
			service = e.services[0]
		case len(e.services) > 1:
			service = "shared"
		}
		verdict, reason := e.final()
		m[fmt.Sprintf("sepproxy_requests_total{reason=%q,service=%q,verdict=%q}", reason, service, verdict)]++
		m[`sepproxy_audit_records_total{action="decision"}`]++
		if e.verdict == "allow" {
			m[`sepproxy_audit_records_total{action="outcome"}`]++
		}
		if e.method == "CONNECT" && e.sent+e.received > 0 {
			m[`sepproxy_tunnel_bytes_total{direction="sent"}`] += float64(e.sent)
			m[`sepproxy_tunnel_bytes_total{direction="received"}`] += float64(e.received)
		}
	}
	return m
}

// countedRequests picks the samples that ledger.samples can speak of.
func countedRequests(samples map[string]float64) map[string]float64 {
	m := map[string]float64{}
	for name, value := range samples {
		about := slices.ContainsFunc([]string{"sepproxy_requests_total", "sepproxy_tunnel_bytes_total",
			`sepproxy_audit_records_total{action="decision"`, `sepproxy_audit_records_total{action="outcome"`},
			func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		if about && value > 0 {
			m[name] = value
		}
	}
	return m
}
