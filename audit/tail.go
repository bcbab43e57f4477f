package audit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// pollInterval is how often Tail looks without being told: some file systems (NFS) notify of nothing.
const pollInterval = 2 * time.Second

// Tail prints the last view.Last lines of the file at path and then every line that is added,
// through rotations, until ctx is done; that is not an error. The file may appear later, its
// directory has to exist. Only whole lines are printed.
func Tail(ctx context.Context, w io.Writer, path string, view View) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("following audit log: %w", err)
	}
	defer watcher.Close()
	if err := watcher.Add(filepath.Dir(path)); err != nil {
		return fmt.Errorf("following audit log: %w", err)
	}
	t := &tail{path: path, w: w, view: view}
	defer t.close()
	if err := t.begin(); err != nil {
		return fmt.Errorf("following audit log: %w", err)
	}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if err := t.advance(); err != nil {
			return fmt.Errorf("following audit log: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-watcher.Events:
		case <-watcher.Errors: //nolint:errcheck // an overflow: advance looks at everything anyway
		}
	}
}

type tail struct {
	path string
	w    io.Writer
	view View
	file *os.File // nil while there is none
	in   *bufio.Reader
	part []byte // of a line whose end is not written yet
	long bool   // part was cut to MaxLine
	at   int64  // offset of what was read
}

func (t *tail) close() {
	if t.file != nil {
		_ = t.file.Close() // it was only read
	}
	t.file = nil
}

// begin opens the file where the last lines begin.
func (t *tail) begin() error {
	if err := t.openNext(); err != nil || t.file == nil {
		return err
	}
	at, err := lastLines(t.file, t.view.Last)
	if err != nil {
		return err
	}
	return t.seek(at)
}

func (t *tail) seek(at int64) error {
	t.at, t.part, t.long = at, t.part[:0], false
	_, err := t.file.Seek(at, io.SeekStart)
	t.in.Reset(t.file)
	return err
}

// openNext leaves file nil if there is none at path.
func (t *tail) openNext() error {
	f, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	t.file, t.in, t.at, t.part, t.long = f, bufio.NewReader(f), 0, t.part[:0], false
	return nil
}

// advance prints what there is, and goes over to the next file once that has content: only then has
// the writer left this one.
func (t *tail) advance() error {
	for {
		if t.file == nil {
			if err := t.openNext(); err != nil || t.file == nil {
				return err
			}
		}
		replaced := t.replaced()
		if err := t.drain(); err != nil || !replaced {
			return err
		}
		t.close()
	}
}

func (t *tail) replaced() bool {
	mine, err1 := t.file.Stat()
	there, err2 := os.Stat(t.path)
	return err1 == nil && err2 == nil && !os.SameFile(mine, there) && there.Size() > 0
}

// drain prints the whole lines up to the end of the file. A file that became shorter is read anew.
func (t *tail) drain() error {
	if info, err := t.file.Stat(); err == nil && info.Size() < t.at {
		if err := t.seek(0); err != nil {
			return err
		}
	}
	for {
		part, err := t.in.ReadSlice('\n')
		t.at += int64(len(part))
		t.keep(part)
		if err == io.EOF {
			return nil
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return err
		}
		if err := t.print(); err != nil {
			return err
		}
	}
}

func (t *tail) keep(part []byte) {
	if room := MaxLine - len(t.part); len(part) > room {
		part, t.long = part[:room], true
	}
	t.part = append(t.part, part...)
}

func (t *tail) print() error {
	line := fileLine{raw: bytes.TrimSuffix(t.part, []byte("\n")), ended: true, long: t.long}
	t.part, t.long = t.part[:0], false
	r, err := line.parse()
	if err != nil {
		r = nil
	}
	return t.view.print(t.w, line.raw, r)
}

// lastLines gives the offset at which the last n whole lines begin, read back from the end in
// pieces.
func lastLines(f *os.File, n int) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	piece := make([]byte, 64<<10)
	newlines := 0
	for stop := info.Size(); stop > 0; {
		start := max(0, stop-int64(len(piece)))
		part := piece[:stop-start]
		if _, err := f.ReadAt(part, start); err != nil && err != io.EOF {
			return 0, err
		}
		for i := len(part) - 1; i >= 0; i-- {
			if part[i] != '\n' {
				continue
			}
			if newlines++; newlines > n {
				return start + int64(i) + 1, nil
			}
		}
		stop = start
	}
	return 0, nil
}
