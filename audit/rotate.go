package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// retryRotation is how long a rotation that failed is not tried again; the trail goes on in the
// file it has.
const retryRotation = time.Minute

// Rotate begins a new file now; an empty one is kept. The old one gets its final name at once, its
// compression and the retention of older ones follow in the background.
func (l *Log) Rotate() error {
	return l.exclusively(l.rotate)
}

// Reopen is for after somebody, logrotate say, has moved the current file away: a new one is begun
// at its path, in which the chain goes on. It does nothing while the path leads to the file that
// is being written.
func (l *Log) Reopen() error {
	return l.exclusively(func() error {
		if !l.moved() {
			return nil
		}
		return l.reopen()
	})
}

// exclusively runs do with both mutexes held, on a log that is open and in a file.
func (l *Log) exclusively(do func() error) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	if l.toStdout() {
		return nil
	}
	return do()
}

// due leaves alone a file that holds nothing but where it comes from. mu is held.
func (l *Log) due() bool {
	if l.toStdout() || l.closed || l.stopped || l.tip.size == 0 || l.tip.sequence == l.origin.sequence+1 {
		return false
	}
	now, r := l.now(), l.opts.Rotate
	// A clock that was set back makes a file seem to be of the future. One from so far ahead is rotated
	// too, so that the step delays rotation by no more than one period.
	age := now.Sub(l.born).Abs()
	large := r.Size > 0 && l.tip.size >= r.Size
	old := r.Every > 0 && age >= r.Every
	return (large || old) && !l.waiting(now)
}

// waiting tells whether a rotation failed a moment ago. mu is held.
func (l *Log) waiting(now time.Time) bool {
	left := l.retry.Sub(now)
	return left > 0 && left <= retryRotation
}

// rotateDue is a rotation that is put off for a while if it fails. Both mutexes are held.
func (l *Log) rotateDue() error {
	l.retry = l.now().Add(retryRotation)
	if err := l.rotate(); err != nil {
		return err
	}
	l.retry = time.Time{}
	return nil
}

// rotate closes the file before it is renamed, which Windows wants. Both mutexes are held.
func (l *Log) rotate() error {
	if l.tip.size == 0 {
		return nil
	}
	if l.moved() {
		return l.reopen()
	}
	name := rotatedName(l.opts.Path, l.born, l.origin.sequence+1)
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("rotating audit log: %s is in the way: move it elsewhere", name)
	}
	if err := l.retire(); err != nil {
		return fmt.Errorf("rotating audit log: %w", err)
	}
	if err := os.Rename(l.opts.Path, name); err != nil {
		return fmt.Errorf("rotating audit log: %w", err)
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return l.next(filepath.Base(name))
}

// reopen begins a new file where the old one was moved away. Both mutexes are held.
func (l *Log) reopen() error {
	if info, err := os.Stat(l.opts.Path); err == nil && info.Size() > 0 {
		return fmt.Errorf("reopening audit log: another file stands at %s and is not empty: move it elsewhere", l.opts.Path)
	}
	if err := l.retire(); err != nil {
		return fmt.Errorf("reopening audit log: %w", err)
	}
	return l.next(filepath.Base(l.opts.Path))
}

// next begins the next file, whose first record says where it comes from.
func (l *Log) next(before string) error {
	l.before = before
	l.tip.size = 0
	l.durable = l.tip
	if err := l.prepare(); err != nil {
		return fmt.Errorf("beginning a new audit file: %w", err)
	}
	return l.flushHeld()
}

// settleNames makes the names of the trail's files durable: a file without one is as lost as its
// content would be.
func (l *Log) settleNames() error {
	if l.opts.Sync == SyncNever {
		return nil
	}
	return syncDir(filepath.Dir(l.opts.Path))
}

// moved tells whether the path no longer leads to the file that is being written.
func (l *Log) moved() bool {
	if l.file == nil {
		return false
	}
	mine, err := l.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(l.opts.Path)
	return err != nil && os.IsNotExist(err) || err == nil && !os.SameFile(mine, there)
}
