// Package figure turns what was measured into what people read: medians with their spread, tables,
// drawings.
package figure

import (
	"math"
	"slices"
)

// Percentile gives the value that q (0 to 1) of the samples do not exceed, by the nearest rank; NaN
// for no samples.
func Percentile(samples []float64, q float64) float64 {
	if len(samples) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(samples))
	rank := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(rank, 0), len(sorted)-1)]
}

// A Spread is what several repetitions gave.
type Spread struct {
	N                int // how many repetitions there were
	Median, Min, Max float64
}

// SpreadOf summarises samples; those that are NaN were not measured and do not count.
func SpreadOf(samples []float64) Spread {
	kept := slices.DeleteFunc(slices.Clone(samples), math.IsNaN)
	if len(kept) == 0 {
		return Spread{Median: math.NaN(), Min: math.NaN(), Max: math.NaN()}
	}
	slices.Sort(kept)
	half := len(kept) / 2
	median := kept[half]
	if len(kept)%2 == 0 {
		median = (kept[half-1] + median) / 2
	}
	return Spread{N: len(kept), Median: median, Min: kept[0], Max: kept[len(kept)-1]}
}

// Ratios divides pair by pair, repetition by repetition, as long as there are pairs. What is NaN stays NaN.
func Ratios(samples, base []float64) (ratios []float64) {
	for i, sample := range samples[:min(len(samples), len(base))] {
		ratios = append(ratios, sample/base[i])
	}
	return ratios
}
