//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sepproxy/sepproxy/bench/program"
)

// facts tells on what and how it was measured; busy is what busyBefore gave.
func facts(ctx context.Context, args []string, busy string, repeat int, took time.Duration) string {
	var b strings.Builder
	fact := func(what, value string) { fmt.Fprintf(&b, "- %s: %s\n", what, value) }
	fact("Command", "`"+strings.Join(append([]string{"go run ./bench"}, args...), " ")+"`")
	fact("When", fmt.Sprintf("%s, in %s, %d repetitions", time.Now().UTC().Format(time.DateOnly), took.Round(time.Second), repeat))
	fact("Tree", output(ctx, "git", "describe", "--always", "--dirty"))
	fact("Machine", fmt.Sprintf("%s, %d processors, %s of memory, at most %d descriptors a process", processor(), runtime.NumCPU(), memory(), program.DescriptorLimit()))
	fact("Load average before it began", busy)
	fact("Kernel", output(ctx, "uname", "-sr"))
	fact("Go", runtime.Version())
	fact("Programs", strings.Join([]string{"squid " + version(output(ctx, "squid", "-v")), "tinyproxy " + version(output(ctx, "tinyproxy", "-v")), "goproxy " + module("github.com/elazarl/goproxy")}, ", "))
	return b.String()
}

// output is the first line of what a command says, or that it is not there.
func output(ctx context.Context, name string, args ...string) string {
	said, err := exec.CommandContext(ctx, name, args...).Output() //nolint:gosec // questions about versions
	if err != nil {
		return "not there"
	}
	line, _, _ := bytes.Cut(said, []byte("\n"))
	return string(line)
}

// version is the last word of a line.
func version(line string) string {
	words := strings.Fields(line)
	if len(words) == 0 {
		return "unknown"
	}
	return words[len(words)-1]
}

func module(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return "unknown"
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// busyBefore is the load average, which should be near 0 before anything is measured (proc_loadavg(5)).
func busyBefore() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], ", ")
}

func memory() string {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return "unknown"
	}
	return fmt.Sprintf("%d GiB", (info.Totalram*uint64(info.Unit)+1<<29)>>30)
}
