//go:build linux

package program

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Place is where and as whom a process runs.
type Place struct {
	Core  int    // the only processor it may use; -1: any
	UID   int    // user and group; 0 stays as it is
	Hosts string // a file to see as /etc/hosts (needs root); "" is the system's own
}

// Nobody is the unprivileged user, and group.
const Nobody = 65534

// Enter turns this process into the program of args[1:], in the Place that args[0] gives as JSON, with
// as many descriptors as the system lets it have. It returns only if that fails.
func Enter(args []string) error {
	var p Place
	if err := json.Unmarshal([]byte(args[0]), &p); err != nil {
		return fmt.Errorf("reading the place: %w", err)
	}
	runtime.LockOSThread() // processor and mounts are the thread's until it becomes the process
	path, err := exec.LookPath(args[1])
	if err != nil {
		return err
	}
	for _, step := range []func() error{p.raiseLimit, p.mountHosts, p.pin, p.dropPrivilege, dieWithParent} {
		if err := step(); err != nil {
			return err
		}
	}
	return syscall.Exec(path, args[1:], os.Environ()) //nolint:gosec // to start what it is given is its purpose
}

// dieWithParent has the kernel kill the program when the runner dies. It belongs to the thread that becomes the
// program, and a change of the user undoes it, so it comes last (PR_SET_PDEATHSIG(2const)).
func dieWithParent() error {
	return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
}

func (Place) raiseLimit() error {
	limit := unix.Rlimit{Cur: DescriptorLimit(), Max: DescriptorLimit()}
	// Through package syscall, which then does not restore the old limit before it executes the program.
	return syscall.Setrlimit(unix.RLIMIT_NOFILE, (*syscall.Rlimit)(&limit))
}

// DescriptorLimit is how many descriptors a process may have at most; 0 if the system does not say.
func DescriptorLimit() uint64 {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return limit.Max
}

func (p Place) mountHosts() error {
	if p.Hosts == "" {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("making a mount namespace for /etc/hosts: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keeping the mount of /etc/hosts private: %w", err)
	}
	if err := unix.Mount(p.Hosts, "/etc/hosts", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mounting /etc/hosts: %w", err)
	}
	return nil
}

func (p Place) pin() error {
	if p.Core < 0 {
		return nil
	}
	var set unix.CPUSet
	set.Set(p.Core)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pinning to processor %d: %w", p.Core, err)
	}
	return nil
}

func (p Place) dropPrivilege() error {
	if p.UID == 0 {
		return nil
	}
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("leaving the groups: %w", err)
	}
	if err := syscall.Setgid(p.UID); err != nil {
		return fmt.Errorf("becoming group %d: %w", p.UID, err)
	}
	if err := syscall.Setuid(p.UID); err != nil {
		return fmt.Errorf("becoming user %d: %w", p.UID, err)
	}
	return nil
}
