package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A TextStyle says how text is shown. The zero TextStyle suits files and pipes.
type TextStyle struct {
	Width int  // columns of the terminal that lines have to fit; 0 is no terminal
	Color bool // with the escape sequences of ECMA-48
}

// narrowest is the least that is left of a column that gives way to others.
const narrowest = 10

// WriteText is Write as text in a style.
func (r *Report) WriteText(w io.Writer, style TextStyle) error {
	p := textPage{style: style, words: r.words()}
	for i, s := range r.sections() {
		if i > 0 {
			p.out.WriteByte('\n')
		}
		p.section(&s)
	}
	if _, err := w.Write(p.out.Bytes()); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return nil
}

func writeText(out *bytes.Buffer, r *Report) error { return r.WriteText(out, TextStyle{}) }

// A textPage is the text while it is written.
type textPage struct {
	style TextStyle
	words *words
	out   bytes.Buffer
}

// What is shown how (ECMA-48, SGR).
const (
	bold = "1"
	dim  = "2"
	red  = "31"
)

func (p *textPage) paint(how, text string) string {
	if !p.style.Color || how == "" || text == "" {
		return text
	}
	return "\x1b[" + how + "m" + text + "\x1b[0m"
}

func (p *textPage) section(s *section) {
	fmt.Fprintln(&p.out, p.paint(bold, printable(s.title)))
	if len(s.rows) == 0 {
		fmt.Fprintf(&p.out, "  %s\n", p.words.nothing)
	} else {
		p.table(s)
	}
	for _, note := range s.notes {
		p.note(printable(note))
	}
	for _, line := range s.yaml {
		fmt.Fprintf(&p.out, "    %s\n", printable(line))
	}
}

// note breaks a sentence into lines that fit.
func (p *textPage) note(text string) {
	const indent = 2
	line := ""
	for word := range strings.FieldsSeq(text) {
		longer := strings.TrimPrefix(line+" "+word, " ")
		if line != "" && p.style.Width > 0 && indent+utf8.RuneCountInString(longer) > p.style.Width {
			fmt.Fprintf(&p.out, "  %s\n", line)
			longer = "  " + word
		}
		line = longer
	}
	fmt.Fprintf(&p.out, "  %s\n", line)
}

// table aligns the columns. A line of titles is there if a column has one.
func (p *textPage) table(s *section) {
	titles := make([]string, len(s.columns))
	widths := make([]int, len(s.columns))
	for i, c := range s.columns {
		titles[i] = strings.ToUpper(c.title)
		widths[i] = utf8.RuneCountInString(titles[i])
	}
	rows := make([][]string, len(s.rows))
	for n, row := range s.rows {
		rows[n] = make([]string, len(row))
		for i, cell := range row {
			rows[n][i] = printable(cell)
			width := utf8.RuneCountInString(rows[n][i])
			if most := s.columns[i].most; most > 0 {
				width = min(width, most)
			}
			widths[i] = max(widths[i], width)
		}
	}
	p.fit(s.columns, widths)
	if strings.Join(titles, "") != "" {
		p.line(s.columns, titles, widths, true)
	}
	for _, row := range rows {
		p.line(s.columns, row, widths, false)
	}
}

// fit makes the widest of the columns that may be shortened give way until the line fits.
func (p *textPage) fit(columns []column, widths []int) {
	over := -p.style.Width
	for _, w := range widths {
		over += 2 + w
	}
	for ; p.style.Width > 0 && over > 0; over-- {
		widest := -1
		for i, c := range columns {
			if c.most > 0 && widths[i] > narrowest && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return // a terminal narrower than the numbers: it breaks the lines
		}
		widths[widest]--
	}
}

func (p *textPage) line(columns []column, cells []string, widths []int, titles bool) {
	var line strings.Builder
	for i, cell := range cells {
		cell = shorten(cell, widths[i])
		fill := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		how := ""
		switch {
		case titles:
			how = dim
		case columns[i].alarm && cell != "0":
			how = red
		}
		if i == len(cells)-1 && !columns[i].right {
			fill = ""
		}
		if painted := p.paint(how, cell); columns[i].right {
			line.WriteString("  " + fill + painted)
		} else {
			line.WriteString("  " + painted + fill)
		}
	}
	p.out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// shorten leaves out the middle of what is longer than most characters: the end of a host name
// tells most. 0 is no limit.
func shorten(cell string, most int) string {
	runes := []rune(cell)
	if most == 0 || len(runes) <= most {
		return cell
	}
	half := (most - 1) / 2
	return string(runes[:most-1-half]) + "…" + string(runes[len(runes)-half:])
}
