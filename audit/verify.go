package audit

import (
	"context"
	"fmt"
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
	v := NewVerifier(checkpoints...)
	ordered := Order(files)
	for _, path := range ordered {
		v.Begin(path)
		if err := v.read(ctx, path); ctx.Err() != nil {
			return v.result, ctx.Err()
		} else if err != nil {
			v.Unreadable(err)
		}
	}
	result := v.Result()
	return result, copies(ctx, files, ordered, &result)
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
// in a copy was changed all the same. The error is ctx's.
func copies(ctx context.Context, files, ordered []string, result *Result) error {
	for _, path := range files {
		if slices.Contains(ordered, path) {
			continue
		}
		alone, err := Verify(ctx, []string{path})
		if err != nil {
			return err
		}
		result.add(alone.Problems...)
		result.More += alone.More
	}
	return nil
}

// add keeps the first hundred problems, and counts the rest.
func (r *Result) add(problems ...Problem) {
	room := min(len(problems), maxProblems-len(r.Problems))
	r.Problems = append(r.Problems, problems[:room]...)
	r.More += len(problems) - room
}

func (v *Verifier) read(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return Map(ctx, f, sealLine, func(_ int, s *Seal) error {
		v.Add(s)
		return nil
	})
}

func sealLine(l *Line, s *Seal) { l.Seal(s) }
