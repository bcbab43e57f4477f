package report

import (
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"time"
)

// A tally counts what one row of the report shows. The zero tally has counted nothing.
type tally struct {
	allowed, denied int64 // decisions
	turned          int64 // allowed by their decision, denied by their outcome
	failures        int64
	bytes           Bytes
	clients         clientSet
	asked, ended    span // when decisions and outcomes were recorded
}

func (t *tally) decision(e *event) {
	if e.allowed {
		t.allowed = plus(t.allowed, e.requests)
	} else {
		t.denied = plus(t.denied, e.requests)
	}
	t.asked.note(e.at)
	t.clients.add(e.client)
}

func (t *tally) outcome(e *event) {
	if e.turned {
		t.turned = plus(t.turned, 1)
	}
	if e.failed {
		t.failures = plus(t.failures, 1)
	}
	t.bytes.add(e.bytes)
	t.ended.note(e.at)
	t.clients.add(e.client)
}

func (t *tally) requests() int64 { return plus(t.allowed, t.denied) }

// verdicts gives the final ones. An outcome whose decision stands in no given file cannot turn it.
func (t *tally) verdicts() (allowed, denied int64) {
	turned := min(t.turned, t.allowed)
	return t.allowed - turned, plus(t.denied, turned)
}

func (t *tally) used() bool { return !t.asked.from.IsZero() || !t.ended.from.IsZero() }

// seen is the time of requests; where only the end of earlier ones is recorded, of that.
func (t *tally) seen() (first, last Moment) {
	s := t.asked
	if s.from.IsZero() {
		s = t.ended
	}
	return Moment{s.from}, Moment{s.to}
}

// A span is the time from the earliest to the latest thing noted.
type span struct{ from, to time.Time }

func (s *span) note(t time.Time) {
	if t.After(s.to) {
		s.to = t
		if !s.from.IsZero() {
			return // later than the latest: nearly always
		}
	}
	if s.from.IsZero() || t.Before(s.from) {
		s.from = t
	}
}

// plus adds what is not negative and stays at the largest number rather than run over: an edited
// trail may claim anything.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func (b *Bytes) add(more Bytes) {
	b.Received = plus(b.Received, more.Received)
	b.Sent = plus(b.Sent, more.Sent)
}

// maxClients is how many client addresses are told apart; all further ones count as one more.
const maxClients = 100_000

// A clientIndex gives each client address a small number, the same each time.
type clientIndex struct {
	numbers map[netip.Addr]int
	written map[string]int // the same, by what stands in records; it changes nothing but speed
}

func newClientIndex() *clientIndex {
	return &clientIndex{map[netip.Addr]int{}, map[string]int{}}
}

// number is -1 for a record that names no client. What is not an address counts as one client, with
// the zero Addr.
func (x *clientIndex) number(ip string) (int, netip.Addr) {
	if ip == "" {
		return -1, netip.Addr{}
	}
	if n, ok := x.written[ip]; ok {
		return n, netip.Addr{} // it has its row
	}
	addr, _ := netip.ParseAddr(ip)
	addr = addr.Unmap().WithZone("")
	n, ok := x.numbers[addr]
	if !ok {
		n = len(x.numbers)
		if n >= maxClients {
			return maxClients, netip.Addr{}
		}
		x.numbers[addr] = n
	}
	if len(x.written) < maxClients && len(ip) < 64 {
		x.written[ip] = n
	}
	return n, addr
}

// A clientSet holds numbers of clientIndex: a short list, or else one bit for each, so that at most
// 12.5 kB tell 100,000 clients apart.
type clientSet struct {
	few  []int32
	many []uint64
}

const fewClients = 32

func (s *clientSet) add(n int) {
	switch {
	case n < 0 || s.many == nil && slices.Contains(s.few, int32(n)):
	case s.many == nil && len(s.few) < fewClients:
		s.few = append(s.few, int32(n))
	default:
		for _, m := range s.few {
			s.set(int(m))
		}
		s.few = nil
		s.set(n)
	}
}

func (s *clientSet) set(n int) {
	if missing := n/64 + 1 - len(s.many); missing > 0 {
		s.many = append(s.many, make([]uint64, missing)...)
	}
	s.many[n/64] |= 1 << (n % 64)
}

func (s *clientSet) len() int {
	total := len(s.few)
	for _, word := range s.many {
		total += bits.OnesCount64(word)
	}
	return total
}

// numbers gives the first most numbers of the set.
func (s *clientSet) numbers(most int) []int {
	var list []int
	for _, n := range s.few[:min(len(s.few), most)] {
		list = append(list, int(n))
	}
	for i, word := range s.many {
		for ; word != 0 && len(list) < most; word &= word - 1 {
			list = append(list, i*64+bits.TrailingZeros64(word))
		}
	}
	return list
}
