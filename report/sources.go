package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/sepproxy/sepproxy/audit"
)

// A source is a file to read. What is not a regular file can be read only once: its first record
// is not looked at beforehand, and size is 0.
type source struct {
	path     string
	info     os.FileInfo
	size     int64  // in bytes, as stored
	first    string // the chain of its first record, which no other trail has; "" where it has no record
	host     string // that wrote that record,
	sequence uint64 // its number,
	previous string // and the chain before it, if it says so
	records  int64  // readable ones; only where several files begin with the same record
	line     int    // of the last of them, and
	chain    string // its chain
	copies   []*source
}

// openSources leaves out every file that only repeats another one: the same file under two names,
// and copies, compressed or not, of which the longest is kept. They come host by host, in the order of their
// records.
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
	slices.SortStableFunc(kept, func(a, b *source) int {
		return cmp.Or(strings.Compare(a.host, b.host), cmp.Compare(a.sequence, b.sequence))
	})
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
	err = s.scan(ctx, func(_ int, r *audit.Record) error {
		s.sequence, s.host, s.first = r.Event.Sequence, r.Observer.Hostname, r.Chain
		if p := r.Sepproxy.Previous; p != nil {
			s.previous = p.Chain
		}
		return errEnough
	})
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
	return s.scan(ctx, func(line int, r *audit.Record) error {
		s.records++
		s.line, s.chain = line, r.Chain
		return nil
	})
}

// scan calls f for the records of the file, one after the other, until it gives errEnough or the file ends or
// cannot be read on.
func (s *source) scan(ctx context.Context, f func(line int, r *audit.Record) error) error {
	file, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("opening audit file: %w", err)
	}
	defer file.Close() // only read: nothing to lose
	// What is wrong with the file is told when it is counted.
	_ = audit.Scan(s.path, &watched{ctx, file, nil}, func(line int, _ []byte, r *audit.Record) error {
		if r == nil {
			return nil
		}
		return f(line, r)
	})
	return ctx.Err()
}

// An entry is what counts of one line.
type entry struct {
	event event
	seal  audit.Seal
	err   error // why the line is no record; there is no event then
}

// decode fills in the entry of a line.
func decode(l *audit.Line, v *entry) {
	decodeAlone(l, v)
	l.Seal(&v.seal)
}

// decodeAlone is decode for whoever does not look at the chain.
func decodeAlone(l *audit.Line, v *entry) {
	if v.err = l.Err; v.err == nil {
		v.event.read(l.Record, l.Memo)
	}
}

// read calls take for each line of the file, and broken, which may be nil, for what keeps the rest of the file
// from being read: a report of what can be read is better than none. progress, which may be nil, is told
// how many bytes came from the disk, from another goroutine.
func (s *source) read(ctx context.Context, decode func(*audit.Line, *entry), progress func(n int),
	take func(line int, v *entry) error, broken func(error)) error {
	file, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("opening audit file: %w", err)
	}
	defer file.Close() // only read: nothing to lose
	err = audit.Map(ctx, &watched{ctx, file, progress}, decode, take)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case broken != nil:
		broken(err)
	}
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
