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
func (l *Line) Seal() Seal {
	if !l.ended {
		return Seal{torn: true}
	}
	seal := Seal{err: l.Err}
	body, chain, ok := unseal(l.raw)
	seal.chain, seal.sealed = chain, ok
	if l.Err != nil || !ok {
		return seal
	}
	seal.sequence = l.Record.Event.Sequence
	if about := &l.Record.Sepproxy; about.Previous != nil || about.Deleted != nil {
		seal.record = l.Record // of encoding/json, which makes each anew
	}
	if _, previous, ok := unseal(l.before); ok {
		seal.previous = previous
		seal.fits = l.fits(body, chain)
	} else {
		seal.body = bytes.Clone(body)
	}
	return seal
}

// fits tells whether the line's chain follows from that of the line before, which has one. It is the function
// fits without copies.
func (l *Line) fits(body []byte, chain link) bool {
	if l.hash == nil {
		l.hash = sha256.New()
	}
	l.hash.Reset()
	l.hash.Write(l.before[len(l.before)-sealLen:][len(sealHead):][:len(chain)])
	l.hash.Write(body)
	l.sum = l.hash.Sum(l.sum[:0])
	var digits link
	hex.Encode(digits[:], l.sum)
	return digits == chain
}

// follows tells whether the line's chain follows from previous.
func (s *Seal) follows(previous link) bool {
	if s.body == nil {
		return s.fits && previous == s.previous
	}
	return fits(previous, s.body, s.chain)
}
