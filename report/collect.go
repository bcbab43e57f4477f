package report

import (
	"slices"
	"time"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/catalog"
)

// Bounds of what a report keeps apart beyond the catalog, so that its memory depends on none of
// what clients invent. The rest counts as Other.
const (
	maxUndocumented = 10_000 // hosts and ports
	maxDenials      = 10_000 // reasons with host and port
	maxEndpoints    = 10_000 // hosts and ports of services that the catalog does not list for them
	maxServices     = 1_000
	maxPolicies     = 1_000
	maxReasons      = 100
	maxShared       = 64 // services of one record, and that share endpoints with one service
)

// An address is what rows are told apart by.
type address struct {
	host string
	port uint16
}

type (
	serviceAddress struct {
		service string
		address
	}
	denial struct {
		reason string
		address
	}
	undocumented struct {
		tally
		scheme string // of a rule that would have let it pass; "" if none would
	}
)

// A collector counts records. Its memory is bounded by the constants above.
type collector struct {
	since, until time.Time
	records      int64
	period       span
	total        tally
	clients      clientIndex
	policies     bounded[string, span]
	services     bounded[string, tally]
	endpoints    bounded[serviceAddress, tally]
	undocumented bounded[address, undocumented]
	reasons      bounded[string, tally]
	denials      bounded[denial, tally]
	shared       map[string]map[string]bool // by service: the others with a common endpoint
	scratch      []*tally
}

// newCollector keeps a place for every documented service and endpoint, whatever else comes.
func newCollector(o *Options) *collector {
	c := &collector{
		since: o.Since, until: o.Until,
		clients:      clientIndex{},
		policies:     newBounded[string, span](maxPolicies),
		services:     newBounded[string, tally](maxServices),
		endpoints:    newBounded[serviceAddress, tally](maxEndpoints),
		undocumented: newBounded[address, undocumented](maxUndocumented),
		reasons:      newBounded[string, tally](maxReasons),
		denials:      newBounded[denial, tally](maxDenials),
		shared:       map[string]map[string]bool{},
	}
	owners := map[catalog.Endpoint][]string{}
	for _, s := range o.Services {
		c.services.reserve(s.ID)
		for _, e := range s.Endpoints {
			c.endpoints.reserve(serviceAddress{s.ID, address{e.Host, e.Port}})
			owners[sameEndpoint(e)] = append(owners[sameEndpoint(e)], s.ID)
		}
	}
	for _, ids := range owners {
		c.share(ids)
	}
	return c
}

// sameEndpoint drops what does not tell endpoints apart: with https the path is not enforced.
func sameEndpoint(e catalog.Endpoint) catalog.Endpoint {
	same := catalog.Endpoint{Scheme: e.Scheme, Host: e.Host, Port: e.Port}
	if e.Scheme == "http" {
		same.Path = e.Path
	}
	return same
}

// share notes that the services have an endpoint in common.
func (c *collector) share(ids []string) {
	for _, id := range ids {
		for _, with := range ids {
			if id == with || len(c.shared[id]) >= maxShared {
				continue
			}
			if c.shared[id] == nil {
				c.shared[id] = map[string]bool{}
			}
			c.shared[id][with] = true
		}
	}
}

// record counts one record if its time lies in the period.
func (c *collector) record(r *audit.Record) {
	if !c.inPeriod(r.Time) {
		return
	}
	c.records++
	c.period.note(r.Time)
	if p := r.Sepproxy.Policy; p != "" {
		c.policies.at(short(p), Other).note(r.Time)
	}
	switch r.Event.Action {
	case audit.ActionDecision:
		c.decision(c.event(r))
	case audit.ActionOutcome:
		c.outcome(c.event(r))
	}
}

func (c *collector) inPeriod(t time.Time) bool {
	return (c.since.IsZero() || !t.Before(c.since)) && (c.until.IsZero() || t.Before(c.until))
}

func (c *collector) decision(e *event) {
	for _, row := range c.rows(e) {
		row.decision(e)
	}
	if !e.allowed {
		c.reasons.at(e.reason, Other).decision(e)
		c.denials.at(denial{e.reason, e.to}, denial{e.reason, address{Other, 0}}).decision(e)
	}
}

func (c *collector) outcome(e *event) {
	for _, row := range c.rows(e) {
		row.outcome(e)
	}
	if e.turned {
		refused := *e
		refused.requests, refused.allowed = 1, false
		c.reasons.at(e.reason, Other).decision(&refused)
		c.denials.at(denial{e.reason, e.to}, denial{e.reason, address{Other, 0}}).decision(&refused)
	}
}

// rows gives every tally that an event counts in, each once. They are valid until the next call.
func (c *collector) rows(e *event) []*tally {
	rows := c.scratch[:0]
	rows = append(rows, &c.total)
	for _, id := range e.services {
		row := c.services.at(id, Other)
		if slices.Contains(rows, row) {
			continue // several services have become Other
		}
		rows = append(rows, row)
		if e.to.host != "" && c.services.has(id) {
			rest := serviceAddress{id, address{Other, 0}}
			rows = append(rows, c.endpoints.at(serviceAddress{id, e.to}, rest))
		}
	}
	if len(e.services) > 1 {
		c.share(e.services)
	}
	if e.undocumented {
		u := c.undocumented.at(e.to, address{Other, 0})
		if e.scheme != "" && u.scheme != "https" && ruleWouldHelp(e.reason) {
			u.scheme = e.scheme
		}
		rows = append(rows, &u.tally)
	}
	c.scratch = rows
	return rows
}

// ruleWouldHelp tells whether an allow rule could change the verdict that has this reason, or will
// once observation ends.
func ruleWouldHelp(reason string) bool {
	switch reason {
	case "not_listed", "scheme_not_listed", "port_not_listed", "path_not_listed", "observed":
		return true
	}
	return false
}
