package catalog

import "slices"

// Overlay lays catalogs over each other, the first at the bottom: a later one adds groups, services and hosts, or
// replaces whole what has the same ID or name. Edition and Source are the first one's. A replaced service may leave a host
// without endpoints; what is known of that host is then dropped. The result shares texts and endpoints with
// cats, which are not changed; there has to be at least one.
func Overlay(cats ...*Catalog) *Catalog {
	all := *cats[0]
	all.Groups, all.Hosts = slices.Clone(all.Groups), slices.Clone(all.Hosts)
	for _, c := range cats[1:] {
		for _, g := range c.Groups {
			all.Groups = replace(all.Groups, g, func(was Group) bool { return was.ID == g.ID }, over)
		}
		for _, h := range c.Hosts {
			all.Hosts = replace(all.Hosts, h, func(was Host) bool { return was.Name == h.Name }, later)
		}
	}
	names := all.HostNames()
	all.Hosts = slices.DeleteFunc(all.Hosts, func(h Host) bool {
		_, used := slices.BinarySearch(names, h.Name)
		return !used
	})
	return &all
}

// over gives the later group with those services of the earlier one that it does not replace, in the earlier one's order.
func over(was, g Group) Group {
	services := slices.Clone(was.Services)
	for _, s := range g.Services {
		services = replace(services, s, func(was Service) bool { return was.ID == s.ID }, later)
	}
	g.Services = services
	return g
}

func later[T any](_, item T) T { return item }

// replace puts item in the place of the one that is the same, joined with it, or at the end.
func replace[T any](list []T, item T, same func(T) bool, join func(was, item T) T) []T {
	if i := slices.IndexFunc(list, same); i >= 0 {
		list[i] = join(list[i], item)
		return list
	}
	return append(list, item)
}
