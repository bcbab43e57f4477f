package audit

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// acquire takes the trail's lock. The lock file stays behind when it is given up: removing it would
// let two processes hold "the" lock at once.
func (l *Log) acquire() error {
	path := l.opts.Path + ".lock"
	lock := flock.New(path, flock.SetPermissions(filePerm), flock.SetFlag(os.O_CREATE|os.O_RDWR))
	got, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("locking the trail: %w", err)
	}
	if !got {
		return fmt.Errorf("%s writes this trail already (it holds %s): stop it, or give this one a path of its own", holder(path), path)
	}
	l.lock = lock
	// For whoever is refused; without it they still are.
	_ = os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), filePerm)
	return nil
}

func holder(path string) string {
	text, err := os.ReadFile(path)
	if pid, bad := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && bad == nil {
		return fmt.Sprintf("process %d", pid)
	}
	return "another process"
}

// ensureLock takes the lock if it was given up, or went away with its directory. mu is held.
func (l *Log) ensureLock() error {
	if l.lock != nil {
		mine, err1 := l.lock.Stat()
		there, err2 := os.Stat(l.lock.Path())
		if err1 == nil && err2 == nil && os.SameFile(mine, there) {
			return nil
		}
	}
	return errors.Join(l.release(), l.acquire())
}

func (l *Log) release() error {
	if l.lock == nil {
		return nil
	}
	lock := l.lock
	l.lock = nil
	return lock.Close()
}
