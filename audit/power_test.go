package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A machine has files whose content reaches the disk with an fsync and no sooner.
type machine struct {
	mu    sync.Mutex // held: nothing is written, and no fsync is taken note of
	files []*volatile
}

// A volatile is a file of a machine.
type volatile struct {
	file
	on      *machine
	id      fs.FileInfo // for os.SameFile: names change
	written int64
	durable int64
}

func (m *machine) open(path string) (file, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	v := &volatile{file: f, on: m, id: info, written: info.Size()}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files = append(m.files, v)
	return v, nil
}

func (v *volatile) Write(p []byte) (int, error) {
	v.on.mu.Lock()
	defer v.on.mu.Unlock()
	n, err := v.file.Write(p)
	v.written += int64(n)
	return n, err
}

func (v *volatile) Truncate(size int64) error {
	v.on.mu.Lock()
	defer v.on.mu.Unlock()
	v.written, v.durable = size, min(v.durable, size)
	return v.file.Truncate(size)
}

// Sync makes durable what was written when it began.
func (v *volatile) Sync() error {
	v.on.mu.Lock()
	upTo := v.written
	v.on.mu.Unlock()
	if err := v.file.Sync(); err != nil {
		return err
	}
	v.on.mu.Lock()
	defer v.on.mu.Unlock()
	v.durable = max(v.durable, min(upTo, v.written))
	return nil
}

// start opens a log on the machine.
func (m *machine) start(t *testing.T, o Options) *Log {
	t.Helper()
	o.OnError = func(err error) { t.Errorf("in the background: %v", err) }
	l := newLog(o)
	l.open = m.open
	if err := l.begin(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// A loss says what a disk has in the place of bytes that were never fsynced.
type loss func(unsynced []byte) []byte

var losses = map[string]loss{
	"nothing of it": func([]byte) []byte { return nil },
	"the first half": func(b []byte) []byte {
		return b[:len(b)/2]
	},
	"zeros": func(b []byte) []byte { return make([]byte, len(b)) },
	"the second half": func(b []byte) []byte {
		return slices.Concat(make([]byte, len(b)/2), b[len(b)/2:])
	},
}

// cut gives the path of the trail as a machine finds it whose power failed at this moment. meanwhile
// is called while nothing moves; it may be nil.
func (m *machine) cut(t *testing.T, l *Log, lost loss, meanwhile func()) (path string) {
	t.Helper()
	l.mu.Lock() // no rotation while files are copied
	defer l.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if meanwhile != nil {
		meanwhile()
	}
	to := t.TempDir()
	for _, name := range names(t, l.opts.Path) {
		from := filepath.Join(filepath.Dir(l.opts.Path), name)
		info, err1 := os.Stat(from)
		content, err2 := os.ReadFile(from)
		i := slices.IndexFunc(m.files, func(v *volatile) bool { return os.SameFile(v.id, info) })
		if err1 != nil || err2 != nil || i < 0 {
			t.Fatalf("%s: %v, %v, written by the log: %v", name, err1, err2, i >= 0)
		}
		durable := m.files[i].durable
		content = slices.Concat(content[:durable], lost(content[durable:]))
		if err := os.WriteFile(filepath.Join(to, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(to, filepath.Base(l.opts.Path))
}

// identified is a decision that can be found again.
func identified(format string, args ...any) *Record {
	r := decision()
	r.Transaction.ID = fmt.Sprintf(format, args...)
	return r
}

// missing takes up the trail at path as a restart does, verifies it, and gives those of ids that are not in it.
func missing(t *testing.T, path string, ids []string) (lost []string) {
	t.Helper()
	l, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	write(t, l, 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	mustVerify(t, path)
	there := map[string]bool{}
	for _, r := range records(t, path) {
		if r.Transaction != nil {
			there[r.Transaction.ID] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return there[id] })
}

func TestAPowerCutLosesNothingThatWasAnswered(t *testing.T) {
	for name, lost := range losses {
		t.Run(name, func(t *testing.T) {
			m := new(machine)
			l := m.start(t, Options{Path: trailPath(t), Sync: SyncAlways, Rotate: Rotate{Size: 60 << 10}})
			var mu sync.Mutex
			var answered []string
			count := func() int { mu.Lock(); defer mu.Unlock(); return len(answered) }
			stop := make(chan struct{})
			var writers sync.WaitGroup
			defer writers.Wait()
			defer close(stop)
			for w := range 8 {
				writers.Go(func() {
					for n := 0; !done(stop); n++ {
						r := identified("%d-%d", w, n)
						if err := l.Write(r); err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						answered = append(answered, r.Transaction.ID)
						mu.Unlock()
					}
				})
			}
			for range 3 {
				before := count()
				eventually(t, "some more answers", func() bool { return count() > before+50 })
				var ids []string
				path := m.cut(t, l, lost, func() {
					mu.Lock()
					defer mu.Unlock()
					ids = slices.Clone(answered)
				})
				if gone := missing(t, path, ids); len(gone) > 0 {
					t.Errorf("%d of %d were answered and are not in the trail: %q", len(gone), len(ids), gone)
				}
			}
		})
	}
}

func done(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

func TestAPowerCutLosesNoMoreThanTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock goes on when nobody has anything to do
		const interval = time.Second
		m := new(machine)
		l := m.start(t, Options{Path: trailPath(t), Sync: SyncInterval, SyncInterval: interval, Rotate: Rotate{Size: 10 << 10}})
		answered := map[string]time.Time{}
		lostAny := false
		for n := range 35 {
			r := identified("%d", n)
			if err := l.Write(r); err != nil {
				t.Fatal(err)
			}
			answered[r.Transaction.ID] = time.Now()
			time.Sleep(130 * time.Millisecond)
			synctest.Wait()
			var ids []string
			for id, at := range answered {
				if time.Since(at) >= interval {
					ids = append(ids, id)
				}
			}
			path := m.cut(t, l, losses["nothing of it"], nil)
			if gone := missing(t, path, ids); len(gone) > 0 {
				t.Errorf("older than the interval, and lost: %q", gone)
			}
			lostAny = lostAny || len(missing(t, path, []string{r.Transaction.ID})) > 0
		}
		if !lostAny {
			t.Error("nothing was ever lost: this power cut is none")
		}
	})
}

// The machine has to be able to lose something, or the tests above say nothing.
func TestAPowerCutWithoutFsyncLosesEverything(t *testing.T) {
	m := new(machine)
	l := m.start(t, Options{Path: trailPath(t), Sync: SyncNever})
	r := identified("1")
	if err := l.Write(r); err != nil {
		t.Fatal(err)
	}
	if gone := missing(t, m.cut(t, l, losses["nothing of it"], nil), []string{"1"}); len(gone) != 1 {
		t.Error("the record is there, and nobody fsynced it")
	}
	var content bytes.Buffer
	if path := m.cut(t, l, func(b []byte) []byte { content.Write(b); return b }, nil); len(missing(t, path, []string{"1"})) > 0 || content.Len() == 0 {
		t.Error("a crash of the process alone loses it too")
	}
}
