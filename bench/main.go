//go:build linux

// Bench measures sepproxy side by side with other proxies on one machine. It plays the client, the
// server and the small programs itself and starts the others.
//
//	go run ./bench                                       # everything, in less than 25 minutes
//	go run ./bench -rows tunnels,setup -programs relay,sepproxy,old=/tmp/sepproxy-old -repeat 5
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sepproxy/sepproxy/bench/figure"
	"github.com/sepproxy/sepproxy/bench/load"
	"github.com/sepproxy/sepproxy/bench/origin"
	"github.com/sepproxy/sepproxy/bench/program"
)

// roles are what this program is when it starts itself.
var roles = map[string]func(ctx context.Context, args []string) error{
	"enter":   func(_ context.Context, args []string) error { return program.Enter(args) },
	"origin":  func(ctx context.Context, _ []string) error { return origin.Serve(ctx, os.Stdout) },
	"load":    func(context.Context, []string) error { return load.Generate(os.Stdin, os.Stdout) },
	"relay":   program.ServeRelay,
	"goproxy": program.ServeGoproxy,
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	do := measure
	if len(args) > 0 && roles[args[0]] != nil {
		do, args = roles[args[0]], args[1:]
	}
	if err := do(ctx, args); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func measure(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	repeat := flags.Int("repeat", 7, "how many times everything is measured")
	scale := flags.Float64("scale", 1, "factor for the counts of a measurement")
	idle := flags.Duration("idle", time.Minute, "how long the row idle watches")
	only := flags.String("rows", "", "rows to measure, separated by commas (default all)")
	programs := flags.String("programs", "direct,relay,squid,tinyproxy,goproxy,sepproxy", "what to measure; NAME=BINARY is another build of sepproxy")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	b, err := newBench(ctx, *scale, *idle, os.Stderr)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.start(strings.Split(*programs, ",")); err != nil {
		return err
	}
	t, err := b.run(chosen, *repeat)
	if err != nil {
		return err
	}
	return b.print(os.Stdout, chosen, t)
}

// print writes medians, and their ratio to the relay's.
func (b *bench) print(out io.Writer, rows []*row, t table) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for _, name := range row.figures {
			fmt.Fprintln(w, name+"\tmedian (least–most)\t× relay")
			for _, r := range b.running {
				of, relay := t[name][r.Kind.Name], t[name]["relay"]
				fmt.Fprintf(w, "  %s\t%s\t%s\n", r.Kind.Name, figure.SpreadOf(of), figure.SpreadOf(figure.Ratios(of, relay)))
			}
		}
	}
	return w.Flush()
}
