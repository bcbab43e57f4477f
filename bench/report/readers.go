//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/sepproxy/sepproxy/bench/figure"
)

// A reader is one program that reads its file, and what that took so far.
type reader struct {
	name    string
	command []string
	version string
	what    string // it does

	cpu, wall, memory []float64 // seconds, seconds, KiB
}

// readersOf gives the programs that there are, sepproxy built from the tree, and the names of those missing.
func readersOf(ctx context.Context, dir string, l *logs) (readers []*reader, missing []string, err error) {
	binary := filepath.Join(dir, "sepproxy")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/sepproxy/sepproxy/cmd/sepproxy").CombinedOutput(); err != nil { //nolint:gosec // our own program
		return nil, nil, fmt.Errorf("building sepproxy: %w: %s", err, out)
	}
	report := []string{binary, "report", "--format", "json", "--output", filepath.Join(dir, "report.json"), l.trail}
	readers = []*reader{
		{name: "sepproxy report", command: report, version: runtime.Version(), what: "the whole report as JSON, the chain of every record checked"},
		{name: "sepproxy report --skip-chain", command: append(report[:len(report):len(report)], "--skip-chain"), version: runtime.Version(),
			what: "the whole report as JSON; nothing is checked, as in the others"},
	}
	others := []*reader{
		{name: "goaccess", what: "its report as JSON, of Squid's log of the same transactions",
			command: []string{"goaccess", l.squid, "--log-format=%x.%^ %~%L %h %^/%s %b %m %U", "--datetime-format=%s",
				"--no-global-config", "--no-progress", "-o", filepath.Join(dir, "goaccess.json")}},
		{name: "jq", what: "nothing but reading: decisions by verdict",
			command: []string{"jq", "-n", `reduce inputs as $r ({}; if $r.event.action == "decision" then .[$r.sepproxy.verdict] += 1 else . end)`, l.trail}},
	}
	for _, r := range others {
		out, err := exec.CommandContext(ctx, r.name, "--version").Output() //nolint:gosec // a name of the list above
		if errors.Is(err, exec.ErrNotFound) {
			missing = append(missing, r.name)
			continue
		}
		r.version, _, _ = strings.Cut(string(out), "\n")
		readers = append(readers, r)
	}
	return readers, missing, nil
}

// measure runs the program once.
func (r *reader) measure(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, r.command[0], r.command[1:]...) //nolint:gosec // the list above
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stderr = &said
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", r.name, err, said.Bytes())
	}
	r.wall = append(r.wall, time.Since(begun).Seconds())
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	r.cpu = append(r.cpu, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
	r.memory = append(r.memory, float64(usage.Maxrss))
	return nil
}

// describe writes the page's measured part.
func describe(out *bytes.Buffer, o options, l *logs, readers []*reader) {
	const mega = 1e6
	fmt.Fprintf(out, "%d transactions of %d clients: a trail of %.0f MB, a Squid log of %.0f MB. %d repetitions, in turn; median (least–most).\n\n",
		o.transactions, clients, float64(l.trailBytes)/mega, float64(l.squidLen)/mega, o.repeat)
	fmt.Fprintf(out, "| program | does | CPU µs a transaction | × sepproxy | seconds | MiB at most |\n| --- | --- | ---: | ---: | ---: | ---: |\n")
	per := func(samples []float64, factor float64) []float64 {
		scaled := make([]float64, len(samples))
		for i, s := range samples {
			scaled[i] = s * factor
		}
		return scaled
	}
	for _, r := range readers {
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %s |\n", r.name, r.what,
			figure.SpreadOf(per(r.cpu, 1e6/float64(o.transactions))), figure.SpreadOf(figure.Ratios(r.cpu, readers[0].cpu)),
			figure.SpreadOf(r.wall), figure.SpreadOf(per(r.memory, 1.0/1024)))
	}
	fmt.Fprintf(out, "\n%s, %d processors", processor(), runtime.NumCPU())
	for _, r := range readers {
		fmt.Fprintf(out, "; %s: %s", r.name, r.version)
	}
	fmt.Fprintf(out, ". `go run ./bench/report -transactions %d -repeat %d -seed %d`, %s.\n",
		o.transactions, o.repeat, o.seed, time.Now().UTC().Format(time.DateOnly))
}

func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	_, model, _ := strings.Cut(string(info), "model name\t: ")
	model, _, _ = strings.Cut(model, "\n")
	return model
}
