package page

import (
	"fmt"

	"github.com/sepproxy/sepproxy/report"
)

// A chart is bars over time. Its drawing is 1000 wide and 100 high and is stretched to the place it
// gets, so it holds no text: that stands around it.
type chart struct {
	Desc  string
	Top   string // what the highest bar stands for
	Bars  []bar
	Marks []mark
	Ticks []string
	Keys  []key
}

type bar struct {
	X, Y, W, H float64
	Class      string
	Title      string
}

// A mark is a moment at which the policy changed.
type mark struct {
	X     float64
	Title string
}

type key struct{ Class, Title string }

const (
	chartWidth  = 1000.0
	chartHeight = 100.0
	ticks       = 4
)

// layer is one of the values that are stacked in a bar.
type layer struct {
	key
	value func(report.Point) int64
}

// RequestChart draws allowed and denied requests.
func (v *view) RequestChart() *chart {
	c := v.chart(v.N, []layer{
		{key{"allowed", v.Allowed}, func(p report.Point) int64 { return max(p.Requests-p.Denied, 0) }},
		{key{"denied", v.Denied}, func(p report.Point) int64 { return min(p.Denied, p.Requests) }},
	})
	c.Desc = fmt.Sprintf(v.TrafficDesc, v.At(v.R.From), v.At(v.R.To), c.Top)
	return c
}

// ByteChart draws what was received and sent.
func (v *view) ByteChart() *chart {
	c := v.chart(func(n any) string { return v.Size(n.(int64)) }, []layer{
		{key{"received", v.Received}, func(p report.Point) int64 { return p.Received }},
		{key{"sent", v.Sent}, func(p report.Point) int64 { return p.Sent }},
	})
	c.Desc = fmt.Sprintf(v.BytesDesc, v.At(v.R.From), v.At(v.R.To), c.Top)
	return c
}

func (v *view) chart(write func(any) string, layers []layer) *chart {
	points := v.R.Timeline.Points
	c := &chart{}
	for _, l := range layers {
		c.Keys = append(c.Keys, l.key)
	}
	var highest float64
	for _, p := range points {
		sum := 0.0
		for _, l := range layers {
			sum += float64(l.value(p))
		}
		highest = max(highest, sum)
	}
	c.Top = write(int64(highest))
	width := chartWidth / float64(max(len(points), 1))
	for i, p := range points {
		y := chartHeight
		for _, l := range layers {
			n := l.value(p)
			if n <= 0 {
				continue
			}
			// What is there is seen, however small it is.
			height := max(chartHeight*float64(n)/highest, 0.6)
			y -= height
			c.Bars = append(c.Bars, bar{round(float64(i) * width), round(max(y, 0)), round(width * 0.86), round(height), l.Class,
				v.At(p.At) + ": " + l.Title + " " + write(n)})
		}
	}
	c.Marks, c.Ticks = v.marks(), v.ticks()
	return c
}

// marks gives the policy changes inside the chart.
func (v *view) marks() (marks []mark) {
	t := v.R.Timeline
	if len(t.Points) == 0 {
		return nil
	}
	begin, length := t.Points[0].At.Time, float64(t.Step)*float64(len(t.Points))
	for _, e := range v.R.Events {
		if e.Kind != "policy_loaded" {
			continue
		}
		if x := chartWidth * e.At.Sub(begin).Seconds() / length; x >= 0 && x <= chartWidth {
			marks = append(marks, mark{round(min(x, chartWidth-2)), v.At(e.At) + ": " + fmt.Sprintf(v.PolicyMark, e.Policy)})
		}
	}
	return marks
}

// ticks gives times to write below the chart, evenly spaced from its beginning.
func (v *view) ticks() (list []string) {
	points := v.R.Timeline.Points
	layout := "01-02 15:04"
	if v.R.Timeline.Step*int64(len(points)) > 5*86400 {
		layout = "01-02"
	}
	if v.R.Timeline.Step*int64(len(points)) > 300*86400 {
		layout = "2006-01"
	}
	n := min(ticks, len(points))
	for i := range n {
		list = append(list, points[i*(len(points)-1)/max(n-1, 1)].At.UTC().Format(layout))
	}
	return list
}

// round keeps files short.
func round(x float64) float64 { return float64(int64(x*100+0.5)) / 100 }

// Busy gives the points in which something happened, for the table beside the charts.
func (v *view) Busy() (busy []report.Point) {
	for _, p := range v.R.Timeline.Points {
		if p.Requests != 0 || p.Bytes != (report.Bytes{}) || p.Failures != 0 {
			busy = append(busy, p)
		}
	}
	return busy
}

// A strip is a service's row of the heat map.
type strip struct {
	Name, Desc string
	Total      int64
	Cells      []cell
}

type cell struct {
	X     int
	Class string // h0 to h4
	Title string
	Day   string
	N     int64
}

// heat is the map of services and days. Its drawing is one unit a day wide and one high.
type heat struct {
	Days        int
	First, Last string
	Keys        []key
	Strips      []strip
}

// levels are the shares of the highest number from which on a cell is darker.
var levels = []float64{0, 0.1, 0.35, 0.7}

// HeatMap draws the services in use.
func (v *view) HeatMap() *heat {
	days := v.R.Timeline.Days
	h := &heat{Days: len(days)}
	if len(days) == 0 {
		return h
	}
	day := func(i int) string { return days[i].UTC().Format("2006-01-02") }
	h.First, h.Last = day(0), day(len(days)-1)
	var most int64
	for _, s := range v.R.Services {
		for _, n := range s.Days {
			most = max(most, n)
		}
	}
	for _, s := range v.R.Services {
		if !s.Used {
			continue
		}
		row := strip{Name: v.Name(s), Total: s.Requests}
		for i, n := range s.Days[:min(len(s.Days), len(days))] {
			row.Cells = append(row.Cells, cell{i, level(n, most), fmt.Sprintf(v.PerDay, day(i), v.N(n)), day(i), n})
		}
		row.Desc = fmt.Sprintf(v.HeatDesc, row.Name, h.First, h.Last, v.N(s.Requests))
		h.Strips = append(h.Strips, row)
	}
	h.Keys = v.heatKeys(most)
	return h
}

func level(n, most int64) string {
	class := 0
	for i, from := range levels {
		if n > 0 && float64(n) > from*float64(most) {
			class = i + 1
		}
	}
	return fmt.Sprint("h", class)
}

func (v *view) heatKeys(most int64) []key {
	keys := []key{{"h0", v.Less}}
	upper := append(levels[1:len(levels):len(levels)], 1)
	for i, share := range upper {
		if n := int64(share * float64(most)); n > 0 {
			keys = append(keys, key{fmt.Sprint("h", i+1), fmt.Sprintf(v.MoreKey, v.N(n))})
		}
	}
	return keys
}
