//go:build linux

package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckpoints keeps signed statements elsewhere, and finds by them that the trail's end is gone.
func TestCheckpoints(t *testing.T) {
	elsewhere := t.TempDir()
	key, stated := filepath.Join(elsewhere, "key"), filepath.Join(elsewhere, "checkpoints.jsonl")
	if out, code := sepproxy(t, "audit", "keygen", "--out", key); code != 0 {
		t.Fatalf("audit keygen ends with %d and says %q", code, out)
	}
	p := start(t, settings{hosts: everyHost(echoOrigin(t)), more: ", checkpoint: {path: " + stated + ", every: 1s, key_file: " + key + "}"})
	p.passes(always)
	eventually(t, "a checkpoint", func() bool { info, err := os.Stat(stated); return err == nil && info.Size() > 0 })
	p.passes(always)
	p.stop()
	verify := func(args ...string) (string, int) {
		return sepproxy(t, append([]string{"audit", "verify"}, args...)...)
	}
	if out, code := verify(p.config()); code != 0 || strings.Contains(out, "\n0 checkpoints agree") || !strings.Contains(out, " checkpoints agree") {
		t.Errorf("a whole trail: code %d, %q", code, out)
	}
	all, err := os.ReadFile(p.trail)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndexByte(all[:len(all)-1], '\n') + 1
	if err := os.WriteFile(p.trail, all[:last], 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := verify(p.config(), p.trail); code != 0 || !strings.Contains(out, "without checkpoints") {
		t.Errorf("a trail whose end is cut off, without checkpoints: code %d, %q", code, out)
	}
	for _, args := range [][]string{{p.config()}, {"--checkpoints", stated, "--public-key", key + ".pub", p.trail}} {
		if out, code := verify(args...); code != 1 || !strings.Contains(out, "the end was cut off") || !strings.Contains(out, "BROKEN") {
			t.Errorf("%q: code %d, %q", args, code, out)
		}
	}
}
