package figure

import (
	_ "embed" // the template
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/dustin/go-humanize"
)

// A Point is a median with the least and the greatest value, at X.
type Point struct {
	X float64
	Y Spread
}

// A Series is one line of a Chart. Points go by X; those without a value are left out.
type Series struct {
	Name   string
	Points []Point
}

// A Chart is a drawing of lines. Libraries for this draw in fixed colours and say nothing to who cannot
// see; so it is a template, which follows the reader's light or dark scheme.
type Chart struct {
	Title       string
	Description string // for those who do not see it
	X, Y        string // what the axes are, with the unit
	LogX, LogY  bool
	Series      []Series
	Strong      string // the name of the line that stands out
}

// Size of the drawing, and of the part between the axes.
const (
	width, height = 760, 400
	left, right   = 70, 590
	top, bottom   = 50, 340
)

// Write writes the chart as SVG. There has to be a point in it.
func (c Chart) Write(w io.Writer) error {
	x, y := c.axes()
	d := drawing{Chart: c, Width: width, Height: height, Left: left, Right: right, Top: top, Bottom: bottom}
	for _, v := range x.ticks() {
		d.XTicks = append(d.XTicks, tick{At: x.place(v), Label: short(v)})
	}
	for _, v := range y.ticks() {
		d.YTicks = append(d.YTicks, tick{At: y.place(v), Label: short(v)})
	}
	colour := 0
	for _, s := range c.Series {
		l := newLine(s, x, y)
		if s.Name != c.Strong {
			colour++
			l.Colour = colour
		}
		d.Lines = append(d.Lines, l)
	}
	// The legend has the order of the lines' ends.
	slices.SortStableFunc(d.Lines, func(a, b line) int { return int(a.end() - b.end()) })
	for i := range d.Lines {
		d.Lines[i].Legend = top + 10 + 22*i
	}
	return svg.Execute(w, d)
}

func (c Chart) axes() (x, y axis) {
	x = axis{log: c.LogX, low: math.Inf(1), from: left, to: right}
	y = axis{log: c.LogY, low: math.Inf(1), from: bottom, to: top}
	for _, s := range c.Series {
		for _, p := range s.Points {
			x.include(p.X)
			y.include(p.Y.Min)
			y.include(p.Y.Max)
		}
	}
	x.round()
	y.round()
	return x, y
}

// An axis leads values to pixels.
type axis struct {
	log       bool
	low, high float64
	from, to  float64
}

// include widens the axis; NaN does nothing.
func (a *axis) include(v float64) {
	if v < a.low {
		a.low = v
	}
	if v > a.high {
		a.high = v
	}
}

// round begins a linear axis at 0 and ends it at a tick; a logarithmic one has whole decades.
func (a *axis) round() {
	if a.log {
		a.low, a.high = math.Pow(10, math.Floor(math.Log10(a.low))), math.Pow(10, math.Ceil(math.Log10(a.high)))
		return
	}
	a.low = 0
	a.high = math.Ceil(a.high/a.step()) * a.step()
}

// step is 1, 2 or 5 times a power of ten, and makes four to ten ticks.
func (a *axis) step() float64 {
	power := math.Pow(10, math.Floor(math.Log10(a.high/4)))
	for _, n := range []float64{5, 2} {
		if n*power <= a.high/4 {
			return n * power
		}
	}
	return power
}

func (a *axis) ticks() (values []float64) {
	if a.log {
		for v := a.low; v <= a.high*1.01; v *= 10 {
			values = append(values, v)
		}
		return values
	}
	for i := 0.0; i*a.step() <= a.high*1.0001; i++ {
		values = append(values, i*a.step())
	}
	return values
}

func (a *axis) place(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		v, low, high = math.Log10(v), math.Log10(low), math.Log10(high)
	}
	return math.Round((a.from+(v-low)/(high-low)*(a.to-a.from))*10) / 10
}

// A drawing is what the template gets.
type drawing struct {
	Chart
	Width, Height, Left, Right, Top, Bottom int

	XTicks, YTicks []tick
	Lines          []line
}

type tick struct {
	At    float64
	Label string
}

type line struct {
	Name   string
	Colour int // the number of the class; 0 stands out
	Path   string
	Marks  []mark
	Legend int // where its name stands
}

// A mark is a median and its spread, from High to Low, in pixels.
type mark struct{ X, Y, Low, High float64 }

func newLine(s Series, x, y axis) line {
	l := line{Name: s.Name}
	var path []string
	for _, p := range s.Points {
		if math.IsNaN(p.Y.Median) {
			continue
		}
		m := mark{X: x.place(p.X), Y: y.place(p.Y.Median), Low: y.place(p.Y.Min), High: y.place(p.Y.Max)}
		l.Marks = append(l.Marks, m)
		path = append(path, strconv.FormatFloat(m.X, 'f', -1, 64)+","+strconv.FormatFloat(m.Y, 'f', -1, 64))
	}
	l.Path = strings.Join(path, " ")
	return l
}

// end is how far down the line ends.
func (l line) end() float64 {
	if len(l.Marks) == 0 {
		return bottom
	}
	return l.Marks[len(l.Marks)-1].Y
}

// short writes the number of a tick, without what the steps have gathered in its last digits.
func short(v float64) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64) // what was written can be read
	return humanize.Commaf(rounded)
}

//go:embed chart.svg.tmpl
var svgText string

var svg = template.Must(template.New("chart").Parse(svgText))
