package audit

import (
	"errors"
	"fmt"
	"time"
)

// A batch is the records that one fsync makes durable. done and err belong to syncing.
type batch struct {
	records int64
	done    bool
	err     error
}

func (b *batch) settle(err error) {
	if b != nil {
		b.done, b.err = true, err
	}
}

// join adds records just written to the batch of the next fsync; nil unless SyncAlways. mu is held.
func (l *Log) join(records int) *batch {
	if l.opts.Sync != SyncAlways || l.toStdout() {
		return nil
	}
	if l.batch == nil {
		l.batch = new(batch)
	}
	l.batch.records += int64(records)
	return l.batch
}

// commit waits until b is on the disk. The first of a batch to get here fsyncs for all of them;
// those who write meanwhile gather in the next batch.
func (l *Log) commit(b *batch) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	if !b.done {
		_ = l.flush() // b.err has it
	}
	return b.err
}

// flush fsyncs what is written so far. syncing is held, mu is not: writers go on.
func (l *Log) flush() error {
	l.mu.Lock()
	f, upTo, b := l.file, l.tip, l.batch
	l.batch = nil
	l.mu.Unlock()
	if f == nil || b == nil && upTo == l.durable {
		return nil
	}
	err := f.Sync()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.synced(err, upTo, b)
}

// flushHeld is flush with both mutexes held: nothing is written meanwhile. With SyncNever it is only
// for checkpoints, which must not state what a power failure can still undo.
func (l *Log) flushHeld() error {
	if l.file == nil || l.opts.Sync == SyncNever && !l.checkpoints() {
		return nil
	}
	b := l.batch
	l.batch = nil
	return l.synced(l.file.Sync(), l.tip, b)
}

// synced takes note of what an fsync up to upTo came to. Both mutexes are held.
func (l *Log) synced(err error, upTo position, b *batch) error {
	if err == nil {
		l.durable = upTo
		b.settle(nil)
		return nil
	}
	err = fmt.Errorf("making the audit log durable: %w", err)
	l.errors++
	if l.opts.Sync == SyncAlways {
		l.takeBack(err, b)
	}
	return err
}

// takeBack withdraws everything behind durable after a failed fsync: the kernel may have dropped
// any of it, and every record there belongs to a Write that has not returned yet and now fails.
func (l *Log) takeBack(err error, b *batch) {
	for _, failed := range []*batch{b, l.batch} {
		if failed != nil {
			failed.settle(err)
			l.unrecorded += failed.records
		}
	}
	l.batch = nil
	l.tip, l.dirty = l.durable, true
	_ = l.mend() // if it cannot be done now, prepare does it before the next record
}

// retire makes the current file durable and closes it. When that fails the file is kept for the
// next write to try again, except in Close. Both mutexes are held.
func (l *Log) retire() error {
	if l.file == nil {
		return nil
	}
	err := errors.Join(l.mend(), l.flushHeld())
	if err != nil && !l.closed {
		return err
	}
	return errors.Join(err, l.closeFile())
}

func (l *Log) closeFile() error {
	f := l.file
	l.file = nil
	return f.Close()
}

// lookInterval is how long it may take until something is noticed that no record shows.
const lookInterval = 10 * time.Second

// runBackground starts what goes on beside the writers; Close stops it.
func (l *Log) runBackground() {
	l.running.Go(func() { l.every(lookInterval, nil, l.lookAround) })
	l.running.Go(func() { l.every(time.Hour, l.wake, l.lookAfter) })
	l.wake <- struct{}{}
	if l.checkpoints() {
		l.running.Go(func() { l.every(l.opts.Checkpoint.Every, nil, l.checkpointInBackground) })
	}
	if l.opts.Sync == SyncInterval {
		l.running.Go(func() { l.every(l.opts.SyncInterval, nil, l.flushInBackground) })
	}
}

// every calls do at each interval, and when wake says so, until Close.
func (l *Log) every(interval time.Duration, wake <-chan struct{}, do func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
		case <-wake:
		}
		do()
	}
}

func (l *Log) flushInBackground() {
	if err := l.flushNow(); err != nil {
		l.opts.OnError(err) // synced has counted it
	}
}

func (l *Log) flushNow() error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	return l.flush()
}
