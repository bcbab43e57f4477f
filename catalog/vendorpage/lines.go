package vendorpage

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/charset"
)

// A line is what a reader sees as one: in HTML, what stands between two tags that break lines.
type line struct {
	number int    // of the line in the file on which it begins, from 1
	text   string // as tidy gives it, never empty
	within []place
}

// A place is a row of an HTML table; both numbers count through the page, from 1. The zero place is none.
type place struct{ table, row int }

// readLines takes HTML or text, in UTF-8 or what the HTML standard's rules find.
func readLines(data []byte) ([]line, error) {
	if !utf8.Valid(data) {
		decoded, err := charset.NewReader(bytes.NewReader(data), "")
		if err == nil {
			data, err = io.ReadAll(decoded)
		}
		if err != nil {
			return nil, fmt.Errorf("decoding the page: %w; save it as UTF-8", err)
		}
	}
	if isHTML(data) {
		return htmlLines(data), nil
	}
	return textLines(string(data)), nil
}

// isHTML tells whether some tag is closed: the page as text has no reason to say "</".
func isHTML(text []byte) bool {
	z := html.NewTokenizer(bytes.NewReader(text))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return false
		case html.EndTagToken, html.DoctypeToken:
			return true
		}
	}
}

// textLines has a line for each cell where a table was copied with tabs between its columns.
func textLines(text string) []line {
	var lines []line
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n").Replace(text)
	for i, whole := range strings.Split(text, "\n") {
		for cell := range strings.SplitSeq(whole, "\t") {
			if cell = tidy(cell); cell != "" {
				lines = append(lines, line{number: i + 1, text: cell})
			}
		}
	}
	return lines
}

// tidy removes what nobody sees: soft hyphens, zero-width characters, controls. Every kind and number of
// spaces becomes one.
func tidy(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsGraphic(r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// An htmlReader gathers lines from tokens. It works without a tree, since only tokens know their place in the file.
type htmlReader struct {
	number int // of the line of the file that is read
	begun  int // the same, where text began
	text   strings.Builder
	within []place // one for each open table, the outermost first
	tables int
	rows   int
	lines  []line
}

func htmlLines(data []byte) []line {
	z := html.NewTokenizer(bytes.NewReader(data))
	r := htmlReader{number: 1}
	hidden := false
	for {
		kind := z.Next()
		newlines := bytes.Count(z.Raw(), []byte("\n"))
		switch kind {
		case html.ErrorToken:
			r.end()
			return r.lines
		case html.TextToken:
			if !hidden {
				r.write(string(z.Text()))
			}
		case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
			tag, _ := z.TagName()
			name := string(tag)
			r.tag(name, kind == html.EndTagToken)
			hidden = kind == html.StartTagToken && slices.Contains([]string{"script", "style", "title"}, name)
		}
		r.number += newlines
	}
}

func (r *htmlReader) write(text string) {
	if strings.TrimSpace(r.text.String()) == "" {
		blank := text[:len(text)-len(strings.TrimLeftFunc(text, unicode.IsSpace))]
		r.begun = r.number + strings.Count(blank, "\n")
	}
	r.text.WriteString(text)
}

// inline are the tags that do not break a line. Those of raised and lowered text are not among them only
// because their text must not run into a URL before it.
var inline = []string{"a", "abbr", "b", "bdi", "bdo", "code", "del", "em", "font", "i", "img", "ins", "kbd", "mark",
	"q", "s", "samp", "small", "span", "strong", "tt", "u", "var", "wbr"}

func (r *htmlReader) tag(name string, ends bool) {
	switch {
	case slices.Contains(inline, name):
		return
	case name == "sup" || name == "sub":
		r.text.WriteByte(' ')
		return
	}
	r.end()
	switch {
	case name == "table" && ends:
		r.within = r.within[:max(0, len(r.within)-1)]
	case name == "table":
		r.tables++
		r.within = append(r.within, place{table: r.tables})
	case name == "tr" && !ends && len(r.within) > 0:
		r.rows++
		r.within[len(r.within)-1].row = r.rows
	}
}

func (r *htmlReader) end() {
	if text := tidy(r.text.String()); text != "" {
		r.lines = append(r.lines, line{r.begun, text, slices.Clone(r.within)})
	}
	r.text.Reset()
}
