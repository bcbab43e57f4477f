//go:build linux

package program

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary be what Start wants, and a process that burns CPU.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "enter":
		fmt.Fprintln(os.Stderr, Enter(os.Args[2:]))
		os.Exit(1)
	case len(os.Args) > 1 && os.Args[1] == "parent":
		parent()
	case len(os.Args) > 1 && os.Args[1] == "burn":
		burn()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// parent starts a process, says which, and is killed.
func parent() {
	p, err := Start(context.Background(), "/proc/self/exe", os.Args[2], Place{Core: -1}, "sh", "-c", "echo ready; exec sleep 60")
	if err != nil {
		panic(err)
	}
	if _, err := bufio.NewReader(p.Out).ReadString('\n'); err != nil {
		panic(err)
	}
	fmt.Println(p.PID())
	_ = unix.Kill(os.Getpid(), unix.SIGKILL)
}

// burn spends burnt in several threads, which end, says how much it was and waits for the end of its input.
func burn() {
	for spent() < burnt {
		done := make(chan bool)
		go func() {
			for range 1_000_000 { // nothing else
			}
			close(done)
		}()
		<-done
	}
	fmt.Println(int64(spent()))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

const burnt = 100 * time.Millisecond

func spent() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func started(t *testing.T, place Place, command ...string) *Process {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	p, err := Start(t.Context(), "/proc/self/exe", dir, place, command...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func TestUsageIsTheProcesss(t *testing.T) {
	p := started(t, Place{Core: -1}, "/proc/self/exe", "burn")
	said, err := bufio.NewReader(p.Out).ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, p.Said())
	}
	var own time.Duration
	if _, err := fmt.Sscan(said, (*int64)(&own)); err != nil {
		t.Fatal(err)
	}
	if err := p.Settle(); err != nil {
		t.Error(err)
	}
	cpu, err := p.CPU()
	if err != nil || cpu < own || cpu > own+burnt/4 {
		t.Errorf("CPU is %v (%v), and the process says it spent %v", cpu, err, own)
	}
	if pss, err := p.PSS(); err != nil || pss < 100<<10 || pss > 1<<30 {
		t.Errorf("PSS is %d (%v)", pss, err)
	}
	if n, err := p.Descriptors(); err != nil || n < 3 || n > 30 {
		t.Errorf("%d descriptors (%v)", n, err)
	}
}

func TestUsageOfAProcessThatIsGone(t *testing.T) {
	p := started(t, Place{Core: -1}, "true")
	<-p.ended
	if _, err := p.CPU(); err == nil {
		t.Error("it has a CPU clock")
	}
	if _, err := p.PSS(); err == nil {
		t.Error("it has memory")
	}
	if _, err := p.Descriptors(); err == nil {
		t.Error("it has descriptors")
	}
	if err := p.Settle(); err == nil {
		t.Error("it settled")
	}
}

func TestPlace(t *testing.T) {
	hosts := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(hosts, []byte("127.0.9.9 elsewhere.test\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	place, want := Place{Core: 1}, []string{"Cpus_allowed_list:\t1", fmt.Sprintf("Max open files            %d", DescriptorLimit())}
	if os.Geteuid() == 0 { // only root can do these
		place.UID, place.Hosts = Nobody, hosts
		want = append(want, "Uid:\t65534\t65534", "Groups:\t \n", "127.0.9.9 elsewhere.test")
	}
	p := started(t, place, "cat", "/proc/self/status", "/proc/self/limits", "/etc/hosts")
	text, err := io.ReadAll(p.Out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range want {
		if !strings.Contains(string(text), want) {
			t.Errorf("there is no %q in\n%s%s", want, text, p.Said())
		}
	}
	if own, err := os.ReadFile("/etc/hosts"); err != nil || strings.Contains(string(own), "elsewhere.test") {
		t.Errorf("the hosts file of everybody else changed, too: %v", err)
	}
}

func TestAPlaceThatThereIsNot(t *testing.T) {
	p := started(t, Place{Core: 1000}, "true")
	<-p.ended
	if !strings.Contains(p.Said(), "pinning to processor 1000: invalid argument") {
		t.Errorf("it said %q", p.Said())
	}
}

// TestNobodyIsLeftByARunnerThatIsKilled: not even the killed one's children are.
func TestNobodyIsLeftByARunnerThatIsKilled(t *testing.T) {
	said, err := exec.Command("/proc/self/exe", "parent", t.TempDir()).Output()
	var child int
	if _, scan := fmt.Sscan(string(said), &child); scan != nil || err == nil {
		t.Fatalf("it said %q, %v", said, err)
	}
	for end := time.Now().Add(5 * time.Second); unix.Kill(child, 0) == nil && !zombie(child); {
		if time.Now().After(end) {
			_ = unix.Kill(child, unix.SIGKILL)
			t.Fatalf("process %d is still there", child)
		}
		time.Sleep(time.Millisecond)
	}
}

// zombie is true for a process that has ended and nobody waited for, as in containers without an init.
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && strings.Contains(string(text), "State:\tZ")
}

func TestNobodyListens(t *testing.T) {
	p := started(t, Place{Core: -1}, "sh", "-c", "echo one >&2; echo two >&2; exit 4")
	port, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	err = p.Listening(t.Context(), fmt.Sprintf("127.0.0.1:%d", port))
	if err == nil || err.Error() != "it ended: one\ntwo\nexit status 4" {
		t.Errorf("the error is %v", err)
	}
}
