package report

import (
	"fmt"
	"slices"
	"strings"
)

// A kinship finds near relatives of hosts: the same labels but for numbers and regions.
type kinship map[string]string // by shape: the first host of the catalog that has it

func newKinship(hosts []string) kinship {
	k := kinship{}
	for _, host := range hosts {
		if s := shape(host); k[s] == "" {
			k[s] = host
		}
	}
	return k
}

// of gives the host of the catalog that name is a near relative of; "" if there is none, or name is that host.
func (k kinship) of(name string) string {
	if host := k[shape(name)]; host != name {
		return host
	}
	return ""
}

// shape replaces what tells machines and regions of one service apart: runs of digits, and parts
// of labels that are regions.
func shape(name string) string {
	labels := strings.Split(name, ".")
	for i, label := range labels[:max(0, len(labels)-2)] {
		parts := strings.Split(label, "-")
		for j, part := range parts {
			parts[j] = shapeOf(part)
		}
		parts = slices.CompactFunc(parts, func(a, b string) bool { return a == "@" && b == "@" })
		labels[i] = strings.Join(parts, "-")
	}
	return strings.Join(labels, ".")
}

// shapeOf is @ for a region or a direction ("us", "eu", "west", "useast1"), and otherwise the part with
// its numbers as #.
func shapeOf(part string) string {
	letters := strings.TrimRight(part, "0123456789")
	if regions[letters] || part != "" && letters == "" {
		return "@"
	}
	var out strings.Builder
	for i := range len(part) {
		digit := part[i] >= '0' && part[i] <= '9'
		if !digit {
			out.WriteByte(part[i])
		} else if i == 0 || part[i-1] < '0' || part[i-1] > '9' {
			out.WriteByte('#')
		}
	}
	return out.String()
}

// regions are the words for places in names of cloud hosts, also run together as in "usea1".
var regions = regionWords(
	[]string{"us", "eu", "ap", "ca", "sa", "af", "me", "cn", "in", "uk", "gb", "de", "fr", "jp", "kr", "au", "br", "mx", "sg", "il",
		"na", "emea", "apac", "latam", "global", "asia", "europe", "gov"},
	[]string{"east", "west", "north", "south", "central", "northeast", "northwest", "southeast", "southwest",
		"ea", "we", "no", "so", "ce", "e", "w", "n", "s", "c", "ne", "se", "nw", "sw"})

func regionWords(places, directions []string) map[string]bool {
	all := map[string]bool{}
	for _, place := range places {
		all[place] = true
		for _, direction := range directions {
			all[place+direction] = true
		}
	}
	for _, direction := range directions[:9] {
		all[direction] = true
	}
	return all
}

// index is the path of an element, as strictyaml has it.
func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
