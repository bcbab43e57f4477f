package catalog

import (
	"cmp"
	"slices"
)

// Kinds of a Change.
const (
	ChangeAdded    = "added"
	ChangeRemoved  = "removed"
	ChangeMoved    = "moved"    // to another service
	ChangePort     = "port"     // of an endpoint that is otherwise the same
	ChangeVersions = "versions" // the SEP releases that use it
)

// A Change is one difference between two catalogs. Only what may be asked for is compared: texts, notes and reviews are not.
type Change struct {
	Kind     string   `json:"change"`
	Service  string   `json:"service"`                    // the one that has the endpoint now; of a removed one, had it
	URL      string   `json:"url"`                        // the same
	Was      string   `json:"was,omitempty"`              // moved: the service; port: the URL; versions: the range, "all" for every release
	Now      string   `json:"now,omitempty"`              // versions: the range
	Still    []string `json:"still_listed_for,omitempty"` // removed: services that have scheme, host and port of it now
	Endpoint Endpoint `json:"-"`                          // of URL; port: of Was, which is what clients ask for today
}

// A listing is an endpoint in its service.
type listing struct {
	service string
	Endpoint
}

func (c *Catalog) listings() []listing {
	var all []listing
	for s := range c.Services() {
		for _, e := range s.Endpoints {
			all = append(all, listing{s.ID, e})
		}
	}
	return all
}

// without gives the listings of which other has none with the same service and URL.
func without(all, other []listing) []listing {
	return slices.DeleteFunc(slices.Clone(all), func(l listing) bool { return index(other, l.same) >= 0 })
}

func index(list []listing, is func(listing) bool) int { return slices.IndexFunc(list, is) }

func (l listing) same(m listing) bool { return l.service == m.service && l.URL() == m.URL() }

func (l listing) otherPort(m listing) bool {
	return l.service == m.service && l.Scheme == m.Scheme && l.Host == m.Host && l.Path == m.Path
}

func (l listing) otherService(m listing) bool { return l.URL() == m.URL() }

// Diff tells what it takes to make b of a, in the order of b; what was removed comes last, in the order of a. It is
// nil where nothing that may be asked for differs.
func Diff(a, b *Catalog) []Change {
	before, after := a.listings(), b.listings()
	removed := without(before, after)
	var changes []Change
	// take gives the removed listing that now is l, each once.
	take := func(is func(listing) bool) (listing, bool) {
		i := index(removed, is)
		if i < 0 {
			return listing{}, false
		}
		was := removed[i]
		removed = slices.Delete(removed, i, i+1)
		return was, true
	}
	for _, l := range after {
		change := Change{Service: l.service, URL: l.URL(), Endpoint: l.Endpoint}
		was := l
		if i := index(before, l.same); i >= 0 {
			was = before[i]
		} else if port, ok := take(l.otherPort); ok {
			was, change.Kind, change.Was, change.Endpoint = port, ChangePort, port.URL(), port.Endpoint
		} else if moved, ok := take(l.otherService); ok {
			was, change.Kind, change.Was = moved, ChangeMoved, moved.service
		} else {
			change.Kind = ChangeAdded
		}
		if change.Kind != "" {
			changes = append(changes, change)
		}
		if was.Versions != l.Versions {
			change.Kind, change.Was, change.Now = ChangeVersions, was.Versions.orAll(), l.Versions.orAll()
			changes = append(changes, change)
		}
	}
	for _, l := range removed {
		changes = append(changes, Change{Kind: ChangeRemoved, Service: l.service, URL: l.URL(), Still: b.servicesOf(l.Endpoint), Endpoint: l.Endpoint})
	}
	return changes
}

// servicesOf gives the services of which an endpoint covers scheme, host and port of e.
func (c *Catalog) servicesOf(e Endpoint) []string {
	var ids []string
	for _, use := range c.Find(e.Host) {
		if slices.ContainsFunc(use.Endpoints, func(u Endpoint) bool { return u.Covers(e.Scheme, e.Host, e.Port) }) {
			ids = append(ids, use.Service.ID)
		}
	}
	return ids
}

// Covers tells whether e is the endpoint of a request, or a "*." name that stands for it, whatever the path. host is
// normalised (see ParseHost).
func (e Endpoint) Covers(scheme, host string, port uint16) bool {
	return e.Scheme == scheme && e.Port == port && covers(e.Host, host)
}

func (v Versions) orAll() string { return cmp.Or(v.String(), "all") }
