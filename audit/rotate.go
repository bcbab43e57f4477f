package audit

import (
	"errors"
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

// rotateIfDue reports what goes wrong instead of returning it: a record can still be written.
func (l *Log) rotateIfDue() {
	l.mu.Lock()
	due := l.due()
	l.mu.Unlock()
	if !due {
		return
	}
	l.report(l.exclusively(func() error {
		if !l.due() { // somebody else was faster
			return nil
		}
		l.retry = l.now().Add(retryRotation)
		if err := l.rotate(); err != nil {
			return err
		}
		l.retry = time.Time{}
		return nil
	}))
}

// due leaves alone a file that holds nothing but where it comes from. mu is held.
func (l *Log) due() bool {
	if l.toStdout() || l.closed || l.stopped || l.tip.size == 0 || l.tip.sequence == l.origin.sequence+1 {
		return false
	}
	now, r := l.now(), l.opts.Rotate
	large := r.Size > 0 && l.tip.size >= r.Size
	old := r.Every > 0 && now.Sub(l.born) >= r.Every
	return (large || old) && !now.Before(l.retry)
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
	return l.settleFile()
}

// settleFile makes a file just begun, its name included, durable. Both mutexes are held.
func (l *Log) settleFile() error {
	if l.opts.Sync == SyncNever {
		return nil
	}
	return errors.Join(l.flushHeld(), syncDir(filepath.Dir(l.opts.Path)))
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
