//go:build linux

package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMemoryLimitOfTheCgroup starts a proxy in a cgroup of the test's own: the Go runtime is to keep
// below its limit.
func TestMemoryLimitOfTheCgroup(t *testing.T) {
	group := memoryCgroup(t)
	p := prepare(t, t.TempDir(), settings{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", `echo $$ >"$1/cgroup.procs" && exec "$2" serve "$3"`, "sh", group, binary, p.config())
	cmd.Env = environment()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	buf := make([]byte, 4<<10)
	for !strings.Contains(said.String(), "policy in force") {
		n, err := stderr.Read(buf)
		said.Write(buf[:n])
		if err != nil {
			break
		}
	}
	cancel()
	_ = cmd.Wait() // it was killed
	if !strings.Contains(said.String(), `"msg":"memory limit","soft":"450 MiB"`) {
		t.Errorf("in a cgroup of 500 MiB the proxy says:\n%s", said.String())
	}
}

// memoryCgroup makes a cgroup with a limit of 500 MiB, or skips the test where it may not.
func memoryCgroup(t *testing.T) string {
	t.Helper()
	for root, limit := range map[string]string{"/sys/fs/cgroup/memory": "memory.limit_in_bytes", "/sys/fs/cgroup": "memory.max"} {
		dir, err := os.MkdirTemp(root, "sepproxy-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(dir) }) // it is empty when the proxy has ended
		if os.WriteFile(filepath.Join(dir, limit), []byte("524288000"), 0o600) == nil {
			if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil {
				return dir
			}
		}
	}
	t.Skip("no cgroup with a memory limit can be made here: that takes root and a writable cgroup file system")
	return ""
}
