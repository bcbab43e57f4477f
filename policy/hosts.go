package policy

import (
	"maps"
	"slices"
)

// Hosts gives the host patterns of everything that somebody may reach, by the catalog or by an allow
// rule, each once, sorted. Deny rules and what only observation lets pass have no part in it. The caller
// owns the list.
func (p *Policy) Hosts() []string {
	if p == nil {
		return nil
	}
	found := map[string]bool{}
	gather := func(prefix string, rules map[string][]rule) {
		for host, list := range rules {
			if slices.ContainsFunc(list, func(r rule) bool { return r.audience.inForce }) {
				found[prefix+host] = true
			}
		}
	}
	gather("", p.rules.exact)
	gather("*.", p.rules.below)
	return slices.Sorted(maps.Keys(found))
}
