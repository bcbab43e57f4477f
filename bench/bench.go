//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sepproxy/sepproxy/bench/load"
	"github.com/sepproxy/sepproxy/bench/origin"
	"github.com/sepproxy/sepproxy/bench/program"
)

// Load and origin have one processor to themselves, the proxy has the other.
const (
	loadCore  = 0
	proxyCore = 1
)

// A bench is everything that runs.
type bench struct {
	ctx     context.Context
	scale   float64       // factor for counts
	idle    time.Duration // how long the idle row waits
	site    *program.Site
	load    *load.Client
	log     io.Writer // progress, for people
	helpers []*program.Process
	running []*program.Running
}

// newBench starts origin and load generator. close ends it.
func newBench(ctx context.Context, scale float64, idle time.Duration, log io.Writer) (b *bench, err error) {
	// The kernel's name for this program can be used by whoever may not look into its directory.
	b = &bench{ctx: ctx, scale: scale, idle: idle, log: log, site: &program.Site{Self: "/proc/self/exe"}}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.site.Dir, err = os.MkdirTemp("", "sepproxy-bench-"); err != nil {
		return nil, err
	}
	if err := os.Chmod(b.site.Dir, 0o755); err != nil { //nolint:gosec // other users read their configuration in it
		return nil, err
	}
	if err := b.site.WriteHosts(); err != nil {
		return nil, err
	}
	server, err := b.helper("origin")
	if err != nil {
		return nil, err
	}
	var ports origin.Ports
	if err := json.NewDecoder(server.Out).Decode(&ports); err != nil {
		return nil, fmt.Errorf("the origin did not start: %w: %s", err, server.Said())
	}
	b.site.Origin = ports
	generator, err := b.helper("load")
	if err != nil {
		return nil, err
	}
	b.load = load.NewClient(generator.In, generator.Out)
	return b, nil
}

// helper starts a role of this program beside the proxies.
func (b *bench) helper(role string) (*program.Process, error) {
	dir := filepath.Join(b.site.Dir, role)
	if err := os.Mkdir(dir, 0o750); err != nil {
		return nil, err
	}
	p, err := program.Start(b.ctx, b.site.Self, dir, program.Place{Core: loadCore}, b.site.Self, role)
	if err == nil {
		b.helpers = append(b.helpers, p)
	}
	return p, err
}

func (b *bench) close() {
	for _, r := range b.running {
		if r.Process != nil {
			r.Stop()
		}
	}
	for _, p := range b.helpers {
		p.Stop()
	}
	_ = os.RemoveAll(b.site.Dir)
}

// direct is the way without a proxy. It has no process.
const direct = "direct"

// start starts the programs of a list and leaves out, with a word to people, what is not there.
func (b *bench) start(names []string) error {
	install(b.ctx, b.log, names)
	for _, name := range names {
		if name == direct {
			b.running = append(b.running, &program.Running{Kind: &program.Kind{Name: direct}, Route: load.Route{Ports: b.site.Origin}})
			continue
		}
		k, err := b.kind(name)
		if errors.Is(err, errMissing) {
			fmt.Fprintf(b.log, "%s is not measured: %v\n", name, err)
			continue
		}
		if err != nil {
			return err
		}
		r, err := b.site.Start(b.ctx, k, program.Place{Core: proxyCore})
		if err != nil {
			return err
		}
		b.running = append(b.running, r)
		if err := b.refuses(r); err != nil {
			return err
		}
	}
	return nil
}

// refuses makes sure that a proxy has its list in force: what it costs is part of the figures.
func (b *bench) refuses(r *program.Running) error {
	if r.Route.Proxy == "" {
		return nil // the relay has none
	}
	if _, err := b.load.Do(load.Job{Op: load.Refusal, Route: r.Route}); err != nil {
		return fmt.Errorf("asking %s for what it should refuse: %w", r.Kind.Name, err)
	}
	return nil
}

// kind gives a program by its name. NAME=BINARY is a build of sepproxy that stands at BINARY.
func (b *bench) kind(name string) (*program.Kind, error) {
	if name, binary, given := strings.Cut(name, "="); given {
		binary, err := filepath.Abs(binary)
		return program.Sepproxy(name, binary), err
	}
	switch name {
	case "sepproxy":
		binary := filepath.Join(b.site.Dir, "sepproxy")
		build := exec.CommandContext(b.ctx, "go", "build", "-o", binary, "github.com/sepproxy/sepproxy/cmd/sepproxy") //nolint:gosec // no input
		if said, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building sepproxy: %w\n%s", err, said)
		}
		return program.Sepproxy(name, binary), nil
	case "relay":
		return program.Relay, nil
	case "goproxy":
		return program.Goproxy, nil
	case "squid":
		return installed(program.Squid)
	case "tinyproxy":
		return installed(program.Tinyproxy)
	}
	return nil, fmt.Errorf("there is no program %q; there are direct, relay, squid, tinyproxy, goproxy, sepproxy and NAME=BINARY for another build of sepproxy", name)
}

// errMissing is about a program that the others can do without.
var errMissing = errors.New("it is missing here")

func installed(k *program.Kind) (*program.Kind, error) {
	if _, err := exec.LookPath(k.Name); err != nil {
		return nil, fmt.Errorf("%w: install Debian's package %s", errMissing, k.Name)
	}
	if k.NeedsHosts && !isRoot() {
		return nil, fmt.Errorf("%w: only root can give it a file of names", errMissing)
	}
	return k, nil
}

// A table is what was measured: for each figure and program a value for each repetition, NaN
// where there is none.
type table map[string]map[string][]float64

func (t table) add(figure, name string, value float64) {
	if t[figure] == nil {
		t[figure] = map[string][]float64{}
	}
	t[figure][name] = append(t[figure][name], value)
}

// run measures the rows, all programs in turn, repeat times.
func (b *bench) run(rows []*row, repeat int) (table, error) {
	t := table{}
	for n := range repeat {
		for _, row := range rows {
			fmt.Fprintf(b.log, "repetition %d of %d: %s\n", n+1, repeat, row.name)
			for _, r := range b.running {
				if err := b.measure(t, row, r, n); err != nil {
					return nil, err
				}
			}
		}
	}
	return t, nil
}

// measure adds what the row gives for a program in repetition n.
func (b *bench) measure(t table, row *row, r *program.Running, n int) (err error) {
	values := row.nothing()
	if row.takes(r, n) {
		if values, err = row.measure(b, r); err != nil {
			return fmt.Errorf("measuring %s of %s: %w%s", row.name, r.Kind.Name, err, said(r))
		}
	}
	for i, name := range row.figures {
		t.add(name, r.Kind.Name, values[i])
	}
	return b.ctx.Err()
}

// said is what a process wrote to standard error, for whoever has to find out why it failed.
func said(r *program.Running) string {
	if r.Process == nil || r.Said() == "" {
		return ""
	}
	return "\nthe program said: " + r.Said()
}
