package page

import (
	"fmt"
	"time"

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

	leastPoints = 30 // room in a chart, so that few points are no giants
	leastDays   = 14 // the same in the heat map
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
	width := chartWidth / float64(max(len(points), leastPoints))
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
	if len(c.Marks) > 0 {
		c.Keys = append(c.Keys, key{"mark", v.PolicyChange})
	}
	return c
}

// marks gives the policy changes inside the chart.
func (v *view) marks() (marks []mark) {
	t := v.R.Timeline
	if len(t.Points) == 0 {
		return nil
	}
	begin, length := t.Points[0].At.Time, float64(t.Step)*float64(max(len(t.Points), leastPoints))
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

// ticks gives times to write below the chart, evenly spaced from its beginning to its last point.
func (v *view) ticks() (list []string) {
	points, step := v.R.Timeline.Points, time.Duration(v.R.Timeline.Step)*time.Second
	if len(points) == 0 {
		return nil
	}
	span := step * time.Duration(max(len(points), leastPoints)-1)
	layout := "01-02 15:04"
	switch {
	case span > 300*24*time.Hour:
		layout = "2006-01"
	case span > 5*24*time.Hour:
		layout = "01-02"
	case span < 24*time.Hour:
		layout = "15:04"
	}
	for i := range ticks {
		list = append(list, points[0].At.Add(span*time.Duration(i)/(ticks-1)).UTC().Format(layout))
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
	Days        int // in the drawing
	First, Last string
	Wide        bool // the days fill the drawing
	Keys        []key
	Strips      []strip
}

// levels are the shares of the highest number from which on a cell is darker.
var levels = []float64{0, 0.1, 0.35, 0.7}

// HeatMap draws the services in use.
func (v *view) HeatMap() *heat {
	days := v.R.Timeline.Days
	h := &heat{Days: max(len(days), leastDays), Wide: len(days) >= leastDays}
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
