package audit

import (
	"bytes"
	"context"
	"fmt"
	"hash"
	"io"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// A Line is one line of an audit file, as Map shows it. It is valid only during the call; strings of Record
// stay valid.
type Line struct {
	// Record lacks transaction id and chain, and is only to be read. It is nil for a line that is no record.
	Record *Record
	Err    error // why it is none
	// Memo is a place for what the caller makes of the members http, url, tls, rule and sepproxy: each line that has
	// this place has the same ones. It is nil where there is none. One goroutine uses it.
	Memo *any

	raw    []byte // without newline
	before []byte // the line before; nil where that is not at hand
	ended  bool   // with a newline

	hash hash.Hash // reused, like
	sum  []byte
}

// Map is Scan for large files: several goroutines decode the lines of the audit file in r, and take gets
// what decode made of them, one at a time, in the order of the file. Neither keeps the pointers; decode gets
// one to a value that may have been used before, and must be safe for concurrent use. Map ends at the end of r, with the first error of take, as it is, or when ctx
// does. Memory does not grow with the file. The caller closes r.
func Map[T any](ctx context.Context, r io.Reader, decode func(*Line, *T), take func(line int, value *T) error) error {
	in, err := decompress(r)
	if err != nil {
		return fmt.Errorf("reading the head of the file: %w", err)
	}
	workers := runtime.GOMAXPROCS(0)
	m := mapping[T]{decode: decode, take: take,
		free: make(chan *piece[T], workers+2), todo: make(chan *piece[T]), order: make(chan *piece[T], workers+2)}
	for range cap(m.free) {
		m.free <- &piece[T]{done: make(chan struct{}, 1)}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.read(ctx, &blockReader{r: in}) })
	for range workers {
		g.Go(m.work)
	}
	g.Go(func() error { return m.deliver(ctx) })
	err = g.Wait()
	if broken, ok := err.(*readError); ok { //nolint:errorlint // it is our own, given as it is
		return fmt.Errorf("reading line %d: %w", m.lines+1, broken.err)
	}
	return err
}

// A mapping is one call of Map. The pieces go round: free, read, decoded while they wait for their turn,
// delivered, free.
type mapping[T any] struct {
	decode func(*Line, *T)
	take   func(int, *T) error
	free   chan *piece[T]
	todo   chan *piece[T]
	order  chan *piece[T] // as in the file
	lines  int            // delivered; deliver's alone until all have ended
}

// A piece is a block and what was made of its lines.
type piece[T any] struct {
	block  block
	values []T
	done   chan struct{} // decoded
	err    error         // there is no block, but this, from reading
}

// readError tells an error of the file from one of take.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }

func (m *mapping[T]) read(ctx context.Context, in *blockReader) error {
	defer close(m.order)
	defer close(m.todo)
	for {
		var p *piece[T]
		select {
		case p = <-m.free:
		case <-ctx.Done():
			return ctx.Err()
		}
		if p.err = in.next(&p.block); p.err == io.EOF {
			return nil
		}
		select {
		case m.order <- p:
		case <-ctx.Done():
			return ctx.Err()
		}
		if p.err != nil {
			p.done <- struct{}{}
			return nil
		}
		select {
		case m.todo <- p:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *mapping[T]) work() error {
	parser := fastParser{brief: true}
	for p := range m.todo {
		p.decode(&parser, m.decode)
		p.done <- struct{}{}
	}
	return nil
}

func (m *mapping[T]) deliver(ctx context.Context) error {
	for p := range m.order {
		select {
		case <-p.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if p.err != nil {
			return &readError{p.err}
		}
		for i := range p.values {
			m.lines++
			if err := m.take(m.lines, &p.values[i]); err != nil {
				return err
			}
		}
		m.free <- p // has room for all there are
	}
	return ctx.Err()
}

// decode fills in values, a value for each line.
func (p *piece[T]) decode(parser *fastParser, decode func(*Line, *T)) {
	p.values = p.values[:0]
	var l Line
	for rest := p.block.data; len(rest) > 0; {
		raw, after, ended := bytes.Cut(rest, newline)
		l.before, l.raw, l.ended = l.raw, raw, ended || p.block.long && !p.block.torn
		l.parse(parser, p.block.long)
		n := len(p.values)
		p.values = slices.Grow(p.values, 1)[:n+1]
		decode(&l, &p.values[n])
		rest = after
	}
}

var newline = []byte{'\n'}

func (l *Line) parse(parser *fastParser, long bool) {
	if long || len(l.raw) >= MaxLine {
		l.Record, l.Err, l.Memo = nil, errLong, nil
		l.raw = l.raw[:min(len(l.raw), MaxLine-1)]
		return
	}
	l.Record, l.Err = parser.parseAny(l.raw)
	l.Memo = parser.memo
}
