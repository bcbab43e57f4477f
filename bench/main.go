//go:build linux

// Bench measures sepproxy side by side with other proxies on one machine. It plays the client, the
// server and the small programs itself and starts the others.
//
//	go run ./bench                                       # everything, in less than 25 minutes
//	go run ./bench -rows tunnels,setup -programs relay,sepproxy,old=/tmp/sepproxy-old -repeat 5
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

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

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, log io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	var err error
	if len(args) > 0 && roles[args[0]] != nil {
		err = roles[args[0]](ctx, args[1:])
	} else {
		err = measure(ctx, args, out, log)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		fmt.Fprintln(log, "bench: interrupted")
		return 1
	case errors.Is(err, flag.ErrHelp):
		return 2
	case err != nil:
		fmt.Fprintln(log, "bench:", err)
		return 1
	}
	return 0
}

const allPrograms = "direct,relay,squid,tinyproxy,goproxy,sepproxy"

// options are the flags.
type options struct {
	repeat   int
	scale    float64
	idle     time.Duration
	rows     string
	programs string
	write    bool
}

func parse(args []string, log io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.IntVar(&o.repeat, "repeat", 7, "how many times everything is measured")
	flags.Float64Var(&o.scale, "scale", 1, "factor for the counts of a measurement")
	flags.DurationVar(&o.idle, "idle", time.Minute, "how long the row idle watches")
	flags.StringVar(&o.rows, "rows", "", "rows to measure, separated by commas (default all)")
	flags.StringVar(&o.programs, "programs", allPrograms, "what to measure; NAME=BINARY is another build of sepproxy")
	flags.BoolVar(&o.write, "write", false, "write docs/benchmarks.md and the figures in README.md; run it in the root of the tree")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("%q is no flag; see -help", flags.Arg(0))
	case o.repeat < 1 || o.scale <= 0 || o.idle <= 0:
		return o, errors.New("-repeat, -scale and -idle want more than 0")
	case o.write && (o.rows != "" || o.programs != allPrograms || o.scale != 1):
		return o, errors.New("-write wants all rows and programs, and scale 1: the documentation shows one whole run")
	}
	return o, nil
}

func measure(ctx context.Context, args []string, out, log io.Writer) error {
	o, err := parse(args, log)
	if err != nil {
		return err
	}
	chosen, err := choose(o.rows)
	if err != nil {
		return err
	}
	if runtime.NumCPU() < 2 {
		return errors.New("there is one processor: the proxy needs one, load and origin another")
	}
	begun, busy := time.Now(), busyBefore()
	b, err := newBench(ctx, o.scale, o.idle, log)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.start(strings.Split(o.programs, ",")); err != nil {
		return err
	}
	t, err := b.run(chosen, o.repeat)
	if err != nil {
		return err
	}
	r := b.report(chosen, t)
	if o.write {
		return r.write(".", facts(ctx, args, busy, o.repeat, time.Since(begun)))
	}
	_, err = io.WriteString(out, r.chapters())
	return err
}
