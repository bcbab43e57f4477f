package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

func writeText(out *bytes.Buffer, r *Report) error {
	w := r.words()
	for i, s := range r.sections() {
		if i > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintln(out, printable(s.title))
		if len(s.rows) == 0 {
			fmt.Fprintf(out, "  %s\n", w.nothing)
		}
		s.writeTable(out)
		for _, note := range s.notes {
			fmt.Fprintf(out, "  %s\n", note)
		}
		for _, line := range s.yaml {
			fmt.Fprintf(out, "    %s\n", printable(line))
		}
	}
	return nil
}

// writeTable aligns the columns. A line of titles is there if a column has one.
func (s *section) writeTable(out *bytes.Buffer) {
	if len(s.rows) == 0 {
		return
	}
	var lines [][]string
	if slices.ContainsFunc(s.columns, func(c column) bool { return c.title != "" }) {
		titles := make([]string, len(s.columns))
		for i, c := range s.columns {
			titles[i] = strings.ToUpper(c.title)
		}
		lines = append(lines, titles)
	}
	for _, row := range s.rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = shorten(printable(cell), s.columns[i].most)
		}
		lines = append(lines, cells)
	}
	widths := make([]int, len(s.columns))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range lines {
		s.writeLine(out, line, widths)
	}
}

func (s *section) writeLine(out *bytes.Buffer, cells []string, widths []int) {
	var line strings.Builder
	for i, cell := range cells {
		fill := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if s.columns[i].right {
			line.WriteString("  " + fill + cell)
		} else {
			line.WriteString("  " + cell + fill)
		}
	}
	out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// shorten leaves out the middle of what is longer than most characters: the end of a host name
// tells most. 0 is no limit.
func shorten(cell string, most int) string {
	runes := []rune(cell)
	if most == 0 || len(runes) <= most {
		return cell
	}
	half := (most - 1) / 2
	return string(runes[:half]) + "…" + string(runes[len(runes)-half:])
}
