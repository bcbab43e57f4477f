package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

const filePerm = 0o640

// ErrClosed is what Write gives after Close.
var ErrClosed = errors.New("the audit log is closed")

// file is what the log needs of an *os.File; tests put a failing disk in its place.
type file interface {
	io.WriteCloser
	Stat() (fs.FileInfo, error)
	Sync() error
	Truncate(size int64) error
}

// A position is a place between two records of the trail.
type position struct {
	size     int64  // of the current file up to here
	sequence uint64 // of the record before
	chain    link   // of the record before
	told     int64  // how many unrecorded records the trail has told of up to here
}

// A Log writes one trail. Its methods may be called concurrently. Open makes it, Close ends it.
type Log struct {
	opts    Options
	open    func(path string) (file, error)
	lock    *flock.Flock // nil where it is not held
	stop    chan struct{}
	wake    chan struct{} // a file was rotated: look after the old ones
	running sync.WaitGroup

	// syncing is taken before mu by who fsyncs, rotates, reopens or closes: the file is not
	// exchanged under an fsync, while writers, who need mu alone, go on.
	syncing sync.Mutex
	mu      sync.Mutex

	file    file     // nil after a failure: the next write opens it
	tip     position // where the next record goes
	durable position // SyncAlways: everything up to here is on the disk
	batch   *batch   // SyncAlways: who waits for the next fsync
	dirty   bool     // something may stand in the file behind tip
	half    int64    // bytes that the last write left behind tip when it failed
	stopped bool     // the stop record is written
	closed  bool

	origin position  // where the current file goes on from
	born   time.Time // time of its first record
	before string    // name of the file before it
	retry  time.Time // no rotation before this time
	stated uint64    // sequence of the last checkpoint
	place  int       // inPlace, astray or given

	joined     []byte // a record and the chain before it; reused, as lines is
	lines      []byte // for one write
	records    map[string]int64
	errors     int64
	unrecorded int64
}

// Open takes up the trail at o.Path, or begins one. Its directory has to exist. It is an error if
// another process writes the same trail. What a crash left behind is put right and told in an
// audit_resumed record; start and stop records are the caller's to write.
func Open(o Options) (*Log, error) {
	l := newLog(o)
	if err := l.begin(); err != nil {
		return nil, fmt.Errorf("opening audit log %s: %w", o.Path, err)
	}
	return l, nil
}

func newLog(o Options) *Log {
	o.setDefaults()
	return &Log{
		opts: o, open: openFile, tip: position{chain: genesis},
		stop: make(chan struct{}), wake: make(chan struct{}, 1), records: map[string]int64{},
	}
}

func openFile(path string) (file, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, filePerm)
}

func (l *Log) begin() error {
	if l.toStdout() {
		l.file = &stream{w: l.opts.Stdout}
		return nil
	}
	if err := checkPlace(l.opts.Path); err != nil {
		return err
	}
	if l.checkpoints() {
		if err := l.opts.Checkpoint.check(l.opts.Path); err != nil {
			return err
		}
	}
	if err := l.acquire(); err != nil {
		return err
	}
	if err := l.takeUp(); err != nil {
		return errors.Join(err, l.release())
	}
	l.runBackground()
	return nil
}

func (l *Log) toStdout() bool { return l.opts.Path == "-" }

// checkpoints tells whether there is a place for them.
func (l *Log) checkpoints() bool { return l.opts.Checkpoint.Path != "" && !l.toStdout() }

func (l *Log) now() time.Time { return l.opts.Now() }

func checkPlace(path string) error {
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the directory %s does not exist: create it, writable for the account that runs sepproxy", dir)
	}
	info, err := os.Lstat(path)
	if err == nil && !info.Mode().IsRegular() {
		return errors.New(`it is not a regular file: name one, or "-" for standard output`)
	}
	return nil
}

// Write appends records to the trail, one after the other and nothing between them, and fills in what
// Record says. It returns nil only once all their lines have been handed to the kernel, with
// SyncAlways: once they are on the disk. After an error nothing of any of them is in the trail; the
// next Write tries again, and when it succeeds an audit_resumed record tells how many records are
// missing. They must not be used by others meanwhile.
func (l *Log) Write(records ...*Record) error {
	l.tend()
	l.mu.Lock()
	b, err := l.append(records)
	l.mu.Unlock()
	if err == nil && b != nil {
		err = l.commit(b)
	}
	if err != nil {
		return fmt.Errorf("writing audit record: %w", err)
	}
	return nil
}

// Ready tells why a record could not be written now, and nil if one could. After a failure it tries,
// by writing the audit_resumed record that is due.
func (l *Log) Ready() error {
	l.tend()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	if l.unrecorded == l.tip.told && l.file != nil {
		return nil
	}
	return l.prepare()
}

// append gives the batch to wait for, nil if there is nothing to wait for. mu is held.
func (l *Log) append(records []*Record) (*batch, error) {
	is := func(what string) bool { return records[len(records)-1].Sepproxy.Lifecycle == what }
	if len(records) == 0 {
		return nil, nil
	}
	if l.closed || l.stopped && is(LifecycleAuditDeleted) {
		return nil, ErrClosed
	}
	err := l.prepare()
	if err == nil {
		err = l.put(records...)
	}
	if err != nil {
		l.errors += int64(len(records))
		l.unrecorded += int64(len(records))
		return nil, err
	}
	l.stopped = is(LifecycleStop)
	return l.join(len(records)), nil
}

// prepare makes the file fit for a record: open, without remains of a failed write, and beginning
// with where it comes from. If records could not be written, it tells how many. mu is held.
func (l *Log) prepare() error {
	if err := l.mend(); err != nil {
		return err
	}
	if l.tip.size == 0 && l.tip.sequence > 0 {
		r := lifecycle(LifecycleAuditRotated, "the trail goes on from "+l.before, l.now())
		r.Sepproxy.Previous = l.previous()
		if err := l.put(r); err != nil {
			return err
		}
	}
	missing := l.unrecorded - l.tip.told
	if missing == 0 {
		return nil
	}
	r := lifecycle(LifecycleAuditResumed, fmt.Sprintf("recording goes on; %d records could not be written", missing), l.now())
	r.Sepproxy.Resumed = &Resumed{Unrecorded: missing}
	if err := l.put(r); err != nil {
		return err
	}
	l.tip.told = l.unrecorded
	return nil
}

func (l *Log) previous() *Previous {
	return &Previous{File: l.before, Sequence: l.tip.sequence, Chain: l.tip.chain.String()}
}

// put encodes, chains and writes records; tip moves only if all of them were written. mu is held.
func (l *Log) put(records ...*Record) error {
	tip := l.tip
	l.lines = l.lines[:0]
	for _, r := range records {
		chain, err := l.line(r, tip)
		if err != nil {
			return err
		}
		tip.sequence, tip.chain = r.Event.Sequence, chain
	}
	if err := l.hand(l.lines); err != nil {
		return err
	}
	if l.tip.size == 0 {
		l.origin, l.born = l.tip, records[0].Time
	}
	tip.size += int64(len(l.lines))
	l.tip = tip
	for _, r := range records {
		l.records[r.Event.Action]++
	}
	return nil
}

// line adds the line of the record that follows after, and gives its chain. mu is held.
func (l *Log) line(r *Record, after position) (chain link, err error) {
	l.complete(r, after.sequence+1)
	l.joined = appendRecord(append(l.joined[:0], after.chain[:]...), r)
	chain = seal(l.joined)
	begin := len(l.lines)
	l.lines = appendSeal(append(l.lines, l.joined[len(chain):]...), chain)
	if len(l.lines)-begin > MaxLine {
		return chain, fmt.Errorf("the record is longer than %d bytes", MaxLine)
	}
	r.Chain = chain.String()
	return chain, nil
}

// hand gives lines to the kernel in one call. mu is held.
func (l *Log) hand(lines []byte) error {
	n, err := l.file.Write(lines)
	if err == nil && n < len(lines) {
		err = io.ErrShortWrite
	}
	if err != nil {
		l.dirty, l.half = true, int64(n)
		_ = l.mend() // if it cannot be done now, prepare does it before the next record
	}
	return err
}

// Stats are a consistent copy.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{
		Records: maps.Clone(l.records), Errors: l.errors,
		Unrecorded: l.unrecorded, Sequence: l.tip.sequence,
	}
}

// DiskFreeRatio tells which part of the trail's file system is free for this account, 0 to 1. It
// wraps errors.ErrUnsupported for standard output and where the system is not asked.
func (l *Log) DiskFreeRatio() (float64, error) {
	if l.toStdout() {
		return 0, fmt.Errorf("free space of standard output: %w", errors.ErrUnsupported)
	}
	ratio, err := diskFreeRatio(filepath.Dir(l.opts.Path))
	if err != nil {
		return 0, fmt.Errorf("free space beside %s: %w", l.opts.Path, err)
	}
	return ratio, nil
}

// Close makes everything written durable (not with SyncNever), stops the background work and gives
// the trail free for another process. The second Close does nothing.
func (l *Log) Close() error {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if again {
		return nil
	}
	close(l.stop)
	l.running.Wait()
	if l.checkpoints() {
		l.checkpointInBackground() // of the stop record
	}
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	err := errors.Join(l.retire(), l.release())
	if err != nil {
		return fmt.Errorf("closing audit log: %w", err)
	}
	return nil
}

// report counts and tells what went wrong in the background. Neither mutex is held.
func (l *Log) report(err error) {
	if err == nil {
		return
	}
	l.mu.Lock()
	l.errors++
	l.mu.Unlock()
	l.opts.OnError(err)
}
