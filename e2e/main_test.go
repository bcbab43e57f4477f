//go:build linux

package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// patience is how long a test waits for what has to happen.
const patience = 30 * time.Second

// binary is the command under test.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sepproxy-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "sepproxy")
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build compiles with the race detector where there is a C compiler for it, and without elsewhere.
func build() error {
	err := goBuild("-race")
	if err == nil {
		return nil
	}
	plain := goBuild()
	if plain == nil {
		fmt.Fprintf(os.Stderr, "the command runs without the race detector: %v\n", err)
	}
	return plain
}

func goBuild(flags ...string) error {
	args := append([]string{"build", "-o", binary}, flags...)
	out, err := exec.Command("go", append(args, "../cmd/sepproxy")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("building the command: %w\n%s", err, out)
	}
	return nil
}

// environment is what the command runs in: a data race ends it, and its end is not delayed.
func environment() []string { return append(os.Environ(), "GORACE=halt_on_error=1 atexit_sleep_ms=0") }

// sepproxy runs a command that ends by itself and gives its standard output and exit code.
func sepproxy(t testing.TB, args ...string) (stdout string, code int) {
	t.Helper()
	stdout, stderr, code := sepproxyBoth(t, args...)
	if stderr != "" {
		t.Logf("sepproxy %q wrote on standard error:\n%s", args, stderr)
	}
	return stdout, code
}

func sepproxyBoth(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran {
		t.Fatalf("running sepproxy %q: %v", args, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// missing skips a test that cannot run here, and fails it where everything has to be there.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// eventually waits until cond holds; it is for what no channel tells.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: it did not happen within %v", what, patience)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
