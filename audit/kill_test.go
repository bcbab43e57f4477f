package audit

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// loadTrail makes a second process of the test binary write to the trail at this path until it is
// killed, and say what was answered; loadSync is its sync mode.
const (
	loadTrail = "SEPPROXY_TEST_LOAD_TRAIL"
	loadSync  = "SEPPROXY_TEST_LOAD_SYNC"
)

// load is that process. What it prints, it was told to be in the trail.
func load(path string) int {
	l, err := Open(Options{Path: path, Sync: SyncMode(os.Getenv(loadSync)), Rotate: Rotate{Size: 64 << 10, Compress: true}})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for w := range 8 {
		go func() {
			for n := 0; ; n++ {
				r := identified("%d-%d-%d", os.Getpid(), w, n)
				if err := l.Write(r); err != nil {
					fmt.Println(err)
					os.Exit(1)
				}
				fmt.Println(r.Transaction.ID)
			}
		}()
	}
	select {}
}

// killUnderLoad starts such a process, kills it after some answers, and gives all there were.
func killUnderLoad(t *testing.T, path string, mode SyncMode) (answered []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), loadTrail+"="+path, loadSync+"="+string(mode))
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		t.Fatal("cannot start a second process")
	}
	for in := bufio.NewScanner(out); in.Scan(); {
		answered = append(answered, in.Text())
		if len(answered) == 300 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	if len(answered) < 300 {
		t.Fatalf("it ended after %q", answered[max(0, len(answered)-1):])
	}
	return answered
}

func TestKilledUnderLoad(t *testing.T) {
	for _, mode := range []SyncMode{SyncAlways, SyncInterval, SyncNever} {
		t.Run(string(mode), func(t *testing.T) {
			path := trailPath(t)
			const kills = 3
			var answered []string
			for range kills {
				answered = append(answered, killUnderLoad(t, path, mode)...)
				// A kill in the middle of a write is rare. This is what it leaves.
				appendTo(t, path, `{"@timestamp":"2026-11-23T14:55:01`)
			}
			if lost := missing(t, path, answered); len(lost) > 0 {
				t.Errorf("%d of %d were answered and are not in the trail: %q", len(lost), len(answered), lost)
			}
			if n := resumptions(t, path); n != kills {
				t.Errorf("%d kills are told, want %d", n, kills)
			}
		})
	}
}

// resumptions counts the kills that a trail tells of, and checks what it says of each.
func resumptions(t *testing.T, path string) (n int) {
	t.Helper()
	for _, r := range records(t, path) {
		resumed := r.Sepproxy.Resumed
		if resumed == nil {
			continue
		}
		n++
		if resumed.EndedBefore != r.Event.Sequence || resumed.Unrecorded != 0 {
			t.Errorf("record %d says %+v, want everything before it to have ended", r.Event.Sequence, resumed)
		}
		aside, err := os.ReadFile(filepath.Join(filepath.Dir(path), resumed.SetAside))
		if err != nil || !strings.HasSuffix(string(aside), "T14:55:01") {
			t.Errorf("set aside in %q is %q, %v", resumed.SetAside, aside, err)
		}
	}
	return n
}
