package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestManyWritersOneChain(t *testing.T) {
	for _, mode := range []SyncMode{SyncAlways, SyncInterval, SyncNever} {
		t.Run(string(mode), func(t *testing.T) {
			l := openLog(t, Options{Path: trailPath(t), Sync: mode, SyncInterval: time.Millisecond, Rotate: Rotate{Size: 64 << 10, Compress: true}})
			var writers sync.WaitGroup
			for range 100 {
				writers.Go(func() { write(t, l, 10) })
			}
			writers.Wait()
			stats := l.Stats()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			result := mustVerify(t, l.opts.Path)
			if stats.Records[ActionDecision] != 1000 || result.Records < 1000 || result.Last != stats.Sequence || result.Files < 2 {
				t.Errorf("stats %+v, verified %+v", stats, result)
			}
		})
	}
}

// Records that are written together stand together, one after the other, or none of them does.
func TestSeveralRecordsInOneWrite(t *testing.T) {
	for _, mode := range []SyncMode{SyncAlways, SyncInterval, SyncNever} {
		t.Run(string(mode), func(t *testing.T) {
			l := openLog(t, Options{Path: trailPath(t), Sync: mode})
			d := onDisk(l)
			if err := l.Write(decision(), decision(), decision()); err != nil {
				t.Fatal(err)
			}
			lines, err := os.ReadFile(l.opts.Path)
			if err != nil {
				t.Fatal(err)
			}
			d.set(func(d *disk) { d.room = 2*len(lines)/3 + 10 }) // for two of three and a bit
			if err := l.Write(decision(), decision(), decision()); !errors.Is(err, errDisk) {
				t.Errorf("got %v", err)
			}
			if left, err := os.ReadFile(l.opts.Path); err != nil || !bytes.Equal(left, lines) {
				t.Errorf("%d bytes are in the file, want the %d before, %v", len(left), len(lines), err)
			}
			d.set(func(d *disk) { d.room = -1 })
			write(t, l, 1)
			if s := l.Stats(); s.Unrecorded != 3 || s.Errors != 3 || s.Records[ActionDecision] != 4 {
				t.Errorf("stats %+v", s)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if r := mustVerify(t, l.opts.Path); r.Records != 5 { // one tells of those that are missing
				t.Errorf("verified %+v", r)
			}
		})
	}
}

func TestOneFsyncForManyWriters(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t), Sync: SyncAlways})
	d := onDisk(l)
	const writers = 20
	// The first fsync takes as long as the others need to write their lines.
	var once sync.Once
	d.syncHook = func() {
		once.Do(func() { eventually(t, "the others' lines", func() bool { return l.Stats().Sequence == writers }) })
	}
	var all sync.WaitGroup
	for range writers {
		all.Go(func() { write(t, l, 1) })
	}
	all.Wait()
	d.set(func(d *disk) {
		if d.syncs < 2 || d.syncs > 3 {
			t.Errorf("%d fsyncs for %d writers, want one for the first and one for all others", d.syncs, writers)
		}
	})
	mustVerify(t, l.opts.Path)
}

func TestFailedFsyncFailsEveryWriteItWasFor(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t), Sync: SyncAlways})
	write(t, l, 3)
	d := onDisk(l)
	d.syncErr = errDisk
	for range 2 {
		if err := l.Write(decision()); !errors.Is(err, errDisk) {
			t.Fatalf("got %v, want the fsync's error", err)
		}
	}
	if n := len(readLines(t, l.opts.Path)); n != 3 {
		t.Errorf("%d lines, want the 3 that are durable", n)
	}
	d.set(func(d *disk) { d.syncErr = nil })
	write(t, l, 1)
	all := records(t, l.opts.Path)
	if r := all[3].Sepproxy.Resumed; len(all) != 5 || r == nil || r.Unrecorded != 2 {
		t.Errorf("after the disk came back: %d records, resumed %+v", len(all), r)
	}
	mustVerify(t, l.opts.Path)
}

func TestFullDisk(t *testing.T) {
	for name, room := range map[string]int{"not a byte": 0, "half a line": 100} {
		t.Run(name, func(t *testing.T) {
			l := openLog(t, Options{Path: trailPath(t)})
			write(t, l, 2)
			d := onDisk(l)
			d.set(func(d *disk) { d.room = room })
			for range 3 {
				if err := l.Write(decision()); !errors.Is(err, errDisk) {
					t.Fatalf("got %v, want the disk's error", err)
				}
				mustVerify(t, l.opts.Path) // nothing half stays
			}
			d.set(func(d *disk) { d.room = -1 })
			write(t, l, 2)
			all := records(t, l.opts.Path)
			if len(all) != 5 || all[2].Sepproxy.Lifecycle != LifecycleAuditResumed || all[2].Sepproxy.Resumed.Unrecorded != 3 {
				t.Errorf("got %d records, the third %+v", len(all), all[2].Sepproxy)
			}
			if s := l.Stats(); s.Errors != 3 || s.Unrecorded != 3 || s.Sequence != 5 || s.Records[ActionDecision] != 4 || s.Records[ActionLifecycle] != 1 {
				t.Errorf("stats %+v", s)
			}
			mustVerify(t, l.opts.Path)
		})
	}
}

func TestHalfLineThatCannotBeCutOffKeepsTheLogFailed(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t)})
	write(t, l, 1)
	d := onDisk(l)
	d.set(func(d *disk) { d.room, d.stuck = 50, true })
	for range 2 {
		if err := l.Write(decision()); !errors.Is(err, errDisk) {
			t.Fatalf("got %v, want the disk's error", err)
		}
	}
	d.set(func(d *disk) { d.room = -1 })
	if err := l.Write(decision()); !errors.Is(err, errDisk) {
		t.Fatalf("a record was written behind half a line: %v", err)
	}
	d.set(func(d *disk) { d.stuck = false })
	write(t, l, 1)
	if got := mustVerify(t, l.opts.Path); got.Records != 3 {
		t.Errorf("got %d records, want 2 and the resumption", got.Records)
	}
}

func TestRecordLongerThanALineMayBe(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t)})
	r := decision()
	r.Message = strings.Repeat("x", MaxLine)
	if err := l.Write(r); err == nil {
		t.Fatal("it was written")
	}
	write(t, l, 1)
	mustVerify(t, l.opts.Path)
}

func TestWriteAfterClose(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t)})
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"write": l.Write(decision()), "rotate": l.Rotate(), "reopen": l.Reopen()} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: got %v, want ErrClosed", name, err)
		}
	}
}

func TestPlacesWhereNoTrailCanBe(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	notTrail := filepath.Join(dir, "notes.txt")
	writeFile(t, notTrail, "milk\n", "bread\n")
	if err := os.Symlink(notTrail, link); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "no", "audit.jsonl"): "create it",
		dir:                                     "not a regular file",
		link:                                    "not a regular file",
		notTrail:                                "no intact audit record",
	} {
		l, err := Open(Options{Path: path})
		if err == nil {
			l.Close()
			t.Errorf("%s was opened", path)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
	if got := readLines(t, notTrail); len(got) != 2 {
		t.Errorf("a file that is no trail was changed: %q", got)
	}
}

func TestFileIsNotForEverybody(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("permission bits mean nothing here")
	}
	l := openLog(t, Options{Path: trailPath(t)})
	info, err := os.Stat(l.opts.Path)
	if err != nil || info.Mode().Perm()&^0o640 != 0 {
		t.Errorf("got %v, %v, want at most 0640", info.Mode(), err)
	}
}

func TestStandardOutput(t *testing.T) {
	var out bytes.Buffer
	l := openLog(t, Options{Path: "-", Sync: SyncAlways, Stdout: &out, Rotate: Rotate{Size: 1}})
	write(t, l, 2)
	if err := errors.Join(l.Rotate(), l.Reopen()); err != nil {
		t.Fatal(err)
	}
	write(t, l, 1)
	path := trailPath(t)
	writeFile(t, path, out.String())
	if got := mustVerify(t, path); got.Records != 3 {
		t.Errorf("got %d records, want 3", got.Records)
	}
	if _, err := l.DiskFreeRatio(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("free space of standard output: %v", err)
	}
}

// halfPipe takes half of the first write and then everything.
type halfPipe struct {
	bytes.Buffer
	full bool
}

func (p *halfPipe) Write(b []byte) (int, error) {
	if p.full {
		return p.Buffer.Write(b)
	}
	p.full = true
	n, _ := p.Buffer.Write(b[:len(b)/2])
	return n, errDisk
}

func TestHalfALineOnStandardOutputIsEnded(t *testing.T) {
	var out halfPipe
	l := openLog(t, Options{Path: "-", Stdout: &out})
	if err := l.Write(decision()); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	write(t, l, 1)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("got %d lines, want the half one, the resumption, the record", len(lines))
	}
	for _, line := range lines[1:] {
		if _, err := ParseLine([]byte(line)); err != nil {
			t.Error(err)
		}
	}
}

func TestDiskFreeRatio(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t)})
	ratio, err := l.DiskFreeRatio()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil || ratio < 0 || ratio > 1 {
		t.Errorf("got %v, %v", ratio, err)
	}
}

func TestSyncModeNames(t *testing.T) {
	var m SyncMode
	if err := m.UnmarshalText([]byte("always")); err != nil || m != SyncAlways {
		t.Errorf("got %v, %v", m, err)
	}
	if err := m.UnmarshalText([]byte("sometimes")); err == nil {
		t.Error("sometimes was accepted")
	}
}

// With sync always many writers share an fsync: the time of a record falls as their number rises.
func BenchmarkWrite(b *testing.B) {
	for _, mode := range []SyncMode{SyncNever, SyncInterval, SyncAlways} {
		for _, writers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", mode, writers), func(b *testing.B) {
				l, err := Open(Options{Path: filepath.Join(b.TempDir(), "audit.jsonl"), Hostname: "proxy-1", Sync: mode})
				if err != nil {
					b.Fatal(err)
				}
				defer l.Close()
				d := onDisk(l)
				b.ReportAllocs()
				b.ResetTimer()
				writeAll(b, l, writers)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
				d.set(func(d *disk) { b.ReportMetric(float64(d.syncs)/float64(b.N), "fsyncs/op") })
			})
		}
	}
}

// writeAll writes b.N records, so many at once.
func writeAll(b *testing.B, l *Log, writers int) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for r := decision(); left.Add(-1) >= 0; {
				if err := l.Write(r); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestIntervalFsyncsInTheBackground(t *testing.T) {
	told := make(chan error, 1000)
	l := openLog(t, Options{Path: trailPath(t), SyncInterval: time.Millisecond, OnError: func(err error) { told <- err }})
	d := onDisk(l)
	d.set(func(d *disk) { d.syncErr = errDisk })
	write(t, l, 1)
	if err := <-told; !errors.Is(err, errDisk) {
		t.Errorf("told %v, want the fsync's error", err)
	}
	d.set(func(d *disk) { d.syncErr = nil })
	eventually(t, "everything durable", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.durable == l.tip
	})
	if s := l.Stats(); s.Errors == 0 || s.Unrecorded != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestFileEmptiedByAnotherIsNotFilledWithZeros(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t)})
	write(t, l, 2)
	d := onDisk(l)
	if err := os.Truncate(l.opts.Path, 0); err != nil {
		t.Fatal(err)
	}
	d.set(func(d *disk) { d.room = 10 })
	if err := l.Write(decision()); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	d.set(func(d *disk) { d.room = -1 })
	write(t, l, 1)
	// Ten bytes of half a line were all there was: the file begins anew, with where it comes from.
	if r := records(t, l.opts.Path)[0]; r.Sepproxy.Previous == nil || r.Sepproxy.Previous.Sequence != 2 {
		t.Errorf("the file begins with %+v", r.Sepproxy)
	}
}
