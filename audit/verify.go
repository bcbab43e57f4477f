package audit

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// maxProblems bounds Result.Problems.
const maxProblems = 100

// A Problem is one place where a trail is not what was written. Line counts from 1 in the
// decompressed file; 0 is the file as a whole.
type Problem struct {
	File    string
	Line    int
	Message string
}

// String is "file:line: message", safe for a terminal.
func (p Problem) String() string {
	if p.Line == 0 {
		return Printable(p.File + ": " + p.Message)
	}
	return Printable(fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message))
}

// A Result is what Verify found.
type Result struct {
	Files       int
	Records     int64
	First, Last uint64 // sequence numbers
	Chain       string // of the last record, to compare with a checkpoint kept elsewhere
	Problems    []Problem
	More        int // problems beyond the first hundred
	Agreed      int // checkpoints that state what the files hold
	// Covered is the last record that such a checkpoint states, at CoveredAt: the records behind it may
	// be computed anew, or cut off, and nothing shows it. 0 if there is none.
	Covered   uint64
	CoveredAt time.Time
	// MissingBefore is not 0 where the files begin with that record and no audit_deleted says what
	// became of those before it: fine for some files of a trail, a removal for a whole one.
	MissingBefore uint64
}

// OK says that there are no problems. It does not look at MissingBefore, which is the caller's to judge.
func (r Result) OK() bool { return len(r.Problems) == 0 }

// Verify checks the chain and the gapless sequence through files, ordered as Order does. It finds
// every edit, removal, reordering and splice that does not recompute the chain of everything
// behind it. Recomputation and a cut-off end leave no mark in the files: they are found where a
// checkpoint states otherwise. The error is ctx's; what cannot be read is a Problem.
func Verify(ctx context.Context, files []string, checkpoints ...Checkpoint) (Result, error) {
	v := verifier{checkpoints: bySequence(checkpoints)}
	v.ordered = Order(files)
	for _, path := range v.ordered {
		v.result.Files++
		v.file, v.line = path, 0
		if err := v.read(ctx, path); ctx.Err() != nil {
			return v.result, ctx.Err()
		} else if err != nil {
			v.problem("the file cannot be read on from here: %v", err)
			v.broken = true
		}
	}
	v.compareEnd()
	v.copies(ctx, files)
	if v.result.First > 1 && !v.explained {
		v.result.MissingBefore = v.result.First
	}
	v.result.Chain = v.chain.String()
	return v.result, nil
}

// VerifyTrail verifies all files of the trail at path, which may be written meanwhile. That its
// beginning is missing without an audit_deleted is then a Problem. The error is ctx's, or wraps
// fs.ErrNotExist if there is no trail.
func VerifyTrail(ctx context.Context, path string, checkpoints ...Checkpoint) (Result, error) {
	for tries := 1; ; tries++ {
		files, err := withCopies(path)
		if err != nil {
			return Result{}, err
		}
		before := sizes(files)
		result, err := Verify(ctx, files, checkpoints...)
		if err != nil {
			return result, err
		}
		if result.MissingBefore != 0 {
			result.Problems = append(result.Problems, Problem{files[0], 0, fmt.Sprintf(
				"the trail's beginning is missing: nothing says what became of the records before %d", result.MissingBefore)})
		}
		// A rotation, or a record half written, while the files were read looks like damage.
		now, err := withCopies(path)
		still := err == nil && slices.Equal(files, now) && slices.Equal(before, sizes(now))
		if result.OK() || tries == 3 || still {
			return result, nil
		}
	}
}

// withCopies gives the files of the trail oldest first, and after them those that are copies.
func withCopies(path string) ([]string, error) {
	files, err := Files(path)
	if err != nil {
		return nil, err
	}
	all, err := trailFiles(path)
	for _, f := range all {
		if !slices.Contains(files, f) {
			files = append(files, f)
		}
	}
	return files, err
}

// sizes has -1 for a file that is not there.
func sizes(files []string) []int64 {
	list := make([]int64, len(files))
	for i, path := range files {
		list[i] = -1
		if info, err := os.Stat(path); err == nil {
			list[i] = info.Size()
		}
	}
	return list
}

// copies checks the files that Order left out because another one begins like them: what was changed
// in a copy was changed all the same.
func (v *verifier) copies(ctx context.Context, files []string) {
	for _, path := range files {
		if slices.Contains(v.ordered, path) || ctx.Err() != nil {
			continue
		}
		alone, err := Verify(ctx, []string{path})
		if err != nil {
			return // ctx ended
		}
		v.result.More += alone.More
		for _, p := range alone.Problems {
			v.file, v.line = p.File, p.Line
			v.problem("%s", p.Message)
		}
	}
}

type verifier struct {
	result  Result
	ordered []string // the files without copies
	file    string
	line    int

	begun     bool
	origin    link // before the first record of all
	explained bool // an audit_deleted ends at origin
	chain     link // of the record before
	next      uint64
	broken    bool // the record before could not be read: its chain is not known

	checkpoints map[uint64][]Checkpoint
	disagreed   bool
}

func (v *verifier) problem(format string, args ...any) {
	if len(v.result.Problems) == maxProblems {
		v.result.More++
		return
	}
	v.result.Problems = append(v.result.Problems, Problem{v.file, v.line, fmt.Sprintf(format, args...)})
}

func (v *verifier) read(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	in, err := newLineReader(f)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		line, err := in.next()
		if err == io.EOF {
			return nil
		}
		v.line++
		if err != nil {
			return err
		}
		v.check(line)
	}
	return ctx.Err()
}

func (v *verifier) check(line fileLine) {
	if !line.ended {
		v.problem("torn: the file ends in the middle of a line (after a crash, or while a record is being written)")
		return
	}
	r, err := line.parse()
	body, chain, ok := unseal(line.raw)
	if err != nil || !ok {
		v.unreadable(err, chain, ok)
		return
	}
	if !v.begun {
		v.begin(r)
	}
	v.follow(r, body, chain)
	v.chain, v.next, v.broken = chain, r.Event.Sequence+1, false
	v.result.Records++
	v.result.Last = r.Event.Sequence
	v.compare(r.Event.Sequence, chain.String())
	if d := r.Sepproxy.Deleted; d != nil && d.Last+1 == v.result.First && parseLink(d.Chain) == v.origin {
		v.explained = true
	}
}

// unreadable notes a line that is no record, and takes it for the one that is due here.
func (v *verifier) unreadable(err error, chain link, sealed bool) {
	if err == nil {
		err = fmt.Errorf("it does not end with its chain")
	}
	v.problem("the line was changed, it is not an audit record: %v", err)
	v.chain, v.broken = chain, !sealed
	v.next++
}

// begin takes the first readable record for the start of the chain.
func (v *verifier) begin(r *Record) {
	v.begun = true
	v.result.First = r.Event.Sequence
	if v.line > 1 {
		v.next = r.Event.Sequence
		return
	}
	chain, sequence, ok := anchor(r)
	if !ok {
		v.problem("lines are missing before this one: the file begins with record %d, which does not say what came before", r.Event.Sequence)
		v.next, v.broken = r.Event.Sequence, true
		return
	}
	v.chain, v.origin, v.next = chain, chain, sequence+1
}

func (v *verifier) follow(r *Record, body []byte, chain link) {
	switch sequence := r.Event.Sequence; {
	case sequence > v.next:
		v.problem("records %d to %d are missing before this line", v.next, sequence-1)
	case sequence < v.next:
		v.problem("record %d stands behind record %d: lines were moved, repeated or put in", sequence, v.next-1)
	case !v.broken && !fits(v.chain, body, chain):
		v.problem("the line does not fit its chain: it, or the chain of the line before, was changed")
	}
}
