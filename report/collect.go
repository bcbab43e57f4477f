package report

import (
	"time"

	"github.com/sepproxy/sepproxy/catalog"
)

// Bounds of what a report keeps apart beyond the catalog, so that its memory depends on none of
// what clients invent. The rest counts as Other.
const (
	maxUndocumented = 10_000 // schemes, hosts and ports
	maxDenials      = 10_000 // reasons with host and port
	maxEndpoints    = 10_000 // hosts and ports of services that the catalog does not list for them
	maxServices     = 1_000
	maxJoint        = 1_000 // sets of services with host and port
	maxPolicies     = 1_000
	maxReasons      = 100
	maxShared       = 64     // services of one record, and that share endpoints with one service
	maxTargets      = 20_000 // whose rows are remembered; it changes nothing but speed
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
	schemeAddress struct {
		scheme string
		address
	}
	jointAddress struct {
		services string
		address
	}
)

type service struct {
	tally
	joint int64 // requests that count in other services too
	days  series
}

// A collector counts records. Its memory is bounded by the constants above.
type collector struct {
	since, until time.Time
	records      int64
	period       span
	total        tally
	timeline     series
	days         series
	index        *clientIndex
	clients      clientTable
	policies     bounded[string, span]
	revision     string // the last one, and
	revisionSpan *span  // when it was in force
	services     bounded[string, service]
	endpoints    bounded[serviceAddress, tally]
	undocumented bounded[schemeAddress, undocumented]
	joint        bounded[jointAddress, tally]
	reasons      bounded[string, tally]
	denials      bounded[denial, tally]
	tenants      tenants
	events       events
	shared       map[string]map[string]bool // by service: the others with a common endpoint
	targets      map[target]*rows
}

// newCollector keeps a place for every documented service and endpoint, whatever else comes.
func newCollector(o *Options) *collector {
	c := &collector{
		since: o.Since, until: o.Until,
		timeline:     series{step: steps[0]},
		days:         series{step: day},
		index:        newClientIndex(),
		policies:     newBounded[string, span](maxPolicies),
		services:     newBounded[string, service](maxServices),
		endpoints:    newBounded[serviceAddress, tally](maxEndpoints),
		undocumented: newBounded[schemeAddress, undocumented](maxUndocumented),
		joint:        newBounded[jointAddress, tally](maxJoint),
		reasons:      newBounded[string, tally](maxReasons),
		denials:      newBounded[denial, tally](maxDenials),
		tenants:      newTenants(o.catalog()),
		shared:       map[string]map[string]bool{},
		targets:      map[target]*rows{},
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

// count counts one event if its time lies in the period.
func (c *collector) count(e *event) {
	if !c.inPeriod(e.at) {
		return
	}
	c.records++
	c.period.note(e.at)
	if e.policy != "" {
		c.policySpan(e.policy).note(e.at)
	}
	if e.happen != nil {
		c.events.note(*e.happen)
		return
	}
	e.client, e.clientAddr = c.index.number(e.ip)
	switch {
	case e.decision:
		c.decision(e)
	case e.outcome:
		// The decision of a tunnel that began before the period is not counted: nothing to turn.
		e.turned = e.turned && c.inPeriod(e.began)
		c.outcome(e)
	}
}

// policySpan remembers the last revision, which is the next one's, nearly always.
func (c *collector) policySpan(revision string) *span {
	if c.revision != revision {
		c.revision, c.revisionSpan = revision, c.policies.at(revision, Other)
	}
	return c.revisionSpan
}

func (c *collector) inPeriod(t time.Time) bool {
	return (c.since.IsZero() || !t.Before(c.since)) && (c.until.IsZero() || t.Before(c.until))
}

func (c *collector) decision(e *event) {
	r := c.rowsOf(e.matter)
	second, p := e.at.Unix(), point{requests: e.requests}
	if !e.allowed {
		p.denied = e.requests
		c.refused(e)
	}
	for _, t := range r.tallies {
		t.decision(e)
	}
	for _, s := range r.services {
		s.days.noteAt(second, &p)
		if len(r.services) > 1 {
			s.joint = plus(s.joint, e.requests)
		}
	}
	if r.undocumented != nil {
		r.undocumented.decided(e)
	}
	if r.tenant != nil && e.client >= 0 {
		u := r.tenant.by(e.client)
		u.requests = plus(u.requests, e.requests)
	}
	if client := c.clients.row(e.client, e.clientAddr); client != nil {
		client.decision(e)
	}
	c.timeline.noteAt(second, &p)
	c.days.noteAt(second, &p)
}

func (c *collector) outcome(e *event) {
	r := c.rowsOf(e.matter)
	second, p := e.at.Unix(), point{bytes: e.bytes}
	if e.turned {
		p.denied = 1
		refused := *e
		refused.requests, refused.allowed = 1, false
		c.refused(&refused)
	}
	if e.failed {
		p.failures = 1
	}
	for _, t := range r.tallies {
		t.outcome(e)
	}
	if r.undocumented != nil {
		r.undocumented.ended(e)
	}
	if r.tenant != nil && e.client >= 0 {
		r.tenant.by(e.client).bytes.add(e.bytes)
	}
	if client := c.clients.row(e.client, e.clientAddr); client != nil {
		client.outcome(e)
	}
	c.timeline.noteAt(second, &p)
	c.days.noteAt(second, &p)
}

// refused counts what was denied by its reason.
func (c *collector) refused(e *event) {
	c.reasons.at(e.reason, Other).decision(e)
	c.denials.at(denial{e.reason, e.to}, denial{e.reason, address{Other, 0}}).decision(e)
}
