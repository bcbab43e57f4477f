package audit

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// kill copies what a log has written so far to another place, as a killed process leaves it.
func kill(t *testing.T, l *Log) (path string) {
	t.Helper()
	to := t.TempDir()
	for _, name := range names(t, l.opts.Path) {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(l.opts.Path), name))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(to, name), string(text))
	}
	return filepath.Join(to, filepath.Base(l.opts.Path))
}

func last(t *testing.T, path string) *Record {
	t.Helper()
	all := records(t, path)
	return all[len(all)-1]
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestGoesOnAfterAStop(t *testing.T) {
	path := trailPath(t)
	l := openLog(t, Options{Path: path})
	write(t, l, 2)
	writeStop(t, l)
	again := openLog(t, Options{Path: path})
	write(t, again, 1)
	if r := last(t, path); r.Event.Sequence != 4 || r.Event.Action != ActionDecision {
		t.Errorf("got %+v, want the decision as record 4, nothing between", r.Event)
	}
	mustVerify(t, path)
}

func TestGoesOnAfterAKill(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t)})
	write(t, l, 3)
	path := kill(t, l)
	again := openLog(t, Options{Path: path})
	write(t, again, 1)
	r := records(t, path)[3]
	if r.Sepproxy.Lifecycle != LifecycleAuditResumed || r.Sepproxy.Resumed.EndedBefore != 4 || r.Sepproxy.Resumed.SetAside != "" {
		t.Errorf("got %+v %+v", r.Sepproxy, r.Sepproxy.Resumed)
	}
	mustVerify(t, path)
}

func TestTornEndIsSetAside(t *testing.T) {
	for name, torn := range map[string]string{
		"half a line":           `{"@timestamp":"2026-11-23T14:55:01`,
		"zeros":                 strings.Repeat("\x00", 8192),
		"a line of zeros":       strings.Repeat("\x00", 100) + "\n",
		"a changed record":      "changed",
		"more than may be read": strings.Repeat("x", 2*MaxLine),
	} {
		t.Run(name, func(t *testing.T) {
			l := openLog(t, Options{Path: trailPath(t)})
			write(t, l, 3)
			path := kill(t, l)
			if torn == "changed" {
				torn = strings.Replace(readLines(t, path)[2], "10.0.0.7", "10.0.0.8", 1) + "\n"
			}
			appendTo(t, path, torn)
			again := openLog(t, Options{Path: path, Now: newClock().Now})
			write(t, again, 1)
			r := records(t, path)[3].Sepproxy.Resumed
			if r == nil || r.SetAside != "audit.jsonl.torn-20261123T145501.123456789Z" {
				t.Fatalf("resumed %+v", r)
			}
			aside, err := os.ReadFile(filepath.Join(filepath.Dir(path), r.SetAside))
			if err != nil || string(aside) != torn {
				t.Errorf("set aside %d bytes, %v, want the %d torn ones", len(aside), err, len(torn))
			}
			mustVerify(t, path)
		})
	}
}

func TestFirstLineTorn(t *testing.T) {
	path := trailPath(t)
	writeFile(t, path, `{"@timestamp":`)
	l := openLog(t, Options{Path: path})
	write(t, l, 1)
	if r := records(t, path)[0]; r.Sepproxy.Resumed == nil || r.Sepproxy.Resumed.SetAside == "" || r.Sepproxy.Resumed.EndedBefore != 0 {
		t.Errorf("got %+v", r.Sepproxy)
	}
	mustVerify(t, path)
}

func TestKilledInRotation(t *testing.T) {
	for name, current := range map[string]func(path string) error{
		"no new file":      os.Remove,
		"an empty file":    func(path string) error { return os.Truncate(path, 0) },
		"half a beginning": func(path string) error { return os.Truncate(path, 40) },
	} {
		t.Run(name, func(t *testing.T) {
			l := openLog(t, Options{Path: trailPath(t)})
			write(t, l, 2)
			if err := l.Rotate(); err != nil {
				t.Fatal(err)
			}
			path := kill(t, l)
			if err := current(path); err != nil {
				t.Fatal(err)
			}
			again := openLog(t, Options{Path: path})
			write(t, again, 1)
			r := records(t, path)[2].Sepproxy
			if r.Resumed == nil || r.Resumed.EndedBefore != 3 || r.Previous == nil || r.Previous.Sequence != 2 {
				t.Errorf("the new file begins with %+v", r)
			}
			mustVerify(t, path)
		})
	}
}

func TestMovedAwayWhileStopped(t *testing.T) {
	for name, newName := range map[string]string{"plain": ".1", "compressed": ".1.gz"} {
		t.Run(name, func(t *testing.T) {
			path := trailPath(t)
			l := openLog(t, Options{Path: path})
			write(t, l, 2)
			writeStop(t, l)
			if strings.HasSuffix(newName, gzipSuffix) {
				if err := writeGzip(t.Context(), path, path+newName); err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			} else if err := os.Rename(path, path+newName); err != nil {
				t.Fatal(err)
			}
			again := openLog(t, Options{Path: path})
			write(t, again, 1)
			if r := records(t, path)[3].Sepproxy; r.Lifecycle != LifecycleAuditRotated || r.Previous.File != "audit.jsonl"+newName {
				t.Errorf("the new file begins with %+v %+v", r, r.Previous)
			}
			mustVerify(t, path)
		})
	}
}

func TestRotationGoesOnAfterAStart(t *testing.T) {
	path := trailPath(t)
	l := openLog(t, Options{Path: path, Now: newClock().Now})
	write(t, l, 2)
	writeStop(t, l)
	again := openLog(t, Options{Path: path})
	write(t, again, 1)
	if err := again.Rotate(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, path); !slices.Equal(got, []string{"audit-20261123T145501Z-000000000001.jsonl", "audit.jsonl"}) {
		t.Errorf("files %q: name after the first record, not after the start", got)
	}
	mustVerify(t, path)
}

func TestNothingComesAfterTheStopRecord(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t), Rotate: Rotate{Size: 1, MaxTotal: 1}})
	write(t, l, 3)
	if err := l.Write(stopRecord()); err != nil {
		t.Fatal(err)
	}
	l.tend()
	if err := l.Write(lifecycle(LifecycleAuditDeleted, "too late", l.now())); !errors.Is(err, ErrClosed) {
		t.Errorf("retention wrote behind the stop record: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if r := last(t, l.opts.Path); r.Sepproxy.Lifecycle != LifecycleStop {
		t.Errorf("the trail ends with %+v", r.Sepproxy)
	}
}
