//go:build linux

package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/dustin/go-humanize"

	"github.com/sepproxy/sepproxy/bench/figure"
)

// A report is what was measured, for people. Its programs are in the order of the columns.
type report struct {
	rows     []*row
	table    table
	programs []column
}

// A column is a program. Of ours, the ratio to the relay is told, too.
type column struct {
	name string
	ours bool
}

func (b *bench) report(rows []*row, t table) *report {
	r := &report{rows: rows, table: t}
	for _, p := range b.running {
		r.programs = append(r.programs, column{p.Kind.Name, p.Kind.Ours})
	}
	return r
}

// chapters gives the tables, one below the other.
func (r *report) chapters() (text string) {
	for _, c := range []chapter{traffic, crowds, growth} {
		var figures []string
		for _, row := range r.rows {
			if row.chapter == c {
				figures = append(figures, row.figures...)
			}
		}
		if len(figures) > 0 {
			text += fmt.Sprintf("\n### %s\n\n%s", c, r.markdown(figures))
		}
	}
	return text
}

// markdown is the table of some figures: medians, with the least and the greatest value.
func (r *report) markdown(figures []string) string {
	columns := slices.DeleteFunc(slices.Clone(r.programs), func(c column) bool { return !r.has(c.name, figures) })
	header := []string{"figure"}
	for _, c := range columns {
		header = append(header, c.name)
		if r.compares(c, figures) {
			header = append(header, c.name+" × relay")
		}
	}
	var lines [][]string
	for _, name := range figures {
		cells := []string{name}
		for _, c := range columns {
			values := r.table[name][c.name]
			cells = append(cells, figure.SpreadOf(values).String())
			if r.compares(c, figures) {
				cells = append(cells, r.ratio(name, c.name).String())
			}
		}
		lines = append(lines, cells)
	}
	return figure.Markdown(header, lines)
}

// alone are figures whose ratio to the relay's would say nothing.
var alone = []string{privilege, slower, idleFigure}

// ratio is that to the relay, of each repetition.
func (r *report) ratio(name, program string) figure.Spread {
	if slices.Contains(alone, name) {
		return figure.SpreadOf(nil)
	}
	return figure.SpreadOf(figure.Ratios(r.table[name][program], r.table[name]["relay"]))
}

// compares tells whether the column has its ratio to the relay beside it.
func (r *report) compares(c column, figures []string) bool { return c.ours && r.has("relay", figures) }

// has tells whether a program has a value among the figures.
func (r *report) has(program string, figures []string) bool {
	return slices.ContainsFunc(figures, func(name string) bool {
		return !math.IsNaN(figure.SpreadOf(r.table[name][program]).Median)
	})
}

// inREADME are the figures that README.md shows.
var inREADME = []string{
	"CPU s per 1000 tunnels", "CPU s per 1000 tunnels, with a TLS 1.3 handshake", "set-up p50 µs, one at a time",
	"CPU s per GiB, 8 downloads", "CPU s per GiB, 8 uploads", "CPU s per 1000 plain GETs", growthFigure, descriptors,
}

// write puts the report into the documentation of the tree at root.
func (r *report) write(root, facts string) error {
	drawings := filepath.Join(root, "docs", "benchmarks")
	if err := os.MkdirAll(drawings, 0o755); err != nil { //nolint:gosec // documentation
		return err
	}
	text := facts + r.chapters() + "\n### Drawings\n"
	for _, d := range r.drawings() {
		f, err := os.Create(filepath.Join(drawings, d.file))
		if err != nil {
			return err
		}
		if err := d.chart.Write(f); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		text += fmt.Sprintf("\n![%s](benchmarks/%s)\n", d.chart.Description, d.file)
	}
	if err := figure.ReplacePart(filepath.Join(root, "docs", "benchmarks.md"), text); err != nil {
		return err
	}
	return figure.ReplacePart(filepath.Join(root, "README.md"), r.markdown(inREADME))
}

// A picture is a chart and where it goes.
type picture struct {
	file  string
	chart figure.Chart
}

func (r *report) drawings() []picture {
	open := append([]int{0}, levels...)
	pictures := []picture{
		{"memory.svg", figure.Chart{Title: "Memory beside open tunnels", X: "open tunnels", Y: "PSS, MiB",
			Description: "Memory against open tunnels, for each program.", Series: r.series(pssFigure, open)}},
		{"setup.svg", figure.Chart{Title: "A new tunnel beside open ones", X: "open tunnels", Y: "set-up p50, µs",
			Description: "Time to set up a tunnel against open tunnels, for each program.", Series: r.series(besideFigure, open)}},
		{"verdict.svg", figure.Chart{Title: "A verdict, by the size of the catalog", X: "names in the catalog", Y: "ns",
			Description: "Time of a verdict against names in the catalog.", LogX: true, Series: r.series(verdictFigure, sizes)}},
		{"reload.svg", figure.Chart{Title: "Loading a policy, by the size of the catalog", X: "names in the catalog", Y: "ms",
			Description: "Time to load policy and catalog against names in the catalog.", LogX: true, LogY: true, Series: r.series(reloadFigure, sizes)}},
	}
	for i := range pictures {
		pictures[i].chart.Strong = "sepproxy"
	}
	return pictures
}

// series gives a line for each program that has a value; form is the name of the figure at x.
func (r *report) series(form string, xs []int) (lines []figure.Series) {
	for _, c := range r.programs {
		s := figure.Series{Name: c.name}
		for _, x := range xs {
			if y := figure.SpreadOf(r.table[at(form, x)][c.name]); y.N > 0 {
				s.Points = append(s.Points, figure.Point{X: float64(x), Y: y})
			}
		}
		if len(s.Points) > 0 {
			lines = append(lines, s)
		}
	}
	return lines
}

// at names a figure at a number of tunnels or names.
func at(form string, n int) string { return fmt.Sprintf(form, humanize.Comma(int64(n))) }
