package figure

import (
	"bytes"
	"encoding/xml"
	"math"
	"strconv"
	"strings"
	"testing"
)

// parsed is what the tests look at of a drawing.
type parsed struct {
	Title string `xml:"title"`
	Desc  string `xml:"desc"`
	Texts []struct {
		Text string `xml:",chardata"`
	} `xml:"text"`
	Lines []struct {
		Class    string `xml:"class,attr"`
		Polyline struct {
			Points string `xml:"points,attr"`
		} `xml:"polyline"`
		Name    string `xml:"text"`
		Circles []struct {
			X float64 `xml:"cx,attr"`
			Y float64 `xml:"cy,attr"`
		} `xml:"circle"`
	} `xml:"g"`
}

func drawn(t *testing.T, c Chart) parsed {
	t.Helper()
	var svg bytes.Buffer
	if err := c.Write(&svg); err != nil {
		t.Fatal(err)
	}
	var p parsed
	if err := xml.Unmarshal(svg.Bytes(), &p); err != nil {
		t.Fatalf("%v\n%s", err, svg.String())
	}
	return p
}

func points(values ...float64) (list []Point) {
	for i := 0; i < len(values); i += 2 {
		list = append(list, Point{values[i], SpreadOf([]float64{values[i+1]})})
	}
	return list
}

func TestChart(t *testing.T) {
	p := drawn(t, Chart{Title: "A <b>", Description: "What & why", X: "n", Y: "µs", Strong: "ours", Series: []Series{
		{"low", points(0, 1, 100, 2)},
		{"ours", points(0, 10, 50, math.NaN(), 100, 40)},
	}})
	if p.Title != "A <b>" || p.Desc != "What & why" {
		t.Errorf("title %q, description %q", p.Title, p.Desc)
	}
	if len(p.Lines) != 2 || p.Lines[0].Name != "ours" || p.Lines[1].Name != "low" {
		t.Fatalf("the lines are %+v, want ours above low", p.Lines)
	}
	if p.Lines[0].Class != "c0" || p.Lines[1].Class != "c1" {
		t.Errorf("the classes are %q and %q", p.Lines[0].Class, p.Lines[1].Class)
	}
	if got, want := p.Lines[0].Polyline.Points, "70,267.5 590,50"; got != want { // from 10 of 40 to 40 of 40
		t.Errorf("the line is %q, want %q", got, want)
	}
	if len(p.Lines[0].Circles) != 2 {
		t.Errorf("%d marks, want two: one value is missing", len(p.Lines[0].Circles))
	}
}

func TestLogarithmicChart(t *testing.T) {
	p := drawn(t, Chart{LogX: true, LogY: true, Series: []Series{{"one", points(10, 1, 100, 10, 1000, 100)}}})
	if got, want := p.Lines[0].Polyline.Points, "70,340 330,195 590,50"; got != want {
		t.Errorf("the line is %q, want %q: each decade is as long as the next", got, want)
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		axis axis
		want string
	}{
		{axis{high: 9000}, "0 2,000 4,000 6,000 8,000 10,000"},
		{axis{high: 297}, "0 50 100 150 200 250 300"},
		{axis{high: 0.7}, "0 0.1 0.2 0.3 0.4 0.5 0.6 0.7"},
		{axis{low: 60, high: 100_000, log: true}, "10 100 1,000 10,000 100,000"},
	} {
		c.axis.round()
		var labels []string
		for _, v := range c.axis.ticks() {
			labels = append(labels, short(v))
		}
		if got := strings.Join(labels, " "); got != c.want {
			t.Errorf("up to %v the ticks are %s, want %s", c.axis.high, got, c.want)
		}
	}
}

func TestEverythingStaysInside(t *testing.T) {
	for _, high := range []float64{0.003, 1, 19, 1e6} {
		p := drawn(t, Chart{Series: []Series{{"one", points(0, high/7, 5, high)}}})
		for _, m := range p.Lines[0].Circles {
			if m.X < left || m.X > right || m.Y < top || m.Y > bottom {
				t.Errorf("up to %s a mark is at %v,%v", strconv.FormatFloat(high, 'g', -1, 64), m.X, m.Y)
			}
		}
	}
}
