package policy

import (
	"net/netip"
	"slices"
	"time"

	"github.com/sepproxy/sepproxy/catalog"
)

// A Policy says what may pass. It never changes once it is made, so any number of goroutines may
// use one; Load and Compile make it. A nil or zero Policy denies everything.
type Policy struct {
	catalog  *catalog.Catalog
	versions []catalog.Version // sep_versions
	groups   map[string]bool   // groups; nil: every one

	clients clientTable
	rules   table[[]rule] // the rules of a host: longest path first
	denials table[[]denial]

	observing bool // mode: observe, until the time below
	until     time.Time
	observed  observed

	keepRevoked    bool
	defaultClients bool
	revision       string
	warnings       []string
}

// observed says which unlisted hosts may pass in observe mode.
type observed struct {
	all      bool
	patterns table[struct{}]
}

var nothing = new(Policy)

// A Request is everything that a verdict depends on.
type Request struct {
	Method string // for Explain; the scheme of the target stands for it in decisions
	Target Target
	Client netip.Addr // an IPv4-mapped address is its IPv4 address, a zone is ignored
	Time   time.Time
	// Condition is what the process knows and the policy does not: ReasonDraining,
	// ReasonRateLimited, ReasonTooManyConnections, or "". It denies, at its place in the order of reasons.
	Condition Reason
}

// A Verdict is what Decide found.
type Verdict struct {
	Allow  bool
	Reason Reason // never ""
	// Would is the reason that enforce would have given, where Reason is ReasonObserved; else "".
	Would      Reason
	Documented bool // the endpoint stands in the catalog, whether or not it is in force
	// Services is what the endpoint is for: to this client if it is allowed, to anybody otherwise;
	// sorted, nil for none. The policy owns it: read it, never change it.
	Services []string
	// SNIOff tells that the allow rule which lets it pass wants no check of the tunnel's first bytes.
	SNIOff bool
	Client string // the name of the client's entry in policy.yaml; "" if it has none
	Mode   string // ModeEnforce or ModeObserve, at the time of the request
	Policy string // the policy's revision
}

// Decide judges a request. It reads nothing but r and p, and allocates nothing.
func (p *Policy) Decide(r Request) Verdict {
	if p == nil {
		p = nothing
	}
	c := p.clients.find(r.Client)
	var m match
	if r.Target.Host != "" && !r.Target.Literal {
		m = p.match(&r.Target, c)
	}
	v := Verdict{Mode: p.Mode(r.Time), Policy: p.revision}
	if c != nil {
		v.Client = c.name
	}
	if m.named != nil {
		v.Documented, v.Services = m.named.documented, m.named.audience.services
	}
	v.Reason = p.judge(&r, c, &m)
	switch {
	case v.Reason == ReasonCatalog || v.Reason == ReasonLocalRule:
		v.Allow, v.Services, v.SNIOff = true, m.by.audience.forClient(c), m.by.sniOff
	case v.Reason.observable() && v.Mode == ModeObserve && p.observed.has(r.Target.Host):
		v.Allow, v.Reason, v.Would = true, ReasonObserved, v.Reason
	}
	return v
}

// judge gives the reason that enforce mode has: the first one to deny, in the order that is part of
// the interface, and only where there is none the one to allow.
func (p *Policy) judge(r *Request, c *client, m *match) Reason {
	switch {
	case r.Target.Host == "":
		return ReasonMalformedRequest
	case r.Condition == ReasonDraining:
		return ReasonDraining
	case c == nil:
		return ReasonClientNotAllowed
	case r.Condition != "":
		return r.Condition
	case r.Target.Literal:
		return ReasonIPLiteral
	case p.denial(&r.Target) != nil:
		return ReasonDeniedByRule
	case m.by == nil:
		return m.reason
	case m.by.local != nil:
		return ReasonLocalRule
	}
	return ReasonCatalog
}

// denial gives the deny rule that hits the target; nil if none does.
func (p *Policy) denial(t *Target) *denial {
	for denials := range p.denials.about(t.Host) {
		for i := range denials {
			if denials[i].hits(t) {
				return &denials[i]
			}
		}
	}
	return nil
}

func (o *observed) has(host string) bool {
	if o.all {
		return true
	}
	for range o.patterns.about(host) {
		return true
	}
	return false
}

// Revision is the same for the same rules on every machine: the first 12 hex digits of a SHA-256
// over the compiled form. It is "" for a zero Policy.
func (p *Policy) Revision() string {
	if p == nil {
		return ""
	}
	return p.revision
}

// Warnings tells what is allowed more broadly than one might think, as file:line:column: message
// where a line is to blame. The caller must not change the list.
func (p *Policy) Warnings() []string {
	if p == nil {
		return nil
	}
	return p.warnings
}

// Mode is ModeObserve while observation lasts and ModeEnforce otherwise.
func (p *Policy) Mode(t time.Time) string {
	if p != nil && p.observing && t.Before(p.until) {
		return ModeObserve
	}
	return ModeEnforce
}

// ObserveUntil gives the time from which observe mode is enforce mode, past or not; false if the
// policy has mode enforce.
func (p *Policy) ObserveUntil() (time.Time, bool) {
	if p == nil || !p.observing {
		return time.Time{}, false
	}
	return p.until, true
}

// KeepRevoked tells whether tunnels and downloads that a reload no longer allows stay open
// (on_revoke: keep).
func (p *Policy) KeepRevoked() bool { return p != nil && p.keepRevoked }

// DefaultClients tells whether policy.yaml leaves clients out, so that every private address may
// use the proxy.
func (p *Policy) DefaultClients() bool { return p != nil && p.defaultClients }

// Catalog gives the catalog that the policy is compiled from; nil for a nil or zero Policy.
func (p *Policy) Catalog() *catalog.Catalog {
	if p == nil {
		return nil
	}
	return p.catalog
}

// InForce gives the services that groups and sep_versions leave in, each with only the endpoints
// they leave in, in the catalog's order. The caller owns the list; allow and deny rules have no part in it.
func (p *Policy) InForce() []catalog.Service {
	if p == nil || p.catalog == nil {
		return nil
	}
	var in []catalog.Service
	for service := range p.catalog.Services() {
		left := *service
		left.Endpoints = slices.Clone(service.Endpoints)
		left.Endpoints = slices.DeleteFunc(left.Endpoints, func(e catalog.Endpoint) bool {
			return !p.leavesIn(service, &e)
		})
		if len(left.Endpoints) > 0 {
			in = append(in, left)
		}
	}
	return in
}

func (p *Policy) leavesIn(s *catalog.Service, e *catalog.Endpoint) bool {
	return (p.groups == nil || p.groups[s.Group]) && e.Versions.UsedByAny(p.versions)
}
