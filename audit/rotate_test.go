package audit

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRotationBySize(t *testing.T) {
	clock := newClock()
	l := openLog(t, Options{Path: trailPath(t), Now: clock.Now, Rotate: Rotate{Size: 1500}})
	for range 9 {
		clock.advance(time.Second)
		write(t, l, 1)
	}
	want := []string{
		"audit-20261123T145502Z-000000000001.jsonl",
		"audit-20261123T145504Z-000000000003.jsonl",
		"audit-20261123T145506Z-000000000006.jsonl",
		"audit-20261123T145508Z-000000000009.jsonl",
		"audit.jsonl",
	}
	if got := names(t, l.opts.Path); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := mustVerify(t, l.opts.Path); got.Records != 9+4 || got.Files != 5 {
		t.Errorf("verified %+v", got)
	}
}

func TestRotationByAge(t *testing.T) {
	clock := newClock()
	l := openLog(t, Options{Path: trailPath(t), Now: clock.Now, Rotate: Rotate{Every: time.Hour}})
	write(t, l, 1)
	clock.advance(time.Hour - 1)
	write(t, l, 1)
	if got := names(t, l.opts.Path); len(got) != 1 {
		t.Fatalf("rotated too early: %q", got)
	}
	clock.advance(1)
	write(t, l, 1)
	if got := names(t, l.opts.Path); len(got) != 2 {
		t.Fatalf("not rotated after an hour: %q", got)
	}
	mustVerify(t, l.opts.Path)
}

func TestEachFileSaysWhereItComesFrom(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t)})
	write(t, l, 2)
	if err := l.Rotate(); err != nil {
		t.Fatal(err)
	}
	write(t, l, 1)
	files, err := Files(l.opts.Path)
	if err != nil || len(files) != 2 {
		t.Fatalf("got %q, %v", files, err)
	}
	all := records(t, l.opts.Path)
	want := &Previous{File: filepath.Base(files[0]), Sequence: 2, Chain: all[1].Chain}
	if got := all[2].Sepproxy; got.Lifecycle != LifecycleAuditRotated || !reflect.DeepEqual(got.Previous, want) {
		t.Errorf("got %+v, want %+v", got.Previous, want)
	}
	alone, err := Verify(context.Background(), files[1:])
	if err != nil || !alone.OK() || alone.MissingBefore != 3 {
		t.Errorf("the second file alone: %+v, %v", alone, err)
	}
}

func TestRotationThatFailsLosesNothing(t *testing.T) {
	clock := newClock()
	var told []error
	l := openLog(t, Options{Path: trailPath(t), Now: clock.Now, Rotate: Rotate{Size: 600}, OnError: func(err error) { told = append(told, err) }})
	inTheWay := rotatedName(l.opts.Path, clock.Now(), 1)
	writeFile(t, inTheWay, "")
	write(t, l, 5)
	if len(told) != 1 {
		t.Errorf("told %v, want one error until a minute has passed", told)
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	clock.advance(retryRotation)
	write(t, l, 1)
	if len(told) != 1 || len(names(t, l.opts.Path)) != 2 {
		t.Errorf("told %v, files %q, want it rotated now", told, names(t, l.opts.Path))
	}
	mustVerify(t, l.opts.Path)
}

func TestNewFileThatCannotBeOpenedIsTriedAgain(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t)})
	write(t, l, 2)
	l.open = func(string) (file, error) { return nil, errDisk }
	if err := l.Rotate(); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	if err := l.Write(decision()); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	l.open = openFile
	write(t, l, 1)
	all := records(t, l.opts.Path)
	var told []string
	for _, r := range all {
		told = append(told, r.Sepproxy.Lifecycle)
	}
	if want := []string{"", "", LifecycleAuditRotated, LifecycleAuditResumed, ""}; !slices.Equal(told, want) {
		t.Errorf("got %q, want %q", told, want)
	}
	mustVerify(t, l.opts.Path)
}

func TestCompressionOneRotationLate(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t), Rotate: Rotate{Compress: true}})
	for range 3 {
		write(t, l, 2)
		if err := l.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "two compressed files", func() bool {
		var kinds []string
		for _, name := range names(t, l.opts.Path) {
			kinds = append(kinds, filepath.Ext(name))
		}
		return slices.Equal(kinds, []string{".gz", ".gz", ".jsonl", ".jsonl"})
	})
	if got := mustVerify(t, l.opts.Path); got.Files != 4 || got.Records != 6+3 {
		t.Errorf("verified %+v", got)
	}
}

func TestCompressionCutShortLosesNothing(t *testing.T) {
	path := trailPath(t)
	l := openLog(t, Options{Path: path})
	write(t, l, 2)
	if err := l.Rotate(); err != nil {
		t.Fatal(err)
	}
	write(t, l, 1)
	writeStop(t, l)
	rotatedPath := names(t, path)[0]
	full := filepath.Join(filepath.Dir(path), rotatedPath)

	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if err := compressFile(gone, full); !errors.Is(err, context.Canceled) || exists(full+tempSuffix) {
		t.Errorf("cancelled: %v, and the half file is there: %v", err, exists(full+tempSuffix))
	}
	// Killed while it wrote, and killed before it removed the plain file.
	writeFile(t, full+tempSuffix, "half")
	if err := writeGzip(context.Background(), full, full+gzipSuffix); err != nil {
		t.Fatal(err)
	}
	again := openLog(t, Options{Path: path})
	write(t, again, 1)
	if exists(full + tempSuffix) {
		t.Error("the half file is still there")
	}
	files, err := Files(path)
	if err != nil || len(files) != 2 {
		t.Errorf("files %q, %v: the copy counts as well", files, err)
	}
	result, err := Verify(context.Background(), append(files, full+gzipSuffix, full))
	if err != nil || !result.OK() || result.Files != 2 {
		t.Errorf("with copies: %+v, %v", result, err)
	}
}

func TestRetentionByAge(t *testing.T) {
	clock := newClock()
	l := openLog(t, Options{Path: trailPath(t), Now: clock.Now, Rotate: Rotate{Every: 24 * time.Hour, Keep: 72 * time.Hour}})
	for range 7 {
		write(t, l, 2)
		clock.advance(24 * time.Hour)
	}
	write(t, l, 1)
	eventually(t, "removal of the oldest files", func() bool { return strings.HasPrefix(names(t, l.opts.Path)[0], "audit-20261127T") })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	mustVerify(t, l.opts.Path) // audit_deleted explains the missing beginning
	deletedRecord(t, l.opts.Path)
}

func TestRetentionByTotal(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t), Rotate: Rotate{Size: 1500, MaxTotal: 4000, Compress: true}})
	write(t, l, 60)
	eventually(t, "few bytes", func() bool {
		files, err := rotatedFiles(l.opts.Path)
		var total int64
		for _, f := range files {
			total += f.size
		}
		return err == nil && total <= 4000
	})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := mustVerify(t, l.opts.Path); got.First == 1 {
		t.Error("nothing is gone")
	}
	deletedRecord(t, l.opts.Path)
}

// deletedRecord checks what the trail says of what is no longer there.
func deletedRecord(t *testing.T, path string) {
	t.Helper()
	all := records(t, path)
	i := slices.IndexFunc(all, func(r *Record) bool { return r.Sepproxy.Lifecycle == LifecycleAuditDeleted })
	if i < 0 {
		t.Fatal("no audit_deleted")
	}
	d := all[i].Sepproxy.Deleted
	if d.First == 0 || d.Last < d.First || len(d.Files) == 0 || !isLink([]byte(d.Chain)) {
		t.Errorf("deleted %+v", d)
	}
}

func TestRemovalThatNobodyRecordedIsFound(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t)})
	for range 3 {
		write(t, l, 2)
		if err := l.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Files(l.opts.Path)
	if err != nil || os.Remove(files[0]) != nil {
		t.Fatal(err)
	}
	if got, err := Verify(context.Background(), files[1:]); err != nil || got.MissingBefore != 3 {
		t.Errorf("the first file is gone: %+v, %v", got, err)
	}
	if got, err := Verify(context.Background(), []string{files[1], files[3]}); err != nil || got.OK() {
		t.Errorf("a file between is gone: %+v, %v", got, err)
	}
}

func TestExpired(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }
	files := []rotated{{born: day(1), size: 10}, {born: day(2), size: 20}, {born: day(3), size: 30}}
	for _, c := range []struct {
		name   string
		rotate Rotate
		want   int
	}{
		{"nothing set", Rotate{}, 0},
		{"a file is as old as its last record", Rotate{Keep: 8 * 24 * time.Hour}, 0},
		{"the oldest", Rotate{Keep: 8*24*time.Hour - 1}, 1},
		{"all", Rotate{Keep: time.Hour}, 3},
		{"as much as may be", Rotate{MaxTotal: 60}, 0},
		{"a byte too much", Rotate{MaxTotal: 59}, 1},
		{"more than the first", Rotate{MaxTotal: 49}, 2},
	} {
		if got := len(expired(files, c.rotate, day(4), day(10))); got != c.want {
			t.Errorf("%s: %d files go, want %d", c.name, got, c.want)
		}
	}
}

func TestReopenAfterLogrotate(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t)})
	write(t, l, 2)
	if err := l.Reopen(); err != nil || len(records(t, l.opts.Path)) != 2 {
		t.Fatalf("nothing was moved, and yet: %v", err)
	}
	if err := os.Rename(l.opts.Path, l.opts.Path+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, l, 1) // still into the old one
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(t, l, 1)
	if got := names(t, l.opts.Path); !slices.Equal(got, []string{"audit.jsonl", "audit.jsonl.1"}) {
		t.Fatalf("files %q", got)
	}
	if got := mustVerify(t, l.opts.Path); got.Records != 5 || got.Files != 2 {
		t.Errorf("verified %+v", got)
	}
}

func TestReopenDoesNotWriteIntoAnothersFile(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t)})
	write(t, l, 1)
	moved := l.opts.Path + ".1"
	if err := os.Rename(l.opts.Path, moved); err != nil {
		t.Fatal(err)
	}
	writeFile(t, l.opts.Path, "milk\n")
	if err := l.Reopen(); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("got %v", err)
	}
	write(t, l, 1)
	if n := len(readLines(t, moved)); n != 2 {
		t.Errorf("%d lines in the moved file, want the trail to go on there", n)
	}
}

// After a reopen that failed, what stands at the path when it can be opened again is this trail or
// somebody's: neither is emptied.
func TestWhatIsThereAfterAFailedReopenIsKept(t *testing.T) {
	begin := func(t *testing.T) (l *Log, dir string) {
		dir = filepath.Join(t.TempDir(), "trail")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		l = openLog(t, Options{Path: filepath.Join(dir, "audit.jsonl"), Sync: SyncAlways})
		write(t, l, 3)
		if err := os.Rename(dir, dir+".away"); err != nil {
			t.Fatal(err)
		}
		if err := l.Reopen(); err == nil {
			t.Fatal("reopened in a directory that is not there")
		}
		if l.Write(decision()) == nil || l.Ready() == nil {
			t.Fatal("a record was written though there is no directory")
		}
		return l, dir
	}
	t.Run("the trail comes back", func(t *testing.T) {
		l, dir := begin(t)
		if err := os.Rename(dir+".away", dir); err != nil {
			t.Fatal(err)
		}
		if err := l.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		write(t, l, 1)
		all := records(t, l.opts.Path)
		if len(all) != 5 || all[3].Sepproxy.Lifecycle != LifecycleAuditResumed || all[3].Sepproxy.Resumed.Unrecorded != 1 {
			t.Errorf("%d records, want the three, one of what is missing, one more", len(all))
		}
		mustVerify(t, l.opts.Path)
	})
	t.Run("another's file is there", func(t *testing.T) {
		l, dir := begin(t)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, l.opts.Path, `{"milk":1}`)
		if l.Write(decision()) == nil {
			t.Error("a record was written into another's file")
		}
		if got := readLines(t, l.opts.Path); len(got) != 1 || !strings.Contains(got[0], "milk") {
			t.Errorf("the file now holds %q", got)
		}
	})
}

func TestWhichNamesBelongToATrail(t *testing.T) {
	path := trailPath(t)
	for _, name := range []string{
		"audit-20261123T145502Z-000000000001.jsonl", "audit-20261123T145502Z-000000000002.jsonl.gz",
		"audit.jsonl.1", "audit.jsonl.2.gz", "audit.jsonl-20261123", "audit-20261123.jsonl", "audit.jsonl",
	} {
		writeFile(t, filepath.Join(filepath.Dir(path), name))
	}
	ours := len(names(t, path))
	for _, name := range []string{
		"audit-east.jsonl", "audit-east-20261123T145502Z-000000000001.jsonl", "audit.jsonl.torn-20261123T145502.000000000Z",
		"audit-20261123T145502Z-000000000003.jsonl.gz.tmp", "other.jsonl", "audit.jsonl.lock", "audit.jsonl.bak",
	} {
		writeFile(t, filepath.Join(filepath.Dir(path), name))
	}
	files, err := Files(path)
	if err != nil || len(files) != ours {
		t.Errorf("got %d files of %d: %q, %v", len(files), ours, files, err)
	}
}

func TestFilesOfNoTrail(t *testing.T) {
	if _, err := Files(trailPath(t)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
