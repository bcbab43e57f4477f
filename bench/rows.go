//go:build linux

package main

import (
	"fmt"
	"math"

	"github.com/sepproxy/sepproxy/bench/figure"
	"github.com/sepproxy/sepproxy/bench/load"
	"github.com/sepproxy/sepproxy/bench/program"
)

// A row is one measurement, which gives one or more figures.
type row struct {
	name    string   // for -rows
	figures []string // what is measured and its unit, a figure each
	direct  bool     // makes sense without a proxy, too
	measure func(b *bench, r *program.Running) ([]float64, error)
}

// rows is everything that is measured, in the order of the table. Counts are for -scale 1.
var rows = []row{
	{name: "tunnels", figures: []string{"CPU s per 1000 tunnels"}, measure: cpu(2000, load.Job{Op: load.Tunnels, Workers: 8})},
	{name: "tls", figures: []string{"CPU s per 1000 tunnels with a TLS 1.3 handshake"}, measure: cpu(1000, load.Job{Op: load.Tunnels, Workers: 8, TLS: true})},
	{name: "setup", figures: []string{"set-up p50 µs, one at a time", "set-up p99 µs, one at a time"}, direct: true, measure: setup(1000, 1)},
	{name: "setup-32", figures: []string{"set-up p50 µs, 32 workers", "set-up p99 µs, 32 workers"}, direct: true, measure: setup(3000, 32)},
	{name: "down-1", figures: []string{"CPU s per GiB, 1 download"}, measure: bulk(load.Job{Workers: 1})},
	{name: "down-8", figures: []string{"CPU s per GiB, 8 downloads"}, measure: bulk(load.Job{Workers: 8})},
	{name: "up-1", figures: []string{"CPU s per GiB, 1 upload"}, measure: bulk(load.Job{Workers: 1, Upload: true})},
	{name: "up-8", figures: []string{"CPU s per GiB, 8 uploads"}, measure: bulk(load.Job{Workers: 8, Upload: true})},
	{name: "ping", figures: []string{"1-byte round trip p50 µs"}, direct: true, measure: pings(5000)},
	{name: "gets", figures: []string{"CPU s per 1000 plain GETs"}, measure: cpu(4000, load.Job{Op: load.Gets, Workers: 8})},
}

// spend gives the CPU seconds of the proxy for a job, until it has settled.
func (b *bench) spend(r *program.Running, j load.Job) (float64, error) {
	j.Route = r.Route
	before, err := r.CPU()
	if err != nil {
		return 0, err
	}
	if _, err := b.load.Do(j); err != nil {
		return 0, err
	}
	if err := r.Settle(); err != nil {
		return 0, err
	}
	after, err := r.CPU()
	return (after - before).Seconds(), err
}

// cpu measures CPU seconds per 1000 of what the job counts.
func cpu(count int, j load.Job) func(*bench, *program.Running) ([]float64, error) {
	return func(b *bench, r *program.Running) ([]float64, error) {
		j := j
		j.Count = b.scaled(count)
		seconds, err := b.spend(r, j)
		return []float64{seconds * 1000 / float64(j.Count)}, err
	}
}

// setup measures from connect to the first byte back.
func setup(count, workers int) func(*bench, *program.Running) ([]float64, error) {
	return func(b *bench, r *program.Running) ([]float64, error) {
		samples, err := b.load.Do(load.Job{Op: load.Tunnels, Route: r.Route, Count: b.scaled(count), Workers: workers})
		return []float64{figure.Percentile(samples, 0.50), figure.Percentile(samples, 0.99)}, err
	}
}

// held runs do while so many tunnels more are open.
func (b *bench) held(r *program.Running, count int, do func() ([]float64, error)) ([]float64, error) {
	_, err := b.load.Do(load.Job{Op: load.Hold, Route: r.Route, Count: count, Workers: 16})
	figures := []float64{math.NaN()}
	if err == nil {
		figures, err = do()
	}
	if _, released := b.load.Do(load.Job{Op: load.Release}); err == nil {
		err = released
	}
	return figures, err
}

// bulk measures CPU seconds per GiB over as many tunnels as the job has workers.
func bulk(j load.Job) func(*bench, *program.Running) ([]float64, error) {
	return func(b *bench, r *program.Running) ([]float64, error) {
		return b.held(r, j.Workers, func() ([]float64, error) { return b.perGiB(r, j) })
	}
}

func (b *bench) perGiB(r *program.Running, j load.Job) ([]float64, error) {
	j.Op, j.Bytes = load.Bulk, int64(b.scaled(512))<<20
	if err := r.Settle(); err != nil {
		return nil, err
	}
	seconds, err := b.spend(r, j)
	return []float64{seconds * (1 << 30) / float64(j.Bytes)}, err
}

func pings(count int) func(*bench, *program.Running) ([]float64, error) {
	return func(b *bench, r *program.Running) ([]float64, error) {
		return b.held(r, 1, func() ([]float64, error) {
			samples, err := b.load.Do(load.Job{Op: load.Pings, Count: b.scaled(count)})
			return []float64{figure.Percentile(samples, 0.50)}, err
		})
	}
}

// scaled is a count under -scale, at least 1.
func (b *bench) scaled(count int) int { return max(1, int(math.Round(float64(count)*b.scale))) }

// find gives the row of a name.
func find(name string) (*row, error) {
	var known []string
	for i := range rows {
		if rows[i].name == name {
			return &rows[i], nil
		}
		known = append(known, rows[i].name)
	}
	return nil, fmt.Errorf("there is no row %q; there are %q", name, known)
}
