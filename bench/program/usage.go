//go:build linux

package program

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is the processor time of all threads the process ever had, to the nanosecond: its CPU clock,
// which clock_getcpuclockid(3) would give.
func (p *Process) CPU() (time.Duration, error) {
	const schedulerClock = 2 // CPUCLOCK_SCHED of the kernel: what the scheduler counted, user and system
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.PID()<<3|schedulerClock), &t); err != nil {
		return 0, fmt.Errorf("reading the CPU clock of process %d: %w", p.PID(), err)
	}
	return time.Duration(t.Nano()), nil
}

// Settle waits until the process has finished what it was given: it used less than two per cent of
// a processor for 50 ms. It gives up after five seconds.
func (p *Process) Settle() error {
	const pause, tries = 50 * time.Millisecond, 100
	before, err := p.CPU()
	for range tries {
		if err != nil {
			return err
		}
		time.Sleep(pause)
		var now time.Duration
		if now, err = p.CPU(); err == nil && now-before < pause/50 {
			return nil
		}
		before = now
	}
	return fmt.Errorf("process %d is still busy after %s", p.PID(), tries*pause)
}

// PSS is the process's proportional set size in bytes (proc_pid_smaps_rollup(5)).
func (p *Process) PSS() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.PID()))
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if size, ok := bytes.CutPrefix(lines.Bytes(), []byte("Pss:")); ok {
			kib, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(size, []byte("kB")))), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("there is no Pss in smaps_rollup of process %d", p.PID())
}

// Descriptors is how many the process has open.
func (p *Process) Descriptors() (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.PID()))
	return len(entries), err
}
