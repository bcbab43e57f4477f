//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sepproxy/sepproxy/bench/load"
)

// TestMain lets the test binary play the roles, as the program does.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// small begins a benchmark of little work, with some programs at work.
func small(t *testing.T, ctx context.Context, names ...string) *bench { //nolint:revive // the test comes first
	t.Helper()
	b, err := newBench(ctx, 0.01, 100*time.Millisecond, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	if err := b.start(names); err != nil {
		t.Fatal(err)
	}
	return b
}

// zeroes are figures that may be zero, or less, in so small a run: nothing is spent in a moment, and
// the growth of memory by a few tunnels is lost in what the heap does.
func zeroes(figure string) bool {
	return strings.HasPrefix(figure, "KiB PSS per tunnel") || figure == extrapolation || figure == idleFigure
}

func TestEveryRowGivesPlausibleFigures(t *testing.T) {
	b := small(t, t.Context(), direct, "relay", "goproxy", "sepproxy")
	chosen, err := choose("")
	if err != nil {
		t.Fatal(err)
	}
	table, err := b.run(chosen, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range chosen {
		for _, r := range b.running {
			for _, name := range row.figures {
				values := table[name][r.Kind.Name]
				switch {
				case len(values) != 1:
					t.Errorf("%s of %s has the values %v, want one", name, r.Kind.Name, values)
				case !row.takes(r, 0):
					if !math.IsNaN(values[0]) {
						t.Errorf("%s of %s is %v and was not measured", name, r.Kind.Name, values[0])
					}
				case math.IsNaN(values[0]) || math.IsInf(values[0], 0) || (values[0] <= 0 && !zeroes(name)):
					t.Errorf("%s of %s is %v", name, r.Kind.Name, values[0])
				}
			}
		}
	}
	for name, want := range map[string]float64{"relay": 6, "goproxy": 6, "sepproxy": 2} {
		if got := table[descriptors][name][0]; math.Abs(got-want) > 0.5 {
			t.Errorf("a tunnel of %s takes %v descriptors, want about %v", name, got, want)
		}
	}
	checkReport(t, b.report(chosen, table))
}

// checkReport writes the report into a tree like ours.
func checkReport(t *testing.T, r *report) {
	root := t.TempDir()
	for name, page := range map[string]string{"README.md": "../README.md", "docs/benchmarks.md": "../docs/benchmarks.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.MkdirAll(filepath.Join(root, "docs"), 0o755), os.WriteFile(filepath.Join(root, name), text, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.write(root, "- Fact: one\n"); err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range inREADME {
		cell := fmt.Sprintf("| %s ", name)
		_, line, found := strings.Cut(string(readme), cell)
		if line, _, _ := strings.Cut(line, "\n"); !found || strings.Count(line, "–") > 2 { // direct, which is not there, and nothing else
			t.Errorf("README.md has for %q: %s", name, line)
		}
	}
	for _, d := range r.drawings() {
		if _, err := os.Stat(filepath.Join(root, "docs", "benchmarks", d.file)); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatRanIsGoneAfterwards(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := small(t, ctx, "relay", "goproxy")
	var pids []int
	for _, r := range b.running {
		pids = append(pids, r.PID())
	}
	for _, p := range b.helpers {
		pids = append(pids, p.PID())
	}
	begun := make(chan struct{})
	go func() { // somebody presses ctrl-C in the middle
		<-begun
		cancel()
	}()
	b.log = onWrite(func() { close(begun) })
	if _, err := b.run([]*row{&rows[0]}, 1); err == nil {
		t.Error("it went on after the end")
	}
	b.close()
	for _, pid := range pids {
		if err := unix.Kill(pid, 0); err != unix.ESRCH {
			t.Errorf("process %d is still there: %v", pid, err)
		}
	}
	if _, err := os.Stat(b.site.Dir); !os.IsNotExist(err) {
		t.Errorf("%s was left: %v", b.site.Dir, err)
	}
}

type onWrite func()

func (f onWrite) Write(p []byte) (int, error) {
	f()
	return len(p), nil
}

func TestAProxyThatDoesNotStartIsNamed(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\necho the dog ate it >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	b := small(t, t.Context())
	err := b.start([]string{"old=" + binary})
	if err == nil || !strings.Contains(err.Error(), "starting old") || !strings.Contains(err.Error(), "the dog ate it") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("the error is %v", err)
	}
}

func TestAFailedTunnelIsNoFigure(t *testing.T) {
	b := small(t, t.Context(), "relay", "goproxy")
	relay, proxy := b.running[0], b.running[1]
	relay.Route.Ports.Plain = 1 // nobody listens there
	proxy.Route.Ports.Plain = 1 // and the proxy says so
	overTunnels, err := choose("tunnels,setup,setup-32,ping,down-1,down-8,up-1,up-8")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range b.running {
		for _, row := range overTunnels {
			if err := b.measure(table{}, row, r, 0); err == nil {
				t.Errorf("%s of %s gave figures without a tunnel", row.name, r.Kind.Name)
			}
		}
	}
}

func TestAProxyWithoutAListIsNotMeasured(t *testing.T) {
	b := small(t, t.Context(), "goproxy")
	r := b.running[0]
	if err := b.refuses(r); err != nil {
		t.Errorf("the list is not seen: %v", err)
	}
	open := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer open.Close()
	r.Route.Proxy = open.Listener.Addr().String()
	if err := b.refuses(r); err == nil || !strings.Contains(err.Error(), "let a name pass that is on no list") {
		t.Errorf("a proxy that answers 200 to everything: %v", err)
	}
	open.Close()
	if err := b.refuses(r); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("a proxy that is not there: %v", err)
	}
}

func TestAnAnswerThatIsNotOKIsNoFigure(t *testing.T) {
	b := small(t, t.Context(), "goproxy")
	r := b.running[0]
	r.Route.Ports.HTTP = 1
	_, err := b.load.Do(load.Job{Op: load.Gets, Route: r.Route, Count: 1, Workers: 1})
	if err == nil || !strings.Contains(err.Error(), "GET http://host-01.bench.test:1/: 500") {
		t.Errorf("the error is %v", err)
	}
}

func TestWrongUse(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-rows tunels", `there is no row "tunels"; there are tunnels, tls,`},
		{"-programs relais", `there is no program "relais"`},
		{"-repeat 0", "more than 0"},
		{"-write -scale 2", "all rows and programs"},
		{"tunnels", `"tunnels" is no flag`},
		{"-nonsense", "flag provided but not defined: -nonsense"},
	} {
		var out, log bytes.Buffer
		if code := run(strings.Fields(c.args), &out, &log); code != 1 || out.Len() > 0 || !strings.Contains(log.String(), c.want) {
			t.Errorf("bench %s: code %d, %q", c.args, code, log.String())
		}
	}
}

func TestSomeRowsOfSomePrograms(t *testing.T) {
	var out, log bytes.Buffer
	if code := run(strings.Fields("-rows ping,tunnels -programs relay,direct -repeat 2 -scale 0.01"), &out, &log); code != 0 {
		t.Fatalf("code %d: %s", code, log.String())
	}
	for _, want := range []string{"| figure ", "| relay ", "| round trip of a byte, p50 µs ", "| CPU s per 1000 tunnels "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no %q in\n%s", want, out.String())
		}
	}
}

func TestOpenValuesAreSlopes(t *testing.T) {
	const mib = 1 << 20
	looks := []look{{0, 10 * mib, 20, 100}, {levels[0], 10*mib + 2*1024*float64(levels[0]), 20 + 2*float64(levels[0]), 110}, {levels[1], 10*mib + 2*1024*float64(levels[1]), 20 + 2*float64(levels[1]), 120}}
	got := map[string]float64{}
	for i, value := range openValues(looks) {
		got[openFigures()[i]] = value
	}
	for name, want := range map[string]float64{
		at(pssFigure, 0): 10, at(perTunnel, levels[0]): 2, at(perTunnel, levels[1]): 2, growthFigure: 2, descriptors: 2, slower: 1.2,
		at(besideFigure, levels[1]): 120, extrapolation: (10*mib + 2*1024*100_000) / 1e6,
	} {
		if math.Abs(got[name]-want) > 1e-9 {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if !math.IsNaN(got[at(perTunnel, levels[2])]) {
		t.Error("a number of tunnels that was not reached has a value")
	}
}
