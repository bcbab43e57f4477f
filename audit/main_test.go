package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// holdTrail makes a second process of the test binary open the trail at this path and say so.
const holdTrail = "SEPPROXY_TEST_HOLD_TRAIL"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdTrail); path != "" {
		os.Exit(hold(path))
	}
	if path := os.Getenv(loadTrail); path != "" {
		os.Exit(load(path))
	}
	goleak.VerifyTestMain(m)
}

// A clock only moves when told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 23, 14, 55, 1, 123456789, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func trailPath(t *testing.T) string { return filepath.Join(t.TempDir(), "audit.jsonl") }

// openLog opens a log that the test closes at its end; what goes wrong in the background fails it.
func openLog(t *testing.T, o Options) *Log {
	t.Helper()
	if o.OnError == nil {
		o.OnError = func(err error) { t.Errorf("in the background: %v", err) }
	}
	if o.Hostname == "" {
		o.Hostname = "proxy-1"
	}
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func decision() *Record {
	documented := true
	return &Record{
		Event:       Event{Category: []string{"network"}, Action: ActionDecision, Type: []string{"connection", "start", "allowed"}, Reason: "catalog"},
		Transaction: &Transaction{ID: "0199aaaa-0000-7000-8000-000000000001"},
		Source:      &Endpoint{IP: "10.0.0.7", Port: 51034},
		HTTP:        &HTTP{Request: &HTTPRequest{Method: "CONNECT"}},
		URL:         &URL{Scheme: "https", Domain: "ent-shasta-rrs.symantec.com", Port: 443},
		Rule:        &Rule{Name: "agent.insight", Ruleset: "sep-ses"},
		Sepproxy: Sepproxy{Verdict: "allow", Reason: "catalog", Documented: &documented, Services: []string{"agent.insight"},
			Client: "private", Mode: "enforce", Policy: "3f2a9c01d4e7"},
	}
}

func stopRecord() *Record { return lifecycle(LifecycleStop, "stopped", time.Time{}) }

func write(t *testing.T, l *Log, n int) {
	t.Helper()
	for range n {
		if err := l.Write(decision()); err != nil {
			t.Fatal(err)
		}
	}
}

func writeStop(t *testing.T, l *Log) {
	t.Helper()
	if err := errors.Join(l.Write(stopRecord()), l.Close()); err != nil {
		t.Fatal(err)
	}
}

// makeTrail writes n decisions into a trail of its own, closes it and gives its lines.
func makeTrail(t *testing.T, path, hostname string, n int) []string {
	t.Helper()
	l := openLog(t, Options{Path: path, Hostname: hostname})
	write(t, l, n)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return readLines(t, path)
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
}

func writeFile(t *testing.T, path string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// records reads all files of a trail.
func records(t *testing.T, path string) []*Record {
	t.Helper()
	files, err := Files(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []*Record
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		err = Scan(name, f, func(n int, raw []byte, r *Record) error {
			if r == nil {
				return fmt.Errorf("%s:%d: no record: %q", name, n, raw)
			}
			all = append(all, r)
			return nil
		})
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// mustVerify checks that the trail at path is whole and gives the result.
func mustVerify(t *testing.T, path string) Result {
	t.Helper()
	result, err := VerifyTrail(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range result.Problems {
		t.Errorf("verify: %s", p)
	}
	return result
}

// eventually waits for something that happens in the background.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited too long: %s", what)
		case <-tick.C:
		}
	}
}

func names(t *testing.T, path string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".lock") {
			list = append(list, e.Name())
		}
	}
	return list
}

// A disk fails when told to. It wraps a real file.
type disk struct {
	file
	mu       sync.Mutex
	room     int // bytes that writes may still take; negative: no limit
	stuck    bool
	syncErr  error
	syncs    int
	syncHook func()
}

var errDisk = errors.New("no space left on the toy disk")

func (d *disk) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.room < 0 || len(p) <= d.room {
		return d.file.Write(p)
	}
	n, err := d.file.Write(p[:d.room])
	return n, errors.Join(errDisk, err)
}

func (d *disk) Truncate(size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stuck {
		return errDisk
	}
	return d.file.Truncate(size)
}

func (d *disk) Sync() error {
	d.mu.Lock()
	d.syncs++
	err, hook := d.syncErr, d.syncHook
	d.mu.Unlock()
	if hook != nil {
		hook()
	}
	if err != nil {
		return err
	}
	return d.file.Sync()
}

// reopen is what happens to a file that the log let go of: it is on the same disk again.
func (d *disk) reopen(path string) (file, error) {
	f, err := openFile(path)
	d.set(func(d *disk) { d.file = f })
	return d, err
}

func (d *disk) set(change func(*disk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

// onDisk puts a disk under a log that has written nothing concurrently yet.
func onDisk(l *Log) *disk {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := &disk{file: l.file, room: -1}
	l.file = d
	l.open = d.reopen
	return d
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
