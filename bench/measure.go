//go:build linux

package main

import (
	"math"

	"github.com/sepproxy/sepproxy/bench/figure"
	"github.com/sepproxy/sepproxy/bench/load"
	"github.com/sepproxy/sepproxy/bench/program"
)

// scaled is a count under -scale, at least 1.
func (b *bench) scaled(count int) int { return max(1, int(math.Round(float64(count)*b.scale))) }

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

// setup measures the time from connect to the first byte back.
func setup(count, workers int) func(*bench, *program.Running) ([]float64, error) {
	return func(b *bench, r *program.Running) ([]float64, error) {
		samples, err := b.load.Do(load.Job{Op: load.Tunnels, Route: r.Route, Count: b.scaled(count), Workers: workers})
		return []float64{figure.Percentile(samples, 0.50), figure.Percentile(samples, 0.99)}, err
	}
}

// hold opens so many tunnels more.
func (b *bench) hold(r *program.Running, count int) error {
	_, err := b.load.Do(load.Job{Op: load.Hold, Route: r.Route, Count: count, Workers: min(count, 16)})
	return err
}

// holding calls do while so many tunnels are open, and closes them.
func (b *bench) holding(r *program.Running, count int, do func() ([]float64, error)) (values []float64, err error) {
	defer func() {
		if _, released := b.load.Do(load.Job{Op: load.Release}); err == nil {
			err = released
		}
	}()
	if err := b.hold(r, count); err != nil {
		return nil, err
	}
	return do()
}

// bulk measures CPU seconds per GiB over as many tunnels as the job has workers.
func bulk(j load.Job) func(*bench, *program.Running) ([]float64, error) {
	return func(b *bench, r *program.Running) ([]float64, error) {
		return b.holding(r, j.Workers, func() ([]float64, error) {
			perGiB, err := b.transfer(r, j)
			return []float64{perGiB}, err
		})
	}
}

// transfer gives the CPU seconds per GiB over the tunnels that were opened last.
func (b *bench) transfer(r *program.Running, j load.Job) (float64, error) {
	j.Op, j.Bytes = load.Bulk, int64(b.scaled(512))<<20
	if err := r.Settle(); err != nil {
		return 0, err
	}
	seconds, err := b.spend(r, j)
	return seconds * (1 << 30) / float64(j.Bytes), err
}

func pings(count int) func(*bench, *program.Running) ([]float64, error) {
	return func(b *bench, r *program.Running) ([]float64, error) {
		return b.holding(r, 1, func() ([]float64, error) {
			samples, err := b.load.Do(load.Job{Op: load.Pings, Count: b.scaled(count)})
			return []float64{figure.Percentile(samples, 0.50)}, err
		})
	}
}
