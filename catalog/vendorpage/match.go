package vendorpage

import (
	"cmp"
	"slices"

	"github.com/sepproxy/sepproxy/catalog"
)

// A partner is what something of the page was recognised as: an index, or -1.
type partner struct {
	to      int
	byPlace bool // nothing in common but the neighbours
}

// match recognises n things of the page among m known ones: the most alike first, each once; of equals, the one
// that stands nearest. What has nothing in common with any is then recognised where as many strangers stand
// between the same two neighbours on both sides.
func match(n, m int, alike func(i, j int) float64) []partner {
	type pair struct {
		i, j  int
		score float64
	}
	var pairs []pair
	for i := range n {
		for j := range m {
			if score := alike(i, j); score > 0 {
				pairs = append(pairs, pair{i, j, score})
			}
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(max(a.i-a.j, a.j-a.i), max(b.i-b.j, b.j-b.i)))
	})
	found := make([]partner, n)
	for i := range found {
		found[i].to = -1
	}
	taken := make([]bool, m)
	for _, p := range pairs {
		if found[p.i].to < 0 && !taken[p.j] {
			found[p.i].to, taken[p.j] = p.j, true
		}
	}
	matchByPlace(found, taken)
	return found
}

func matchByPlace(found []partner, taken []bool) {
	before := -1 // the partner of the last one that has one
	for i := 0; i < len(found); i++ {
		if found[i].to >= 0 {
			before = found[i].to
			continue
		}
		end := i
		for end < len(found) && found[end].to < 0 {
			end++
		}
		after := len(taken)
		if end < len(found) {
			after = found[end].to
		}
		if after-before-1 == end-i && !slices.Contains(taken[before+1:after], true) {
			for k := i; k < end; k++ {
				found[k] = partner{before + 1 + k - i, true}
			}
		}
		i = end - 1
	}
}

// alike is the share of the names in either set that both have.
func alike(a, b map[string]bool) float64 {
	both := 0
	for name := range a {
		if b[name] {
			both++
		}
	}
	return float64(both) / float64(max(1, len(a)+len(b)-both))
}

func (e *entry) hosts() map[string]bool {
	set := map[string]bool{}
	for _, l := range e.links {
		set[l.endpoint.Host] = true
	}
	return set
}

func (t *table) hosts() map[string]bool {
	set := map[string]bool{}
	for _, row := range t.rows {
		for _, l := range row.links {
			set[l.endpoint.Host] = true
		}
	}
	return set
}

func serviceHosts(s *catalog.Service) map[string]bool {
	set := map[string]bool{}
	for _, e := range s.Endpoints {
		set[e.Host] = true
	}
	return set
}

func groupHosts(g *catalog.Group) map[string]bool {
	set := map[string]bool{}
	for i := range g.Services {
		for name := range serviceHosts(&g.Services[i]) {
			set[name] = true
		}
	}
	return set
}
