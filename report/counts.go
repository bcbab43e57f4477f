package report

import (
	"cmp"
	"slices"
	"strings"
)

// maxCounts is how many names a counts tells apart.
const maxCounts = 8

// counts tells a few names apart that clients may invent, and counts the rest as Other.
type counts []Count

func (c *counts) add(name string, n int64) {
	if name == "" {
		return
	}
	for i := range *c {
		if (*c)[i].Name == name {
			(*c)[i].Count = plus((*c)[i].Count, n)
			return
		}
	}
	switch {
	case len(*c) < maxCounts:
		*c = append(*c, Count{name, n})
	case len(*c) == maxCounts:
		*c = append(*c, Count{Other, n})
	default:
		(*c)[maxCounts].Count = plus((*c)[maxCounts].Count, n)
	}
}

// list gives the most frequent first; it is never nil.
func (c counts) list() []Count {
	sorted := append([]Count{}, c...)
	slices.SortFunc(sorted, func(a, b Count) int {
		return cmp.Or(otherLast(a.Name, b.Name), cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name))
	})
	return sorted
}

// otherLast compares names by whether they are Other.
func otherLast(a, b string) int {
	switch {
	case a == Other && b != Other:
		return 1
	case a != Other && b == Other:
		return -1
	}
	return 0
}
