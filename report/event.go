package report

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sepproxy/sepproxy/audit"
)

// An event is what counts of one decision or outcome.
type event struct {
	at time.Time
	target
	method     string // outcome and decision
	serverName string // outcome: in the ClientHello
	allowed    bool   // decision
	turned     bool   // outcome: what was allowed is denied after all
	failed     bool   // outcome
	reason     string
	client     int
	clientAddr netip.Addr
	clientName string
	requests   int64
	bytes      Bytes
}

// event takes out of a decision or outcome what counts. An outcome is only written for what was
// allowed, and repeats url and services: the decision itself need not be remembered.
func (c *collector) event(r *audit.Record) *event {
	e := &event{
		at: r.Time, target: target{services: serviceIDs(r.Sepproxy.Services)}, client: -1,
		allowed: r.Sepproxy.Verdict == "allow", reason: short(r.Sepproxy.Reason),
		clientName: short(r.Sepproxy.Client), requests: max(1, r.Sepproxy.Count),
	}
	if r.Source != nil {
		e.client, e.clientAddr = c.index.number(r.Source.IP)
		e.bytes.Sent = count(r.Source.Bytes)
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
		e.undocumented = r.Sepproxy.Documented != nil && !*r.Sepproxy.Documented
	}
	if r.Event.Action == audit.ActionOutcome {
		// The decision of a tunnel that began before the period is not counted: nothing to turn.
		began := r.Time.Add(-time.Duration(r.Event.Duration))
		e.turned = r.Sepproxy.Verdict == "deny" && c.inPeriod(began)
		e.failed = r.Sepproxy.Verdict != "deny" && r.Event.Outcome == "failure"
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
