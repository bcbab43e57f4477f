package figure

import (
	"fmt"
	"os"
	"strings"
	"unicode/utf8"
)

// Markdown is a table whose columns are aligned, so that it can be read as it is. Every row has as
// many cells as the header; cells must not hold line breaks.
func Markdown(header []string, rows [][]string) string {
	widths := make([]int, len(header))
	for _, row := range append([][]string{header}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	line := func(cells []string, fill string) {
		for i, cell := range cells {
			b.WriteString("| " + cell + strings.Repeat(fill, widths[i]-utf8.RuneCountInString(cell)) + " ")
		}
		b.WriteString("|\n")
	}
	line(header, " ")
	line(make([]string, len(header)), "-")
	for _, row := range rows {
		line(row, " ")
	}
	return b.String()
}

// The part of a page that a program writes stands between these lines.
const (
	partBegin = "<!-- written by go run ./bench -write -->\n"
	partEnd   = "<!-- end of what is written -->\n"
)

// ReplacePart puts text between the two marks of a page and leaves the rest, which people write.
func ReplacePart(path, text string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, begun := strings.Cut(string(page), partBegin)
	_, after, ended := strings.Cut(rest, partEnd)
	if !begun || !ended {
		return fmt.Errorf("%s has no place for figures: it wants the lines %q and %q", path, strings.TrimSpace(partBegin), strings.TrimSpace(partEnd))
	}
	return os.WriteFile(path, []byte(before+partBegin+text+partEnd+after), 0o644) //nolint:gosec // a page of the documentation
}
