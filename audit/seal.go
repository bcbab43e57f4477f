package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
)

// A Seal is what checking the chain needs of one line. It is made of the line alone, and so by any
// goroutine; a Verifier puts seals together.
type Seal struct {
	err      error // why the line is no record
	torn     bool
	sealed   bool // it ends with a chain
	sequence uint64
	chain    link
	previous link    // the chain that the line before states; zero where that is not at hand
	fits     bool    // the line's chain follows from previous
	body     []byte  // a copy of what is hashed, only where fits could not be found out
	record   *Record // only where it tells of other parts of the chain: its Previous or Deleted is set
}

// Seal takes what checking the chain needs out of the line. It hashes the line, which is most of its cost.
func (l *Line) Seal(s *Seal) {
	*s = Seal{err: l.Err, torn: !l.ended}
	body, chain, ok := split(l.raw)
	switch {
	case s.torn:
		return
	case l.Err != nil || !ok:
		_, s.chain, s.sealed = unseal(l.raw)
		return
	}
	s.sequence = l.Record.Event.Sequence
	if about := &l.Record.Sepproxy; about.Previous != nil || about.Deleted != nil {
		s.record = l.Record // of encoding/json, which makes each anew
	}
	if _, before, ok := split(l.before); ok {
		s.previous = link(before)
		s.fits = l.fits(before, body, chain)
	} else {
		s.body = bytes.Clone(body)
	}
	// What fits is the digits of a hash and needs no second look.
	s.chain, s.sealed = link(chain), s.fits || isLink(chain)
}

// Chain is the chain that the line ends with; "" if it has none.
func (s *Seal) Chain() string { return s.chain.String() }

// fits is the function fits without copies.
func (l *Line) fits(previous, body, chain []byte) bool {
	if l.hash == nil {
		l.hash = sha256.New()
	}
	l.hash.Reset()
	l.hash.Write(previous)
	l.hash.Write(body)
	l.sum = l.hash.Sum(l.sum[:0])
	var digits link
	hex.Encode(digits[:], l.sum)
	return string(digits[:]) == string(chain)
}

// follows tells whether the line's chain follows from previous.
func (s *Seal) follows(previous link) bool {
	if s.body == nil {
		return s.fits && previous == s.previous
	}
	return fits(previous, s.body, s.chain)
}
