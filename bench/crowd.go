//go:build linux

package main

import (
	"fmt"
	"math"
	"time"

	"github.com/sepproxy/sepproxy/bench/figure"
	"github.com/sepproxy/sepproxy/bench/load"
	"github.com/sepproxy/sepproxy/bench/program"
)

// levels are the numbers of open tunnels at which memory and set-up are looked at. The last is what
// two descriptors a tunnel leave of a limit of 20,000.
var levels = []int{1000, 2500, 5000, 7000, 9000}

// Figures that are named elsewhere, too.
const (
	pssFigure     = "PSS MiB, %s tunnels open"
	besideFigure  = "set-up p50 µs beside %s tunnels"
	perTunnel     = "KiB PSS per tunnel, at %s open"
	growthFigure  = "KiB PSS per tunnel, growth from 1,000 to the most"
	descriptors   = "descriptors per tunnel"
	slower        = "set-up beside the most tunnels / the first"
	privilege     = "unprivileged / root"
	idleFigure    = "CPU %, all tunnels idle"
	extrapolation = "MB PSS with 100,000 tunnels (extrapolated, not run)"
)

func openFigures() []string {
	figures := []string{at(pssFigure, 0), at(besideFigure, 0)}
	for _, n := range levels {
		figures = append(figures, at(pssFigure, n), at(besideFigure, n), at(perTunnel, n))
	}
	return append(figures, growthFigure, descriptors, slower, extrapolation)
}

// fresh calls do with a new process of the same kind, for measurements that what was before would disturb.
// It ends the process and closes what is held.
func (b *bench) fresh(r *program.Running, uid int, do func(*program.Running) ([]float64, error)) (values []float64, err error) {
	f, err := b.site.Start(b.ctx, r.Kind, program.Place{Core: proxyCore, UID: uid})
	if err != nil {
		return nil, err
	}
	defer func() {
		f.Stop()
		if _, released := b.load.Do(load.Job{Op: load.Release}); err == nil {
			err = released
		}
	}()
	if _, err := b.load.Do(load.Job{Op: load.Tunnels, Route: f.Route, Count: b.scaled(1000), Workers: 8}); err != nil {
		return nil, fmt.Errorf("warming up: %w", err)
	}
	return do(f)
}

// crowd measures 8 downloads beside idle tunnels, as root and as somebody.
func crowd(count int) func(*bench, *program.Running) ([]float64, error) {
	return func(b *bench, r *program.Running) ([]float64, error) {
		beside := func(uid int) (float64, error) {
			values, err := b.fresh(r, uid, func(f *program.Running) ([]float64, error) {
				if err := b.hold(f, min(b.scaled(count), r.Kind.Capacity()-8)); err != nil {
					return nil, err
				}
				if err := b.hold(f, 8); err != nil {
					return nil, err
				}
				perGiB, err := b.transfer(f, load.Job{Workers: 8})
				return []float64{perGiB}, err
			})
			if err != nil {
				return 0, err
			}
			return values[0], nil
		}
		root, err := beside(0)
		if err != nil {
			return nil, err
		}
		somebody, err := beside(program.Nobody)
		return []float64{root, somebody, somebody / root}, err
	}
}

// A look is what a process uses at one moment.
type look struct {
	open        int     // tunnels
	pss         float64 // bytes
	descriptors float64
	setup       float64 // p50 of tunnels that come and go, µs
}

func (b *bench) look(r *program.Running, open int) (look, error) {
	samples, err := b.load.Do(load.Job{Op: load.Tunnels, Route: r.Route, Count: b.scaled(300), Workers: 1})
	if err != nil {
		return look{}, err
	}
	if err := r.Settle(); err != nil {
		return look{}, err
	}
	pss, err := r.PSS()
	if err != nil {
		return look{}, err
	}
	count, err := r.Descriptors()
	return look{open, float64(pss), float64(count), figure.Percentile(samples, 0.50)}, err
}

// open measures memory, descriptors and set-up while more and more tunnels are open, as far as the
// limit of descriptors lets the program go.
func open(b *bench, r *program.Running) ([]float64, error) {
	return b.fresh(r, 0, func(f *program.Running) ([]float64, error) {
		first, err := b.look(f, 0)
		if err != nil {
			return nil, err
		}
		looks := []look{first}
		for _, level := range levels {
			last, level := looks[len(looks)-1], b.scaled(level)
			if level > f.Kind.Capacity() {
				break
			}
			if err := b.hold(f, level-last.open); err != nil {
				return nil, fmt.Errorf("opening %d tunnels: %w", level, err)
			}
			next, err := b.look(f, level)
			if err != nil {
				return nil, fmt.Errorf("with %d tunnels open: %w", level, err)
			}
			looks = append(looks, next)
		}
		return openValues(looks), nil
	})
}

// openValues gives a value for each of openFigures. There are two looks at least.
func openValues(looks []look) []float64 {
	base, last := looks[0], looks[len(looks)-1]
	slope := func(from, to look) float64 { return (to.pss - from.pss) / float64(to.open-from.open) }
	values := []float64{base.pss / (1 << 20), base.setup}
	for i := range levels {
		if i+1 >= len(looks) {
			values = append(values, math.NaN(), math.NaN(), math.NaN())
			continue
		}
		at := looks[i+1]
		values = append(values, at.pss/(1<<20), at.setup, slope(base, at)/(1<<10))
	}
	return append(values, slope(looks[1], last)/(1<<10), (last.descriptors-base.descriptors)/float64(last.open),
		last.setup/base.setup, (base.pss+slope(base, last)*100_000)/1e6)
}

// idle measures what the most tunnels cost while nothing happens, in per cent of a processor.
func idle(b *bench, r *program.Running) ([]float64, error) {
	return b.fresh(r, 0, func(f *program.Running) ([]float64, error) {
		if err := b.hold(f, min(b.scaled(levels[len(levels)-1]), f.Kind.Capacity())); err != nil {
			return nil, err
		}
		if err := f.Settle(); err != nil {
			return nil, err
		}
		before, err := f.CPU()
		if err != nil {
			return nil, err
		}
		select {
		case <-b.ctx.Done():
			return nil, b.ctx.Err()
		case <-time.After(b.idle):
		}
		after, err := f.CPU()
		return []float64{100 * (after - before).Seconds() / b.idle.Seconds()}, err
	})
}
