package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/sepproxy/sepproxy/catalog"
)

// localGroup is the group of services that only allow rules name.
const localGroup = "local"

// Allowed gives what somebody may reach as a catalog, for those who have to allow the same: groups,
// sep_versions and clients narrow it, allow rules widen it, and a deny rule takes out what it covers whole. A
// catalog lists and cannot except: what a deny rule cuts out of a wildcard or a path stays in, and it does not
// tell clients apart. What only observation lets pass is not in it. Services of allow rules that the catalog
// lacks stand in a group "local", under their own ids. The caller owns the result; it is never nil.
func (p *Policy) Allowed() *catalog.Catalog {
	if p == nil || p.catalog == nil {
		return &catalog.Catalog{}
	}
	out := &catalog.Catalog{Edition: p.catalog.Edition, Source: p.catalog.Source}
	for _, g := range p.catalog.Groups {
		var services []catalog.Service
		for _, s := range g.Services {
			s.Endpoints = slices.DeleteFunc(slices.Clone(s.Endpoints), func(e catalog.Endpoint) bool {
				return !slices.Contains(p.usedFor(keyOf(&e)), s.ID)
			})
			if len(s.Endpoints) > 0 {
				services = append(services, s)
			}
		}
		if g.Services = services; len(services) > 0 {
			out.Groups = append(out.Groups, g)
		}
	}
	if local := p.localServices(); len(local) > 0 {
		out.Groups = append(out.Groups, catalog.Group{ID: localGroup, Services: local,
			Title: catalog.Text{EN: "Rules of this site", ES: "Reglas de este sitio"}})
	}
	names := out.HostNames()
	for _, h := range p.catalog.Hosts {
		if _, used := slices.BinarySearch(names, h.Name); used {
			out.Hosts = append(out.Hosts, h)
		}
	}
	return out
}

// usedFor gives the services for which some client may reach an endpoint; nil for none.
func (p *Policy) usedFor(key endpointKey) []string {
	for d := range p.denials.about(key.host) {
		if slices.ContainsFunc(d, func(d denial) bool { return d.coversAll(key.endpoint) }) {
			return nil
		}
	}
	var services []string
	for _, r := range p.rules.get(key.host) {
		if r.endpoint == key.endpoint {
			services = append(services, slices.Concat(r.audience.byClient...)...)
		}
	}
	slices.Sort(services)
	return slices.Compact(services)
}

func (d *denial) coversAll(e endpoint) bool {
	return d.scheme == e.scheme && d.port == e.port && (d.path == "" || decoded(e.path) == d.path || strings.HasPrefix(decoded(e.path), d.path+"/"))
}

// localServices gives what allow rules add under the name of a service that does not have it in the catalog.
func (p *Policy) localServices() []catalog.Service {
	endpoints := map[string][]catalog.Endpoint{}
	gather := func(prefix string, hosts map[string][]rule) {
		for _, host := range slices.Sorted(maps.Keys(hosts)) {
			for _, r := range hosts[host] {
				e := catalog.Endpoint{Scheme: r.scheme, Host: prefix + host, Port: r.port, Path: r.path}
				for _, id := range p.usedFor(keyOf(&e)) {
					if r.local != nil && !p.catalogHas(id, keyOf(&e)) {
						endpoints[id] = append(endpoints[id], e)
					}
				}
			}
		}
	}
	gather("", p.rules.exact)
	gather("*.", p.rules.below)
	var services []catalog.Service
	for _, id := range slices.Sorted(maps.Keys(endpoints)) {
		services = append(services, catalog.Service{ID: id, Group: localGroup, Title: catalog.Text{EN: id}, Endpoints: endpoints[id]})
	}
	return services
}

func (p *Policy) catalogHas(service string, key endpointKey) bool {
	s := p.catalog.Service(service)
	return s != nil && slices.ContainsFunc(s.Endpoints, func(e catalog.Endpoint) bool { return keyOf(&e) == key })
}
