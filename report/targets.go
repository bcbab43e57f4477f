package report

import (
	"slices"
	"strings"
)

// rows is where the events of one target count.
type rows struct {
	tallies      []*tally // each once, those of the fields below too
	services     []*service
	undocumented *undocumented // nil: it is documented, or nothing is known of it
	tenant       *tenant       // nil: the host is nobody else's
}

// rowsOf remembers the rows of matters and of targets, which come by the thousand.
func (c *collector) rowsOf(a *matter) *rows {
	if a.rows != nil {
		return a.rows
	}
	r := c.targets[a.target]
	if r == nil {
		r = c.findRows(a.target)
		if len(c.targets) < maxTargets {
			c.targets[a.target] = r
		}
	}
	a.rows = r
	return r
}

func (c *collector) findRows(to target) *rows {
	r := &rows{tallies: []*tally{&c.total}}
	ids := to.serviceIDs()
	for _, id := range ids {
		s := c.services.at(id, Other)
		if slices.Contains(r.services, s) {
			continue // several services have become Other
		}
		r.services = append(r.services, s)
		r.tallies = append(r.tallies, &s.tally)
		if to.to.host != "" && c.services.has(id) {
			rest := serviceAddress{id, address{Other, 0}}
			r.tallies = append(r.tallies, c.endpoints.at(serviceAddress{id, to.to}, rest))
		}
	}
	if len(ids) > 1 {
		c.share(ids)
		r.tallies = append(r.tallies, c.joint.at(jointAddress{to.services, to.to}, jointAddress{Other, address{Other, 0}}))
	}
	if to.undocumented {
		r.undocumented = c.undocumented.at(schemeAddress{to.scheme, to.to}, schemeAddress{"", address{Other, 0}})
		r.tallies = append(r.tallies, &r.undocumented.tally)
	}
	if r.tenant = c.tenants.of(to.to.host); r.tenant != nil {
		r.tallies = append(r.tallies, &r.tenant.tally)
	}
	return r
}

// A target is what the rows of an event depend on.
type target struct {
	services     string // ids, a line each
	scheme       string
	to           address
	undocumented bool
}

func (t target) serviceIDs() []string {
	if t.services == "" {
		return nil
	}
	return strings.Split(t.services, "\n")
}
