package report

import "strings"

// A bounded map keeps a limited number of keys apart and lets all further ones share a value. Keys that it
// keeps are clones: those that come in may be small parts of what was read of a file.
type bounded[K key[K], V any] struct {
	values map[K]*V
	room   int // how many more keys are kept apart
}

type key[K any] interface {
	comparable
	clone() K
}

func newBounded[K key[K], V any](room int) bounded[K, V] {
	return bounded[K, V]{map[K]*V{}, room}
}

// reserve keeps a place for k that does not count against the room.
func (b *bounded[K, V]) reserve(k K) *V {
	v := b.values[k]
	if v == nil {
		v = new(V)
		b.values[k.clone()] = v
	}
	return v
}

func (b *bounded[K, V]) has(k K) bool { return b.values[k] != nil }

// at gives the value of k, or that of rest where there is no room for k.
func (b *bounded[K, V]) at(k, rest K) *V {
	if v := b.values[k]; v != nil {
		return v
	}
	if b.room <= 0 {
		return b.reserve(rest)
	}
	b.room--
	return b.reserve(k)
}

// The keys.
type (
	name string

	// An address is what rows are told apart by.
	address struct {
		host string
		port uint16
	}
	serviceAddress struct {
		service string
		address
	}
	denial struct {
		reason string
		address
	}
	schemeAddress struct {
		scheme string
		address
	}
	jointAddress struct {
		services string
		address
	}
)

func (n name) clone() name       { return name(strings.Clone(string(n))) }
func (a address) clone() address { return address{strings.Clone(a.host), a.port} }
func (k serviceAddress) clone() serviceAddress {
	return serviceAddress{strings.Clone(k.service), k.address.clone()}
}
func (k denial) clone() denial { return denial{strings.Clone(k.reason), k.address.clone()} }
func (k schemeAddress) clone() schemeAddress {
	return schemeAddress{strings.Clone(k.scheme), k.address.clone()}
}
func (k jointAddress) clone() jointAddress {
	return jointAddress{strings.Clone(k.services), k.address.clone()}
}
