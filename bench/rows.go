//go:build linux

package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/sepproxy/sepproxy/bench/load"
	"github.com/sepproxy/sepproxy/bench/program"
)

// A row is one measurement, which gives one or more figures.
type row struct {
	name    string // for -rows
	chapter chapter
	figures []string // what is measured and its unit, a figure each
	direct  bool     // makes sense without a proxy, too
	root    bool     // needs it
	repeat  int      // how many repetitions are enough of what takes long; 0: all
	of      func(*program.Kind) bool
	// measure gives a value for each figure. It may use r, or start a process of the same kind.
	measure func(b *bench, r *program.Running) ([]float64, error)
}

// A chapter is a table of its own in the documentation.
type chapter string

const (
	traffic chapter = "Tunnels, requests, bytes"
	crowds  chapter = "Many open tunnels"
	growth  chapter = "The size of the catalog"
)

// rows is everything that is measured, in the order of the tables. Counts are for -scale 1.
var rows = []row{
	{name: "tunnels", chapter: traffic, figures: []string{"CPU s per 1000 tunnels"}, measure: cpu(2000, load.Job{Op: load.Tunnels, Workers: 8})},
	{name: "tls", chapter: traffic, figures: []string{"CPU s per 1000 tunnels, with a TLS 1.3 handshake"}, measure: cpu(1000, load.Job{Op: load.Tunnels, Workers: 8, TLS: true})},
	{name: "setup", chapter: traffic, figures: []string{"set-up p50 µs, one at a time", "set-up p99 µs, one at a time"}, direct: true, measure: setup(1000, 1)},
	{name: "setup-32", chapter: traffic, figures: []string{"set-up p50 µs, 32 workers", "set-up p99 µs, 32 workers"}, direct: true, measure: setup(3000, 32)},
	{name: "ping", chapter: traffic, figures: []string{"round trip of a byte, p50 µs"}, direct: true, measure: pings(5000)},
	{name: "gets", chapter: traffic, figures: []string{"CPU s per 1000 plain GETs"}, measure: cpu(4000, load.Job{Op: load.Gets, Workers: 8})},
	{name: "down-1", chapter: traffic, figures: []string{"CPU s per GiB, 1 download"}, measure: bulk(load.Job{Workers: 1})},
	{name: "down-8", chapter: traffic, figures: []string{"CPU s per GiB, 8 downloads"}, measure: bulk(load.Job{Workers: 8})},
	{name: "up-1", chapter: traffic, figures: []string{"CPU s per GiB, 1 upload"}, measure: bulk(load.Job{Workers: 1, Upload: true})},
	{name: "up-8", chapter: traffic, figures: []string{"CPU s per GiB, 8 uploads"}, measure: bulk(load.Job{Workers: 8, Upload: true})},
	{name: "crowd", chapter: crowds, figures: []string{"CPU s per GiB, 8 downloads beside idle tunnels, as root", "the same as an unprivileged user", privilege},
		root: true, of: splicing, measure: crowd(5000)},
	{name: "open", chapter: crowds, figures: openFigures(), repeat: 5, measure: open},
	{name: "idle", chapter: crowds, figures: []string{idleFigure}, repeat: 1, measure: idle},
	{name: "catalog", chapter: growth, figures: sizesFigures(), of: ourTree, measure: measureSizes},
}

// splicing are the programs whose pipes an unprivileged user may run short of, less those that are there for comparison.
func splicing(k *program.Kind) bool { return k == program.Relay || k.Ours }

// takes tells whether the row is measured for a program, in repetition n, counted from 0.
func (row *row) takes(r *program.Running, n int) bool {
	switch {
	case r.Process == nil:
		return row.direct
	case row.repeat > 0 && n >= row.repeat, row.root && !isRoot():
		return false
	}
	return row.of == nil || row.of(r.Kind)
}

// nothing is a value for each figure where none was measured.
func (row *row) nothing() []float64 {
	values := make([]float64, len(row.figures))
	for i := range values {
		values[i] = math.NaN()
	}
	return values
}

// choose gives the rows of a list of names, all for "".
func choose(names string) (chosen []*row, err error) {
	var known []string
	for i := range rows {
		known = append(known, rows[i].name)
	}
	if names == "" {
		names = strings.Join(known, ",")
	}
	for name := range strings.SplitSeq(names, ",") {
		before := len(chosen)
		for i := range rows {
			if rows[i].name == name {
				chosen = append(chosen, &rows[i])
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("there is no row %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	return chosen, nil
}
