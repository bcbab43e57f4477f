package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
)

var formats = map[string]func(*bytes.Buffer, *Report) error{
	"text": writeText,
	"json": writeJSON,
	"csv":  writeCSV,
	"md":   writeMarkdown,
}

// Formats gives the formats that Report.Write knows, sorted.
func Formats() []string { return slices.Sorted(maps.Keys(formats)) }

// Write writes the report, whole or (where w fails) in part, in one of Formats:
//
//   - text: for a terminal of 100 columns
//   - json: the documented object, indented, ASCII wherever a character could steer a terminal
//   - csv: RFC 4180 with a header. The column kind is service, endpoint (one of the service's, in the
//     rows below it) or undocumented; what a kind does not have is empty. Several ids in a cell are
//     apart by a space. A cell that a spreadsheet could run as a formula begins with '.
//   - md: GitHub's Markdown, the same content as text
//
// Text and md are in the language of Options.Lang, and show the rows with most requests of what is
// long; json and csv have everything.
func (r *Report) Write(w io.Writer, format string) error {
	write, ok := formats[format]
	if !ok {
		return fmt.Errorf("unknown report format %q: choose one of %s", format, strings.Join(Formats(), ", "))
	}
	var out bytes.Buffer
	if err := write(&out, r); err != nil {
		return fmt.Errorf("writing report as %s: %w", format, err)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return nil
}

func writeJSON(out *bytes.Buffer, r *Report) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	for _, c := range string(data) {
		escapeRune(out, c)
	}
	out.WriteByte('\n')
	return nil
}

// escapeRune writes c as JSON may hold it: C1 controls, direction marks and the like, which JSON
// allows as they are, escaped. They can only stand in strings.
func escapeRune(out *bytes.Buffer, c rune) {
	switch high, low := utf16.EncodeRune(c); {
	case c == '\n' || unicode.IsPrint(c):
		out.WriteRune(c)
	case c > 0xffff:
		fmt.Fprintf(out, `\u%04x\u%04x`, high, low)
	default:
		fmt.Fprintf(out, `\u%04x`, c)
	}
}
