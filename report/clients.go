package report

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// A clientTally counts what one client did.
type clientTally struct {
	addr         netip.Addr // zero where what the record names is none
	name         string     // in the policy, as last recorded
	seen         span
	requests     int64
	denied       int64 // turned ones too
	failures     int64
	undocumented int64
	bytes        Bytes
}

func (t *clientTally) decision(e *event) {
	t.seen.note(e.at)
	t.name = e.clientName
	t.requests = plus(t.requests, e.requests)
	if !e.allowed {
		t.denied = plus(t.denied, e.requests)
	}
	if e.undocumented {
		t.undocumented = plus(t.undocumented, e.requests)
	}
}

func (t *clientTally) outcome(e *event) {
	t.seen.note(e.at)
	if e.turned {
		t.denied = plus(t.denied, 1)
	}
	if e.failed {
		t.failures = plus(t.failures, 1)
	}
	t.bytes.add(e.bytes)
}

// clientTable has a row for each client number of a clientIndex, and one for the rest.
type clientTable []clientTally

// row gives the row of a client, or nil for a record without one.
func (t *clientTable) row(n int, addr netip.Addr) *clientTally {
	if n < 0 {
		return nil
	}
	for len(*t) <= n {
		*t = append(*t, clientTally{addr: addr})
	}
	return &(*t)[n]
}

// address names a client.
func (t clientTable) address(n int) string {
	switch {
	case n >= maxClients:
		return Other
	case !t[n].addr.IsValid():
		return "?"
	}
	return t[n].addr.String()
}

func (t clientTable) rows() []Client {
	rows := make([]Client, 0, len(t))
	for n := range t {
		c := &t[n]
		rows = append(rows, Client{Address: t.address(n), Name: c.name, Requests: c.requests, Denied: min(c.denied, c.requests),
			Failures: c.failures, Undocumented: c.undocumented, Bytes: c.bytes,
			FirstSeen: Moment{c.seen.from}, LastSeen: Moment{c.seen.to}})
	}
	slices.SortFunc(rows, func(a, b Client) int {
		return cmp.Or(otherLast(a.Address, b.Address), cmp.Compare(b.Requests, a.Requests), strings.Compare(a.Address, b.Address))
	})
	return rows
}
