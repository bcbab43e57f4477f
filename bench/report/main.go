//go:build linux

// Report measures what it costs to read a trail: sepproxy report beside GoAccess, which reads the same
// transactions as Squid's native log, and jq, which counts the trail's records by host.
//
//	go run ./bench/report                                   # 250,000 transactions, five times
//	go run ./bench/report -transactions 5000000 -repeat 1   # ten million records
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	var o options
	flag.IntVar(&o.transactions, "transactions", 250_000, "how many transactions the trail has, two records each")
	flag.IntVar(&o.repeat, "repeat", 5, "how many times each program runs")
	flag.Uint64Var(&o.seed, "seed", 1, "of the transactions")
	flag.StringVar(&o.write, "write", "", "replace the measured part of this `FILE`, such as docs/benchmarks-report.md")
	flag.Parse()
	if err := compare(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench/report:", err)
		return 1
	}
	return 0
}

type options struct {
	transactions, repeat int
	seed                 uint64
	write                string
}

// compare makes the files, lets everybody read them, and prints what that took.
func compare(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "sepproxy-bench-report-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory
	logs, err := generate(dir, o.transactions, o.seed)
	if err != nil {
		return fmt.Errorf("making the files: %w", err)
	}
	readers, missing, err := readersOf(ctx, dir, logs)
	if err != nil {
		return err
	}
	for _, name := range missing {
		fmt.Fprintf(os.Stderr, "%s is not installed and is left out: apt-get install %s\n", name, name)
	}
	for i := range o.repeat {
		for _, r := range readers {
			fmt.Fprintf(os.Stderr, "%d of %d: %s\n", i+1, o.repeat, r.name)
			if err := r.measure(ctx, dir); err != nil {
				return err
			}
		}
	}
	var page bytes.Buffer
	describe(&page, o, logs, readers)
	if o.write != "" {
		return replacePart(o.write, page.String())
	}
	_, err = page.WriteTo(os.Stdout)
	return err
}

// replacePart puts text between the two marks of a file, which keeps the rest.
func replacePart(path, text string) error {
	const begin, end = "<!-- measured: begin -->\n", "<!-- measured: end -->"
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, found := bytes.Cut(page, []byte(begin))
	_, tail, closed := bytes.Cut(rest, []byte(end))
	if !found || !closed {
		return fmt.Errorf("%s has no lines %q and %q: put them where the table belongs", filepath.Base(path), begin, end)
	}
	return os.WriteFile(path, bytes.Join([][]byte{head, []byte(begin), []byte(text), []byte(end), tail}, nil), 0o644) //nolint:gosec // a page of the project
}
