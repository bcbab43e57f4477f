package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/sepproxy/sepproxy/catalog"
)

// An endpointKey is an endpoint with its host pattern: what makes two rules rules for the same thing.
type endpointKey struct {
	host string
	endpoint
}

func keyOf(e *catalog.Endpoint) endpointKey {
	key := endpointKey{e.Host, endpoint{scheme: e.Scheme, port: e.Port}}
	if e.Scheme == "http" {
		key.path = e.Path
	}
	return key
}

// String writes the URL of the endpoint.
func (k endpointKey) String() string {
	return catalog.Endpoint{Scheme: k.scheme, Host: k.host, Port: k.port, Path: k.path}.URL()
}

// A draft gathers what catalog and allow rules say of one endpoint.
type draft struct {
	uses  []use
	allow *allow // nil: there is no rule for it
}

// A use is a service that the catalog has the endpoint for.
type use struct {
	service, group string
	leftIn         bool // by groups and sep_versions
}

// rules joins catalog and allow rules into the table that decides.
func (c *compiler) rules() {
	drafts := c.drafts()
	for i := range c.allows {
		a := &c.allows[i]
		drafts[a.key] = draft{uses: drafts[a.key].uses, allow: a}
	}
	audiences := map[string]*audience{}
	hosts := map[string][]rule{}
	for key, d := range drafts {
		r := rule{endpoint: key.endpoint, documented: len(d.uses) > 0, audience: c.audience(d, audiences)}
		if d.allow != nil {
			r.local, r.sniOff = &d.allow.local, d.allow.sniOff
		}
		hosts[key.host] = append(hosts[key.host], r)
		c.canon.rule(key, &r, c.policy.clients.list)
	}
	for host, rules := range hosts {
		slices.SortFunc(rules, bySpecificity)
		m, key := c.policy.rules.at(host)
		m[key] = rules
	}
	c.canon.policy(c.policy)
}

func bySpecificity(a, b rule) int {
	return cmp.Or(
		len(b.path)-len(a.path),
		cmp.Compare(a.path, b.path),
		cmp.Compare(a.scheme, b.scheme),
		cmp.Compare(a.port, b.port),
	)
}

func (c *compiler) drafts() map[endpointKey]draft {
	drafts := map[endpointKey]draft{}
	for service := range c.catalog.Services() {
		for i := range service.Endpoints {
			e := &service.Endpoints[i]
			key := keyOf(e)
			drafts[key] = draft{uses: append(drafts[key].uses, use{service.ID, service.Group, c.policy.leavesIn(service, e)})}
		}
	}
	return drafts
}

// audience gives who may use an endpoint; drafts that say the same share the one in shared.
//
// An allow rule brings an endpoint back that groups or sep_versions leave out. Where it names no
// clients, those clients may use a documented endpoint that need one of its groups.
func (c *compiler) audience(d draft, shared map[string]*audience) *audience {
	key := d.signature()
	if a := shared[key]; a != nil {
		return a
	}
	a := &audience{services: d.services(func(use) bool { return true })}
	for _, client := range c.policy.clients.list {
		services := d.forClient(client)
		a.byClient = append(a.byClient, services)
		a.inForce = a.inForce || services != nil
	}
	shared[key] = a
	return a
}

func (d draft) forClient(c *client) []string {
	switch {
	case d.allow == nil:
		return d.services(func(u use) bool { return u.leftIn && c.needs(u.group) })
	case d.allow.clients != nil:
		if slices.Contains(d.allow.clients, c.name) {
			return d.services(func(use) bool { return true })
		}
		return nil
	case len(d.uses) == 0:
		return d.services(nil)
	case d.allow.service == "":
		return d.services(func(u use) bool { return c.needs(u.group) })
	case slices.ContainsFunc(d.uses, func(u use) bool { return c.needs(u.group) }):
		return d.services(nil)
	}
	return nil
}

// services gives the services of those uses that count, sorted: the one of the allow rule if it names one,
// or has nothing else to go by. nil for none.
func (d draft) services(counts func(use) bool) []string {
	if d.allow != nil && (d.allow.service != "" || len(d.uses) == 0) {
		return []string{cmp.Or(d.allow.service, defaultService)}
	}
	ids := map[string]bool{}
	for _, u := range d.uses {
		if counts(u) {
			ids[u.service] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// signature is equal for drafts with equal audiences.
func (d draft) signature() string {
	var b strings.Builder
	for _, u := range d.uses {
		b.WriteString(u.service + " " + u.group)
		if u.leftIn {
			b.WriteString(" in")
		}
		b.WriteByte('\n')
	}
	if d.allow != nil {
		b.WriteString("allow " + d.allow.service)
		if d.allow.clients != nil {
			b.WriteString(" for " + strings.Join(d.allow.clients, "\n"))
		}
	}
	return b.String()
}
