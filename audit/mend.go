package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// tend puts the file in order before a record is written: it lets go of one that could not be mended,
// notices one that was removed, and rotates. What goes wrong is reported, not returned: perhaps a
// record can be written nevertheless, and if not, writing it tells.
func (l *Log) tend() {
	l.mu.Lock()
	needed := !l.closed && (l.unfit() || l.removed() || l.due())
	l.mu.Unlock()
	if !needed {
		return
	}
	l.report(l.exclusively(func() error {
		switch { // somebody else may have been faster
		case l.unfit():
			l.letGo()
		case l.removed():
			return l.leave()
		case l.due():
			return l.rotateDue()
		}
		return nil
	}))
}

// unfit tells whether something stands behind tip that could not be cut off. mu is held.
func (l *Log) unfit() bool { return l.dirty && l.file != nil && !l.toStdout() }

// letGo closes a file that cannot be mended, and gives up the lock beside it: while they are open,
// a file system that shut itself down cannot be repaired. The next write opens both again. Both
// mutexes are held.
func (l *Log) letGo() {
	_ = l.flushHeld() // who waits for the disk is told how it went
	_ = l.closeFile()
	_ = l.release()
}

// removed tells whether the file has no name any more: what is written to it would be gone with the
// process. A file that was only moved has one. mu is held.
func (l *Log) removed() bool {
	if l.file == nil || l.toStdout() {
		return false
	}
	info, err := l.file.Stat()
	return err == nil && nameless(info)
}

// leave gives up a file that was removed; the next write begins a new one. Both mutexes are held.
func (l *Log) leave() error {
	l.letGo()
	l.beginAnew()
	return fmt.Errorf("the audit file was removed while it was written, with records %d to %d in it: the trail goes on in a new file",
		l.origin.sequence+1, l.tip.sequence)
}

// beginAnew makes the next file follow the current one, if that has come to hold anything. mu is held.
func (l *Log) beginAnew() {
	if l.tip.size > 0 {
		l.before = filepath.Base(l.opts.Path)
	}
	l.tip.size = 0
	l.durable = l.tip
}

// mend opens the file if none is open and cuts off what stands in it behind tip. mu is held.
func (l *Log) mend() error {
	if l.file == nil {
		if err := l.reconnect(); err != nil {
			return err
		}
	}
	if !l.dirty {
		return nil
	}
	// Somebody may have emptied the file; cutting it "back" would then fill it with zeros.
	if info, err := l.file.Stat(); err == nil && info.Size() < l.tip.size {
		l.tip.size = max(0, info.Size()-l.half)
	}
	if err := l.file.Truncate(l.tip.size); err != nil {
		return err
	}
	l.dirty, l.half = false, 0
	return nil
}

// reconnect opens the current file, under the lock; where that fails, neither is held. mu is held.
func (l *Log) reconnect() error {
	if err := checkPlace(l.opts.Path); err != nil {
		return errors.Join(err, l.release())
	}
	if err := l.ensureLock(); err != nil {
		return err
	}
	f, err := l.open(l.opts.Path)
	if err != nil {
		return errors.Join(err, l.release())
	}
	if err := l.rejoin(f); err != nil {
		return errors.Join(err, f.Close(), l.release())
	}
	l.file, l.dirty, l.half = f, true, 0
	return nil
}

// rejoin finds where the trail goes on in a file just opened. That may be a new one, or the end of this
// trail, as it was left or in a directory that was away for a while. Anything else is somebody's, and
// is left alone. mu is held.
func (l *Log) rejoin(opened file) error {
	info, err := opened.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		l.beginAnew()
		return l.settleNames()
	}
	f, err := os.Open(l.opts.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := l.findTip(f, info.Size()); err != nil || l.opts.Sync == SyncNever {
		return err
	}
	return opened.Sync() // durable is tip now
}

// findTip finds where the trail ends in a file that is size bytes long. If it lost its end while
// nobody had it open, the trail goes on behind what is left, and the gap in it shows. If it grew,
// another process had the lock meanwhile, and the trail goes on behind its records. mu is held.
func (l *Log) findTip(f *os.File, size int64) error {
	e, err := findEnd(f)
	if err != nil {
		return err
	}
	switch {
	case e.last == nil:
		return l.notOurs()
	case l.tip.size == 0: // the file that was to be begun anew is back
		if e.last.Event.Sequence != l.tip.sequence || e.chain != l.tip.chain {
			return l.notOurs()
		}
	case l.tip.size <= size:
		mine, err := findEndWithin(f, l.tip.size)
		if err != nil || mine.torn > 0 || mine.chain != l.tip.chain {
			return l.notOurs()
		}
		l.tip.sequence, l.tip.chain = e.last.Event.Sequence, e.chain
	case !l.beginsHere(e.last):
		return l.notOurs()
	}
	l.tip.size = e.size
	l.durable = l.tip
	return l.findFirst(l.opts.Path)
}

func (l *Log) notOurs() error {
	return fmt.Errorf("another file stands at %s and is not empty: move it elsewhere", l.opts.Path)
}

// beginsHere tells whether the file at the path, which now ends with last, began as the current one
// did. mu is held.
func (l *Log) beginsHere(last *Record) bool {
	r, err := firstRecord(l.opts.Path)
	if err != nil || last.Event.Sequence > l.tip.sequence {
		return false
	}
	chain, sequence, ok := anchor(r)
	return ok && chain == l.origin.chain && sequence == l.origin.sequence && r.Time.Equal(l.born)
}

// lookAround does what must not wait for the next record.
func (l *Log) lookAround() {
	l.tend()
	if err := l.exclusively(l.follow); !errors.Is(err, ErrClosed) {
		l.report(err)
	}
}

// Stages of a file that was moved away.
const (
	inPlace = iota
	astray  // just seen: whoever moved it may be about to call Reopen
	given   // nobody did
)

// follow begins a new file where the current one was moved away and nobody called Reopen for a while:
// it may be on a file system that is no longer mounted. Both mutexes are held.
func (l *Log) follow() error {
	switch {
	case !l.moved():
		l.place = inPlace
	case l.place == inPlace:
		l.place = astray
	case l.place == astray:
		l.place = given
		if err := l.reopen(); err != nil {
			return fmt.Errorf("the audit file was moved away: %w", err)
		}
		return fmt.Errorf("the audit file was moved away and nothing said so: a new one is begun at %s", l.opts.Path)
	}
	return nil
}
