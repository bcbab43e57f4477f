package audit

import "fmt"

// A Verifier checks the chain of a trail line by line, as Verify does with files. It is for one goroutine;
// NewVerifier makes it.
type Verifier struct {
	result Result
	file   string
	line   int

	begun     bool
	origin    link // before the first record of all
	explained bool // an audit_deleted ends at origin
	chain     link // of the record before
	next      uint64
	broken    bool // the record before could not be read: its chain is not known

	checkpoints map[uint64][]Checkpoint
	disagreed   bool
}

// NewVerifier makes one that also compares with the checkpoints.
func NewVerifier(checkpoints ...Checkpoint) *Verifier {
	return &Verifier{checkpoints: bySequence(checkpoints)}
}

// Begin goes to the next file of the trail. Files come in the order of their records.
func (v *Verifier) Begin(file string) {
	v.result.Files++
	v.file, v.line = file, 0
}

// Add checks the next line of the file.
func (v *Verifier) Add(s *Seal) {
	v.line++
	v.check(s)
}

// Unreadable notes that the rest of the file could not be read.
func (v *Verifier) Unreadable(err error) {
	v.problem("the file cannot be read on from here: %v", err)
	v.broken = true
}

// Chain gives the chain of the last record so far; "" before the first, and where it could not be read.
func (v *Verifier) Chain() string { return v.chain.String() }

// Result ends the trail and gives what was found.
func (v *Verifier) Result() Result {
	v.compareEnd()
	if v.result.First > 1 && !v.explained {
		v.result.MissingBefore = v.result.First
	}
	v.result.Chain = v.chain.String()
	return v.result
}

func (v *Verifier) problem(format string, args ...any) {
	v.result.add(Problem{v.file, v.line, fmt.Sprintf(format, args...)})
}

func (v *Verifier) check(s *Seal) {
	if s.torn {
		v.problem("torn: the file ends in the middle of a line (after a crash, or while a record is being written)")
		return
	}
	if s.err != nil || !s.sealed {
		v.unreadable(s)
		return
	}
	if !v.begun {
		v.begin(s)
	}
	v.follow(s)
	v.chain, v.next, v.broken = s.chain, s.sequence+1, false
	v.result.Records++
	v.result.Last = s.sequence
	v.compare(s.sequence, s.chain)
	if s.record != nil {
		v.explain(s.record.Sepproxy.Deleted)
	}
}

// explain notes that records before the first were removed by retention.
func (v *Verifier) explain(d *Deleted) {
	if d != nil && d.Last+1 == v.result.First && parseLink(d.Chain) == v.origin {
		v.explained = true
	}
}

// unreadable notes a line that is no record, and takes it for the one that is due here.
func (v *Verifier) unreadable(s *Seal) {
	err := s.err
	if err == nil {
		err = fmt.Errorf("it does not end with its chain")
	}
	v.problem("the line was changed, it is not an audit record: %v", err)
	v.chain, v.broken = s.chain, !s.sealed
	v.next++
}

// begin takes the first readable record for the start of the chain.
func (v *Verifier) begin(s *Seal) {
	v.begun = true
	v.result.First = s.sequence
	if v.line > 1 {
		v.next = s.sequence
		return
	}
	chain, sequence, ok := genesis, uint64(0), s.sequence == 1
	if s.record != nil {
		chain, sequence, ok = anchor(s.record)
	}
	if !ok {
		v.problem("lines are missing before this one: the file begins with record %d, which does not say what came before", s.sequence)
		v.next, v.broken = s.sequence, true
		return
	}
	v.chain, v.origin, v.next = chain, chain, sequence+1
}

func (v *Verifier) follow(s *Seal) {
	switch {
	case s.sequence > v.next:
		v.problem("records %d to %d are missing before this line", v.next, s.sequence-1)
	case s.sequence < v.next:
		v.problem("record %d stands behind record %d: lines were moved, repeated or put in", s.sequence, v.next-1)
	case !v.broken && !s.follows(v.chain):
		v.problem("the line does not fit its chain: it, or the chain of the line before, was changed")
	}
}
