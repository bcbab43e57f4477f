package catalog

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// A reach is the hosts of a catalog that are asked for by one scheme at one port. Hosts and paths
// are distinct and sorted, so that the files made of them change as little as the catalog does.
type reach struct {
	scheme string
	port   uint16
	names  []string   // whole hosts by name
	below  []string   // whole hosts by suffix, without the "*."
	paths  []Endpoint // what only a part of is documented: plain HTTP with a path
}

// patterns gives the whole hosts and those of the paths, as ParsePattern gives them.
func (r *reach) patterns() []string {
	all := slices.Clone(r.names)
	for _, suffix := range r.below {
		all = append(all, "*."+suffix)
	}
	for _, e := range r.paths {
		all = append(all, e.Host)
	}
	return distinct(all)
}

// reaches sorts the catalog's endpoints by how they are asked for: plain HTTP first, then by port.
func (c *Catalog) reaches() []reach {
	type way struct {
		scheme string
		port   uint16
	}
	found := map[way]*reach{}
	for s := range c.Services() {
		for _, e := range s.Endpoints {
			r := found[way{e.Scheme, e.Port}]
			if r == nil {
				r = &reach{scheme: e.Scheme, port: e.Port}
				found[way{e.Scheme, e.Port}] = r
			}
			r.add(e)
		}
	}
	all := make([]reach, 0, len(found))
	for r := range maps.Values(found) {
		r.tidy()
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b reach) int {
		return cmp.Or(cmp.Compare(a.scheme, b.scheme), cmp.Compare(a.port, b.port))
	})
	return all
}

// add takes an endpoint in. A path inside TLS cannot be seen, so with https the host counts.
func (r *reach) add(e Endpoint) {
	suffix, wild := strings.CutPrefix(e.Host, "*.")
	switch {
	case e.Scheme == "http" && e.Path != "":
		r.paths = append(r.paths, Endpoint{Scheme: e.Scheme, Host: e.Host, Port: e.Port, Path: e.Path})
	case wild:
		r.below = append(r.below, suffix)
	default:
		r.names = append(r.names, e.Host)
	}
}

// tidy sorts, and drops paths of hosts that are whole anyway.
func (r *reach) tidy() {
	r.names, r.below = distinct(r.names), distinct(r.below)
	r.paths = slices.DeleteFunc(r.paths, func(e Endpoint) bool {
		suffix, wild := strings.CutPrefix(e.Host, "*.")
		if wild {
			return slices.Contains(r.below, suffix)
		}
		return slices.Contains(r.names, e.Host)
	})
	slices.SortFunc(r.paths, func(a, b Endpoint) int { return cmp.Compare(a.URL(), b.URL()) })
	r.paths = slices.CompactFunc(r.paths, func(a, b Endpoint) bool { return a == b })
}

func distinct(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}
