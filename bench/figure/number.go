package figure

import (
	"math"
	"strconv"
)

// Number writes a value with three significant digits, and "–" for NaN.
func Number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	decimals := 0
	if v != 0 {
		decimals = max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	}
	return strconv.FormatFloat(v, 'f', min(decimals, 4), 64)
}

// String is the median and, where there was more than one repetition, the least and the greatest value.
func (s Spread) String() string {
	if s.N < 2 {
		return Number(s.Median)
	}
	return Number(s.Median) + " (" + Number(s.Min) + "–" + Number(s.Max) + ")"
}
