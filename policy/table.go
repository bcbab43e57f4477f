package policy

import (
	"iter"
	"strings"
)

// A table holds values by host pattern: exact names and *.suffixes. Looking a host up costs one
// map access for each of its labels, however many names the table holds.
type table[T any] struct {
	exact map[string]T
	below map[string]T // by what follows "*."
}

// at gives the map and the key that hold a pattern's value.
func (t *table[T]) at(pattern string) (map[string]T, string) {
	if t.exact == nil {
		t.exact, t.below = map[string]T{}, map[string]T{}
	}
	if suffix, ok := strings.CutPrefix(pattern, "*."); ok {
		return t.below, suffix
	}
	return t.exact, pattern
}

// get gives a pattern's value, and the zero value for one that the table does not hold.
func (t *table[T]) get(pattern string) T {
	if suffix, ok := strings.CutPrefix(pattern, "*."); ok {
		return t.below[suffix]
	}
	return t.exact[pattern]
}

// about gives the values of every pattern that host matches, the most specific first: the exact
// name, then suffixes from the longest to the shortest.
func (t *table[T]) about(host string) iter.Seq[T] {
	return func(yield func(T) bool) {
		if v, ok := t.exact[host]; ok && !yield(v) {
			return
		}
		for rest := host; ; {
			dot := strings.IndexByte(rest, '.')
			if dot < 0 {
				return
			}
			rest = rest[dot+1:]
			if v, ok := t.below[rest]; ok && !yield(v) {
				return
			}
		}
	}
}
