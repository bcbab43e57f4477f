package policy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	settleTime = 100 * time.Millisecond // without another event: the files are written
	settleMost = time.Second            // and with events that do not end
	recheck    = time.Minute            // for file systems that send no events, such as NFS
)

// Watch follows the policy file and the catalog files it names, and reloads when their content
// changes, however it comes about: written in place, renamed over, removed and made anew,
// reached through symbolic links that are swapped, or in a directory that does not exist yet.
// It returns nil when ctx ends; an error means that it could not begin. Call it once.
func (s *Store) Watch(ctx context.Context) error {
	if s.path == "" {
		<-ctx.Done()
		return nil
	}
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching the policy file: %w", err)
	}
	defer notify.Close()
	w := watcher{store: s, notify: notify}
	w.run(ctx)
	return nil
}

// A watcher watches directories, not files: files are replaced, and with them what watches them.
type watcher struct {
	store  *Store
	notify *fsnotify.Watcher
	dirs   map[string]bool // that are watched
	names  map[string]bool // the paths whose events matter
}

func (w *watcher) run(ctx context.Context) {
	settled := time.NewTimer(0) // at once: the files may have changed since they were loaded
	defer settled.Stop()
	regularly := time.NewTicker(recheck)
	defer regularly.Stop()
	var first time.Time // event since the last check; zero: none
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-w.notify.Events:
			if !w.names[filepath.Clean(event.Name)] {
				continue
			}
		case err := <-w.notify.Errors: // events may be lost, so this is one
			w.log(err)
		case <-settled.C:
			first = time.Time{}
			w.check()
			continue
		case <-regularly.C:
			w.check()
			continue
		}
		if first.IsZero() {
			first = time.Now()
		}
		settled.Reset(min(settleTime, time.Until(first.Add(settleMost))))
	}
}

// check reloads after it has begun to watch, so that a change is either read or makes an event.
// A reload can name another catalog file, and then there is more to watch.
func (w *watcher) check() {
	w.follow()
	for more := true; more; more = w.follow() {
		w.store.check()
	}
}

// follow watches what is on the way to the files, and nothing else. It tells whether that is
// more than before.
func (w *watcher) follow() (more bool) {
	t := newTrail()
	for _, file := range w.store.paths() {
		if err := t.walk(file); err != nil {
			w.log(err)
		}
	}
	for dir := range w.dirs {
		if !t.dirs[dir] {
			_ = w.notify.Remove(dir) // it may be gone already
		}
	}
	for dir := range t.dirs {
		// Again for those that are watched: another directory may have got the name.
		if err := w.notify.Add(dir); err != nil {
			w.log(fmt.Errorf("watching %s: %w", dir, err))
		}
		more = more || !w.dirs[dir]
	}
	w.dirs, w.names = t.dirs, t.names
	return more
}

func (w *watcher) log(err error) {
	if w.store.opts.Log != nil {
		w.store.opts.Log(err)
	}
}

// A trail is what decides where paths lead.
type trail struct {
	dirs  map[string]bool // that hold a link on the way, the file, or the first thing missing
	names map[string]bool // every path that is looked at on the way
}

func newTrail() trail { return trail{dirs: map[string]bool{}, names: map[string]bool{}} }

// mostLinks is how many symbolic links a path may go through, as in Linux.
const mostLinks = 40

// walk follows path as the system does, link by link.
func (t *trail) walk(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("watching %s: %w", path, err)
	}
	dir, todo := split(path)
	for links := 0; len(todo) > 0; {
		next := filepath.Join(dir, todo[0])
		todo = todo[1:]
		t.names[next] = true
		info, err := os.Lstat(next)
		switch {
		case err != nil: // it will appear in dir, if anywhere
			t.dirs[dir] = true
			return nil
		case info.Mode()&os.ModeSymlink != 0:
			t.dirs[dir] = true
			target, err := os.Readlink(next)
			if links++; err != nil || links > mostLinks {
				return nil // whoever reads the file will say so
			}
			root, steps := split(target)
			if root != "" {
				dir = root
			}
			todo = append(steps, todo...)
		case len(todo) == 0:
			t.dirs[dir] = true
		default:
			dir = next
		}
	}
	return nil
}

// split gives the root of a path, "" for a relative one, and its steps.
func split(path string) (root string, steps []string) {
	root = filepath.VolumeName(path)
	path = path[len(root):]
	if strings.HasPrefix(path, string(filepath.Separator)) {
		root += string(filepath.Separator)
	}
	return root, strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
}
