package catalog

import (
	"iter"
	"slices"
)

// A Use is a service together with those of its endpoints that were asked for.
type Use struct {
	Service   *Service
	Endpoints []Endpoint
}

// Services gives every service in the order of the page. They belong to the catalog: read only.
func (c *Catalog) Services() iter.Seq[*Service] {
	return func(yield func(*Service) bool) {
		for g := range c.Groups {
			for s := range c.Groups[g].Services {
				if !yield(&c.Groups[g].Services[s]) {
					return
				}
			}
		}
	}
}

// Service gives the service with this ID, or nil. It belongs to the catalog: read only.
func (c *Catalog) Service(id string) *Service {
	for s := range c.Services() {
		if s.ID == id {
			return s
		}
	}
	return nil
}

// Find gives every service with endpoints for host, a normalised name, in the order of the page.
// An endpoint with a "*." name is found by that name and by every name it stands for.
func (c *Catalog) Find(host string) []Use {
	var uses []Use
	for s := range c.Services() {
		var found []Endpoint
		for _, e := range s.Endpoints {
			if covers(e.Host, host) {
				found = append(found, e)
			}
		}
		if found != nil {
			uses = append(uses, Use{s, found})
		}
	}
	return uses
}

// HostInfo gives what is known of the host that an endpoint names exactly so ("*." included);
// false where there is nothing to say.
func (c *Catalog) HostInfo(name string) (Host, bool) {
	for _, h := range c.Hosts {
		if h.Name == name {
			return h, true
		}
	}
	return Host{}, false
}

// HostNames gives the hosts of all endpoints, each once, sorted.
func (c *Catalog) HostNames() []string {
	var names []string
	for s := range c.Services() {
		for _, e := range s.Endpoints {
			names = append(names, e.Host)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
