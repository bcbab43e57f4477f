package report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/sepproxy/sepproxy/audit"
)

// scan reads a trail and tells records from lines that are none. It ends with the first error of
// record or of r.
func scan(name string, r io.Reader, record func(line int, r *audit.Record) error, broken func(line int, err error)) error {
	return audit.Scan(name, r, func(line int, raw []byte, rec *audit.Record) error {
		if rec != nil {
			return record(line, rec)
		}
		_, err := audit.ParseLine(raw)
		if err == nil {
			err = errors.New("the line is too long")
		}
		broken(line, err)
		return nil
	})
}

// A source is a file to read. What is not a regular file can be read only once: its first record
// is not looked at beforehand, and size is 0.
type source struct {
	path    string
	info    os.FileInfo
	size    int64  // in bytes, as stored
	first   string // what no other trail has in common with it; "" where it has no record
	records int64  // readable ones; only where several files begin with the same record
	line    int    // of the last of them, and
	chain   string // its chain
	copies  []*source
}

// openSources leaves out every file that only repeats another one: the same file under two names,
// and copies, compressed or not, of which the longest is kept.
func openSources(ctx context.Context, files []string) ([]*source, error) {
	var kept []*source
	for _, path := range files {
		s, err := newSource(ctx, path)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(kept, func(k *source) bool { return os.SameFile(k.info, s.info) }) {
			continue
		}
		i := slices.IndexFunc(kept, func(k *source) bool { return k.first != "" && k.first == s.first })
		if i < 0 {
			kept = append(kept, s)
			continue
		}
		if kept[i], err = longer(ctx, kept[i], s); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

func newSource(ctx context.Context, path string) (*source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("opening audit file: %w", err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("opening audit file: %s is a directory: name the files in it", path)
	}
	s := &source{path: path, info: info}
	if !info.Mode().IsRegular() {
		return s, nil
	}
	s.size = info.Size()
	err = s.read(ctx, nil, func(_ int, r *audit.Record) error {
		s.first = fmt.Sprintf("%d %s", r.Event.Sequence, r.Chain)
		return errEnough
	}, nil)
	return s, err
}

// errEnough ends reading early.
var errEnough = errors.New("enough")

// longer gives the one of two copies that has more records, and remembers the other with it.
func longer(ctx context.Context, a, b *source) (*source, error) {
	for _, s := range []*source{a, b} {
		if s.records > 0 {
			continue // compared with another copy already
		}
		if err := s.measure(ctx); err != nil {
			return nil, err
		}
	}
	if b.records > a.records {
		a, b = b, a
	}
	a.copies = append(append(a.copies, b.copies...), b)
	return a, nil
}

func (s *source) measure(ctx context.Context) error {
	return s.read(ctx, nil, func(line int, r *audit.Record) error {
		s.records++
		s.line, s.chain = line, r.Chain
		return nil
	}, nil)
}

// read calls record for each record of the file and broken, which may be nil, for each line that is
// none, and with line 0 for what keeps the rest of the file from being read: a report of what can be
// read is better than none. progress, which may be nil, is told how many bytes came from the disk.
func (s *source) read(ctx context.Context, progress func(n int),
	record func(line int, r *audit.Record) error, broken func(line int, err error)) error {
	f, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("opening audit file: %w", err)
	}
	defer f.Close() // only read: nothing to lose
	if broken == nil {
		broken = func(int, error) {}
	}
	err = scan(s.path, &watched{ctx, f, progress}, record, broken)
	switch {
	case err == nil || errors.Is(err, errEnough):
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	broken(0, err)
	return nil
}

// watched is a reader that ends with its context and tells how far it got.
type watched struct {
	ctx      context.Context
	r        io.Reader
	progress func(n int)
}

func (w *watched) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.r.Read(p)
	if w.progress != nil {
		w.progress(n)
	}
	return n, err
}

// checkTrail checks the chain through those of the files that can be read twice.
func checkTrail(ctx context.Context, sources []*source) (Trail, error) {
	var paths []string
	for _, s := range sources {
		if s.info.Mode().IsRegular() {
			paths = append(paths, s.path)
		}
	}
	found, err := audit.Verify(ctx, paths)
	t := Trail{Intact: found.OK(), Files: found.Files, Records: found.Records, First: found.First, Last: found.Last,
		Chain: found.Chain, More: found.More, MissingBefore: found.MissingBefore, Problems: []string{}}
	for _, p := range found.Problems {
		t.Problems = append(t.Problems, p.String())
	}
	return t, err
}
