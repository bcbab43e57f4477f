package report

// A bounded map keeps a limited number of keys apart and lets all further ones share a value.
type bounded[K comparable, V any] struct {
	values map[K]*V
	room   int // how many more keys are kept apart
}

func newBounded[K comparable, V any](room int) bounded[K, V] {
	return bounded[K, V]{map[K]*V{}, room}
}

// reserve keeps a place for k that does not count against the room.
func (b *bounded[K, V]) reserve(k K) {
	if !b.has(k) {
		b.values[k] = new(V)
	}
}

func (b *bounded[K, V]) has(k K) bool { return b.values[k] != nil }

// at gives the value of k, or that of rest where there is no room for k.
func (b *bounded[K, V]) at(k, rest K) *V {
	if v := b.values[k]; v != nil {
		return v
	}
	if b.room <= 0 {
		b.reserve(rest)
		return b.values[rest]
	}
	b.room--
	b.values[k] = new(V)
	return b.values[k]
}
