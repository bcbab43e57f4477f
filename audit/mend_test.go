package audit

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A complaints box takes what OnError is told.
type complaints struct {
	mu   sync.Mutex
	told []string
}

func (c *complaints) take(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, err.Error())
}

// want wants exactly these so far, by a part of each.
func (c *complaints) want(t *testing.T, parts ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.EqualFunc(c.told, parts, strings.Contains) {
		t.Errorf("told %q, want %q", c.told, parts)
	}
}

// inDirectory opens a log in a directory that the test may take away, with three records in it.
func inDirectory(t *testing.T) (l *Log, dir string, box *complaints) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("what is open can be neither moved nor removed here")
	}
	dir, box = filepath.Join(t.TempDir(), "trail"), new(complaints)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l = openLog(t, Options{Path: filepath.Join(dir, "audit.jsonl"), Sync: SyncAlways, OnError: box.take})
	write(t, l, 3)
	return l, dir, box
}

// refused wants n writes to fail, and the log to say so.
func refused(t *testing.T, l *Log, n int, why string) {
	t.Helper()
	for range n {
		if err := l.Write(decision()); err == nil || !strings.Contains(err.Error(), why) {
			t.Fatalf("got %v, want %q", err, why)
		}
	}
	if err := l.Ready(); err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("readiness is %v, want %q", err, why)
	}
}

// told gives what the lifecycle records of a trail tell, "" for the others.
func told(t *testing.T, path string) (list []string) {
	t.Helper()
	for _, r := range records(t, path) {
		list = append(list, r.Sepproxy.Lifecycle)
	}
	return list
}

// wantMissing wants a trail to verify but for these records, which are in no file.
func wantMissing(t *testing.T, path string, before uint64) {
	t.Helper()
	result, err := VerifyTrail(t.Context(), path)
	if err != nil || len(result.Problems) != 1 || result.MissingBefore != before {
		t.Errorf("got %+v, %v, want records before %d to be missing and nothing else", result, err, before)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// Nothing may be written into a file that nobody can ever read.
func TestDirectoryRemoved(t *testing.T) {
	l, dir, box := inDirectory(t)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	refused(t, l, 4, "does not exist: create it")
	box.want(t, "removed while it was written, with records 1 to 3")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := l.Ready(); err != nil {
		t.Error(err)
	}
	write(t, l, 1)
	if got := told(t, l.opts.Path); !slices.Equal(got, []string{LifecycleAuditRotated, LifecycleAuditResumed, ""}) {
		t.Errorf("the new file tells %q", got)
	}
	if r := records(t, l.opts.Path)[1].Sepproxy.Resumed; r.Unrecorded != 4 {
		t.Errorf("resumed %+v, want 4 unrecorded", r)
	}
	wantMissing(t, l.opts.Path, 4)
	if second, err := Open(Options{Path: l.opts.Path}); err == nil {
		second.Close()
		t.Error("the lock went with the old directory: a second process got in")
	}
}

func TestFileRemoved(t *testing.T) {
	l, _, box := inDirectory(t)
	if err := os.Remove(l.opts.Path); err != nil {
		t.Fatal(err)
	}
	write(t, l, 2)
	box.want(t, "removed while it was written")
	if got := told(t, l.opts.Path); !slices.Equal(got, []string{LifecycleAuditRotated, "", ""}) {
		t.Errorf("the new file tells %q", got)
	}
	wantMissing(t, l.opts.Path, 4)
}

// A directory that was moved still holds the file. What is written goes there until it is noticed.
func TestDirectoryMovedAwayAndBack(t *testing.T) {
	l, dir, box := inDirectory(t)
	rename(t, dir, dir+".away")
	write(t, l, 2)
	l.lookAround()
	write(t, l, 2)
	box.want(t) // somebody may be about to call Reopen
	l.lookAround()
	box.want(t, "moved away")
	refused(t, l, 3, "does not exist: create it")
	rename(t, dir+".away", dir)
	write(t, l, 1)
	if got := told(t, l.opts.Path); !slices.Equal(got, []string{"", "", "", "", "", "", "", LifecycleAuditResumed, ""}) {
		t.Errorf("the trail tells %q", got)
	}
	mustVerify(t, l.opts.Path)
}

func TestFileMovedAwayAndNobodySaidSo(t *testing.T) {
	l, _, box := inDirectory(t)
	rename(t, l.opts.Path, l.opts.Path+".1")
	l.lookAround()
	write(t, l, 1)
	l.lookAround()
	box.want(t, "a new one is begun")
	write(t, l, 1)
	l.lookAround()
	l.lookAround()
	box.want(t, "a new one is begun")
	if got := mustVerify(t, l.opts.Path); got.Files != 2 || got.Records != 6 {
		t.Errorf("verified %+v", got)
	}
}

// brokenFor makes every write and truncation of a log fail until it opens its file again.
func brokenFor(t *testing.T, l *Log) {
	t.Helper()
	d := onDisk(l)
	d.set(func(d *disk) { d.room, d.stuck, d.syncErr = 0, true, errDisk })
	l.open = func(string) (file, error) { return nil, errDisk }
	refused(t, l, 2, errDisk.Error())
}

// A file system that shut itself down gives its files back only to who opens them anew.
func TestFileThatCannotBeMendedIsOpenedAgain(t *testing.T) {
	for _, mode := range []SyncMode{SyncAlways, SyncInterval, SyncNever} {
		t.Run(string(mode), func(t *testing.T) {
			l := openLog(t, Options{Path: trailPath(t), Sync: mode, OnError: func(error) {}})
			write(t, l, 3)
			brokenFor(t, l)
			l.open = openFile
			write(t, l, 1)
			all := records(t, l.opts.Path)
			if len(all) != 5 || all[3].Sepproxy.Resumed == nil || all[3].Sepproxy.Resumed.Unrecorded != 2 {
				t.Errorf("%d records, want three, the resumption, one", len(all))
			}
			mustVerify(t, l.opts.Path)
		})
	}
}

func TestAnotherProcessMayGoOnWhereOneGaveUp(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t), Sync: SyncAlways})
	write(t, l, 3)
	brokenFor(t, l)
	other := openLog(t, Options{Path: l.opts.Path})
	write(t, other, 2)
	l.open = openFile
	if err := l.Write(decision()); err == nil || !strings.Contains(err.Error(), "writes this trail already") {
		t.Errorf("two write one trail: %v", err)
	}
	writeStop(t, other)
	write(t, l, 1)
	want := []string{"", "", "", LifecycleAuditResumed, "", "", LifecycleStop, LifecycleAuditResumed, ""}
	if got := told(t, l.opts.Path); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	mustVerify(t, l.opts.Path)
}

func TestWhatAFileLostWhileItWasBrokenShows(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t), Sync: SyncInterval, OnError: func(error) {}})
	write(t, l, 5)
	brokenFor(t, l)
	lines := readLines(t, l.opts.Path)
	writeFile(t, l.opts.Path, lines[0], lines[1], lines[2][:100])
	l.open = openFile
	write(t, l, 1)
	result, err := VerifyTrail(t.Context(), l.opts.Path)
	if err != nil || len(result.Problems) != 1 || !strings.Contains(result.Problems[0].Message, "records 3 to 5 are missing") {
		t.Errorf("got %v, %v", result.Problems, err)
	}
	writeFile(t, l.opts.Path, "somebody's\n")
	brokenFor(t, l)
	l.open = openFile
	if l.Write(decision()) == nil {
		t.Error("a record was written into another's file")
	}
}
