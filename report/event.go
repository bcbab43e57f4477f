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
	policy string
	happen *Event // of a lifecycle record, and nothing but it

	*matter
	decision, outcome bool
	allowed           bool // decision
	turned            bool // outcome: what was allowed is denied after all
	failed            bool // outcome
	requests          int64
	bytes             Bytes
	began             time.Time // outcome: when it was decided
	ip                string    // of the client, who is
	client            int       // in the collector's index, with
	clientAddr        netip.Addr
}

// A matter is what was asked for and decided: what many records have in common. It is not changed once it is
// made, but for rows, which is the collector's.
type matter struct {
	target
	method     string
	serverName string // outcome: in the ClientHello
	allowed    bool
	reason     string
	clientName string
	requests   int64

	rows *rows // nil: to be found
}

// read takes out of a record what counts. An outcome is only written for what was allowed, and repeats url
// and services: the decision itself need not be remembered. memo is audit.Line.Memo, or nil.
func (e *event) read(r *audit.Record, memo *any) {
	*e = event{at: r.Time, policy: short(r.Sepproxy.Policy)}
	switch r.Event.Action {
	case audit.ActionLifecycle:
		e.happen = happened(r)
		return
	case audit.ActionDecision:
		e.decision = true
	case audit.ActionOutcome:
		e.outcome = true
		e.began = r.Time.Add(-time.Duration(r.Event.Duration))
		e.turned = r.Sepproxy.Verdict == "deny"
		e.failed = !e.turned && r.Event.Outcome == "failure"
	}
	e.matter = matterOf(r, memo)
	e.allowed, e.requests = e.matter.allowed, e.matter.requests
	if r.Source != nil {
		e.ip, e.bytes.Sent = r.Source.IP, count(r.Source.Bytes)
	}
	if r.Destination != nil {
		e.bytes.Received = count(r.Destination.Bytes)
	}
}

func matterOf(r *audit.Record, memo *any) *matter {
	if memo == nil {
		return newMatter(r)
	}
	a, ok := (*memo).(*matter)
	if !ok {
		a = newMatter(r)
		*memo = a
	}
	return a
}

func newMatter(r *audit.Record) *matter {
	s := &r.Sepproxy
	a := &matter{allowed: s.Verdict == "allow", reason: short(s.Reason), clientName: short(s.Client), requests: max(1, s.Count)}
	a.services = serviceIDs(s.Services)
	if r.HTTP != nil && r.HTTP.Request != nil {
		a.method = short(r.HTTP.Request.Method)
	}
	if r.TLS != nil && r.TLS.Client != nil {
		a.serverName = short(r.TLS.Client.ServerName)
	}
	if r.URL != nil && r.URL.Domain != "" {
		a.to, a.scheme = address{short(r.URL.Domain), r.URL.Port}, short(r.URL.Scheme)
		a.undocumented = s.Documented != nil && !*s.Documented
	}
	return a
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
