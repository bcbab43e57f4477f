package report

import (
	"slices"
	"time"

	"github.com/sepproxy/sepproxy/audit"
)

// An event is what counts of one decision or outcome.
type event struct {
	at           time.Time
	services     []string
	to           address
	scheme       string
	undocumented bool
	allowed      bool // decision
	turned       bool // outcome: what was allowed is denied after all
	failed       bool // outcome
	reason       string
	client       int
	requests     int64
	bytes        Bytes
}

// event takes out of a decision or outcome what counts. An outcome is only written for what was
// allowed, and repeats url and services: the decision itself need not be remembered.
func (c *collector) event(r *audit.Record) *event {
	e := &event{
		at: r.Time, services: serviceIDs(r.Sepproxy.Services), client: -1,
		allowed: r.Sepproxy.Verdict == "allow", reason: short(r.Sepproxy.Reason),
		requests: max(1, r.Sepproxy.Count),
	}
	if r.Source != nil {
		e.client = c.clients.number(r.Source.IP)
		e.bytes.Sent = count(r.Source.Bytes)
	}
	if r.Destination != nil {
		e.bytes.Received = count(r.Destination.Bytes)
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

// serviceIDs gives each id once, so that no record counts twice in a service.
func serviceIDs(in []string) []string {
	out := make([]string, 0, min(len(in), maxShared))
	for _, id := range in[:min(len(in), maxShared)] {
		if id = short(id); id != "" && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// short bounds the memory of one name; no host name (RFC 1035: 253 bytes) and none of our own names
// is longer.
func short(name string) string {
	if len(name) > 255 {
		return Other
	}
	return name
}
