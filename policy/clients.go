package policy

import (
	"net/netip"
	"slices"
)

// A client is a part of the network that policy.yaml names.
type client struct {
	name   string
	index  int
	groups map[string]bool // nil: every group
}

func (c *client) needs(group string) bool { return c.groups == nil || c.groups[group] }

// clientTable finds the client of an address. It is not changed once it is built, and its zero
// value knows nobody.
type clientTable struct {
	list     []*client
	prefixes map[netip.Prefix]*client
	bits     []int // every prefix length in use, longest first
}

// find gives the client with the longest prefix around addr; nil where there is none.
func (t *clientTable) find(addr netip.Addr) *client {
	addr = addr.Unmap().WithZone("")
	for _, bits := range t.bits {
		if bits > addr.BitLen() {
			continue
		}
		prefix, _ := addr.Prefix(bits) // cannot fail: bits is in range
		if c := t.prefixes[prefix]; c != nil {
			return c
		}
	}
	return nil
}

func (t *clientTable) add(c *client, prefixes []netip.Prefix) {
	c.index = len(t.list)
	t.list = append(t.list, c)
	if t.prefixes == nil {
		t.prefixes = map[netip.Prefix]*client{}
	}
	for _, prefix := range prefixes {
		t.prefixes[prefix] = c
		t.addBits(prefix.Bits())
	}
}

func (t *clientTable) addBits(bits int) {
	i, found := slices.BinarySearchFunc(t.bits, bits, func(a, b int) int { return b - a })
	if !found {
		t.bits = slices.Insert(t.bits, i, bits)
	}
}

func (t *clientTable) named(name string) *client {
	for _, c := range t.list {
		if c.name == name {
			return c
		}
	}
	return nil
}

// privateClients is who may use the proxy where policy.yaml does not say: the machine itself and
// the networks that the Internet does not route.
func privateClients() clientTable {
	var t clientTable
	t.add(&client{name: "private"}, []netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"),
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("fc00::/7"),
		netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fe80::/10"),
	})
	return t
}
