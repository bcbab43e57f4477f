package report

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sepproxy/sepproxy/audit"
)

// An event is what counts of one record. It holds nothing of the record but strings, so that files can
// be read by several goroutines and counted by one.
type event struct {
	at     time.Time
	action string
	policy string
	chain  string
	happen *Event // of a lifecycle record, and nothing but it

	target
	method     string
	serverName string // outcome: in the ClientHello
	reason     string
	ip         string // of the client
	clientName string
	began      time.Time // outcome: when it was decided
	requests   int64
	bytes      Bytes
	allowed    bool // decision
	turned     bool // outcome: what was allowed is denied after all
	failed     bool // outcome

	client     int // filled in by the collector, as is
	clientAddr netip.Addr
}

// eventOf takes out of a record what counts. An outcome is only written for what was allowed, and repeats
// url and services: the decision itself need not be remembered.
func eventOf(r *audit.Record) event {
	e := event{at: r.Time, action: r.Event.Action, policy: short(r.Sepproxy.Policy), chain: r.Chain}
	if e.action == audit.ActionLifecycle {
		e.happen = happened(r)
		return e
	}
	s := &r.Sepproxy
	e.services, e.allowed, e.reason = serviceIDs(s.Services), s.Verdict == "allow", short(s.Reason)
	e.clientName, e.requests = short(s.Client), max(1, s.Count)
	if r.Source != nil {
		e.ip, e.bytes.Sent = r.Source.IP, count(r.Source.Bytes)
	}
	if r.Destination != nil {
		e.bytes.Received = count(r.Destination.Bytes)
	}
	if r.HTTP != nil && r.HTTP.Request != nil {
		e.method = short(r.HTTP.Request.Method)
	}
	if r.TLS != nil && r.TLS.Client != nil {
		e.serverName = short(r.TLS.Client.ServerName)
	}
	if r.URL != nil && r.URL.Domain != "" {
		e.to, e.scheme = address{short(r.URL.Domain), r.URL.Port}, short(r.URL.Scheme)
		e.undocumented = s.Documented != nil && !*s.Documented
	}
	if e.action == audit.ActionOutcome {
		e.began = r.Time.Add(-time.Duration(r.Event.Duration))
		e.turned = s.Verdict == "deny"
		e.failed = !e.turned && r.Event.Outcome == "failure"
	}
	return e
}

func count(n *int64) int64 {
	if n == nil || *n < 0 {
		return 0
	}
	return *n
}

// serviceIDs gives each id once, a line each, so that no record counts twice in a service.
func serviceIDs(in []string) string {
	if len(in) == 1 {
		return id(in[0])
	}
	out := make([]string, 0, min(len(in), maxShared))
	for _, s := range in[:min(len(in), maxShared)] {
		if s = id(s); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return strings.Join(out, "\n")
}

// id is a service's id, with which nothing else can be on its line.
func id(s string) string { return strings.ReplaceAll(short(s), "\n", "\\n") }

// short bounds the memory of one name; no host name (RFC 1035: 253 bytes) and none of our own names
// is longer.
func short(name string) string {
	if len(name) > 255 {
		return Other
	}
	return name
}
