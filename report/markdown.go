package report

import (
	"bytes"
	"fmt"
	"strings"
)

func writeMarkdown(out *bytes.Buffer, r *Report) error {
	w := r.words()
	for i, s := range r.sections() {
		level := "##"
		if i == 0 {
			level = "#"
		} else {
			out.WriteByte('\n')
		}
		fmt.Fprintf(out, "%s %s\n\n", level, mdText(s.title))
		if len(s.rows) == 0 {
			fmt.Fprintf(out, "%s\n", w.nothing)
		}
		s.writeMarkdownTable(out)
		for _, note := range s.notes {
			fmt.Fprintf(out, "\n%s\n", mdText(note))
		}
		if len(s.yaml) > 0 {
			fmt.Fprintf(out, "\n```yaml\n%s\n```\n", strings.Join(s.yaml, "\n"))
		}
	}
	return nil
}

func (s *section) writeMarkdownTable(out *bytes.Buffer) {
	if len(s.rows) == 0 {
		return
	}
	titles, rule := "|", "|"
	for _, c := range s.columns {
		titles += " " + mdText(c.title) + " |"
		if c.right {
			rule += " ---: |"
		} else {
			rule += " --- |"
		}
	}
	fmt.Fprintln(out, titles)
	fmt.Fprintln(out, rule)
	for _, row := range s.rows {
		out.WriteByte('|')
		for i, cell := range row {
			if s.columns[i].code {
				cell = mdCode(cell)
			} else {
				cell = mdText(cell)
			}
			out.WriteString(" " + cell + " |")
		}
		out.WriteByte('\n')
	}
}
