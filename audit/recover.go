package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// lookBack is how many bytes before the end of a file are searched for its last intact record.
const lookBack = 4 * MaxLine

// An end is where a file's last intact record ends. Without one last is nil and size 0.
type end struct {
	last  *Record
	chain link
	size  int64 // of the file up to the end of last
	torn  int64 // bytes that stand behind it
}

// takeUp finds where the trail ends, puts right what a crash left, and opens the current file.
func (l *Log) takeUp() error {
	path := l.opts.Path
	if err := removeTemps(path); err != nil {
		return err
	}
	e, aside, err := l.currentEnd()
	if err != nil {
		return err
	}
	if e.last != nil {
		if err := l.findFirst(path); err != nil {
			return err
		}
	} else if e, err = l.rotatedEnd(); err != nil {
		return err
	}
	if e.last != nil {
		l.tip = position{size: e.size, sequence: e.last.Event.Sequence, chain: e.chain}
	}
	l.durable = l.tip
	return l.goOn(e.last, aside)
}

// goOn opens the current file and begins the trail's new part. Nobody else knows of the log yet,
// so that the mutexes need not be held.
func (l *Log) goOn(last *Record, aside string) error {
	if err := l.mend(); err != nil {
		return err
	}
	if err := l.tellInterruption(last, aside); err != nil {
		return err
	}
	if err := l.prepare(); err != nil {
		return err
	}
	return errors.Join(l.flushHeld(), l.settleNames())
}

// currentEnd looks at the current file and sets aside what stands behind its last intact record.
func (l *Log) currentEnd() (e end, aside string, err error) {
	f, err := os.OpenFile(l.opts.Path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return end{}, "", nil
	}
	if err != nil {
		return end{}, "", err
	}
	defer f.Close()
	e, err = findEnd(f)
	if err != nil || e.torn == 0 {
		return e, "", err
	}
	aside = l.opts.Path + ".torn-" + l.now().UTC().Format("20060102T150405.000000000Z")
	if err := setAside(f, e.size, aside); err != nil {
		return e, "", fmt.Errorf("setting aside the torn end: %w", err)
	}
	return e, filepath.Base(aside), nil
}

// setAside moves everything behind size into a new file, durable there before it is cut off here.
func setAside(f *os.File, size int64, name string) error {
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, filePerm)
	if err != nil {
		return err
	}
	if _, err = f.Seek(size, io.SeekStart); err == nil {
		_, err = io.Copy(out, f)
	}
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	return f.Truncate(size)
}

func (l *Log) findFirst(path string) error {
	r, err := firstRecord(path)
	if err != nil {
		return fmt.Errorf("%w: the file's beginning is damaged: move it elsewhere, the trail goes on from the file before", err)
	}
	l.born = r.Time
	l.origin = position{sequence: r.Event.Sequence - 1}
	if chain, _, ok := anchor(r); ok {
		l.origin.chain = chain
	}
	return nil
}

// rotatedEnd gives the end of the newest file beside a current one that is missing or empty.
func (l *Log) rotatedEnd() (end, error) {
	files, err := trailFiles(l.opts.Path)
	if err != nil {
		return end{}, err
	}
	files = Order(files)
	for i := len(files) - 1; i >= 0; i-- {
		if files[i] == l.opts.Path {
			continue
		}
		e, err := endOf(files[i])
		if err == nil && e.last == nil {
			err = errors.New("it holds no record")
		}
		if err != nil {
			return end{}, fmt.Errorf("finding where the trail ended in %s: %w: move it elsewhere to go on from the file before", files[i], err)
		}
		l.before = filepath.Base(files[i])
		e.size = 0
		return e, nil
	}
	return end{}, nil
}

// tellInterruption writes what the trail's new part begins with if the old one did not end with a
// stop, or had a torn end.
func (l *Log) tellInterruption(last *Record, aside string) error {
	crashed := last != nil && last.Sepproxy.Lifecycle != LifecycleStop
	if !crashed && aside == "" {
		return nil
	}
	r := lifecycle(LifecycleAuditResumed, "recording goes on after an end without a stop record", l.now())
	r.Sepproxy.Resumed = &Resumed{SetAside: aside}
	if crashed {
		r.Sepproxy.Resumed.EndedBefore = l.tip.sequence + 1
	}
	if l.tip.size == 0 && l.tip.sequence > 0 {
		r.Sepproxy.Previous = l.previous()
	}
	return l.put(r)
}

// endOf finds the last record of a file that is no longer written, compressed or not.
func endOf(path string) (end, error) {
	f, err := os.Open(path)
	if err != nil {
		return end{}, err
	}
	defer f.Close()
	var magic [2]byte
	if n, err := f.ReadAt(magic[:], 0); err != nil && err != io.EOF || !isGzip(magic[:n]) {
		return findEnd(f)
	}
	var e end
	err = Scan(path, f, func(_ int, raw []byte, r *Record) error {
		if _, chain, ok := unseal(raw); ok && r != nil {
			e.last, e.chain = r, chain
		}
		return nil
	})
	return e, err
}

// findEnd reads a plain file from its end.
func findEnd(f *os.File) (end, error) {
	info, err := f.Stat()
	if err != nil {
		return end{}, err
	}
	return findEndWithin(f, info.Size())
}

// findEndWithin looks no further than the first size bytes.
func findEndWithin(f *os.File, size int64) (end, error) {
	start := max(0, size-lookBack)
	window := make([]byte, size-start)
	if _, err := f.ReadAt(window, start); err != nil && err != io.EOF {
		return end{}, err
	}
	// No record has a zero byte. A power failure may leave zeros in the place of what did not reach the
	// disk, and behind them what did: that was not made durable either, and would not fit the chain.
	if zeros := bytes.IndexByte(window, 0); zeros >= 0 {
		window = window[:zeros]
	}
	r, chain, n := lastIntact(window, start == 0)
	if r == nil && (start > 0 || bytes.IndexByte(window, '\n') >= 0) {
		return end{}, errors.New("no intact audit record at the end of the file: if it is a trail, move it elsewhere and let `sepproxy audit verify` tell more")
	}
	e := end{last: r, chain: chain}
	if r != nil {
		e.size = start + int64(n)
	}
	e.torn = size - e.size
	return e, nil
}

// lastIntact finds the last whole line that is a record and fits the chain of the line before it,
// and where it ends. whole says that window begins where the file does.
func lastIntact(window []byte, whole bool) (r *Record, chain link, size int) {
	stop := bytes.LastIndexByte(window, '\n') + 1
	for stop > 0 {
		begin := bytes.LastIndexByte(window[:stop-1], '\n') + 1
		if begin == 0 && !whole {
			return nil, link{}, 0
		}
		before := window[bytes.LastIndexByte(window[:max(0, begin-1)], '\n')+1 : max(0, begin-1)]
		if r, chain, ok := intact(window[begin:stop-1], before); ok {
			return r, chain, stop
		}
		stop = begin
	}
	return nil, link{}, 0
}

// intact checks a line against the one before, or, where it is the file's first, against what it
// says of the file before.
func intact(line, before []byte) (*Record, link, bool) {
	r, err := ParseLine(line)
	body, chain, ok := unseal(line)
	if err != nil || !ok {
		return nil, link{}, false
	}
	_, previous, ok := unseal(before)
	if len(before) == 0 {
		previous, _, ok = anchor(r)
	}
	return r, chain, ok && fits(previous, body, chain)
}

// anchor tells on which record the first one of a file follows: the one it names, or none at all.
func anchor(r *Record) (chain link, sequence uint64, ok bool) {
	if p := r.Sepproxy.Previous; p != nil {
		return parseLink(p.Chain), p.Sequence, true
	}
	return genesis, 0, r.Event.Sequence == 1
}
