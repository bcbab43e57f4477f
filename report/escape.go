package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sepproxy/sepproxy/audit"
)

// printable makes anything that may come from a trail safe for a terminal: controls, escape
// sequences, direction marks and line ends become visible.
func printable(s string) string { return audit.Printable(s) }

// csvCell keeps a spreadsheet from running a cell: a leading sign of a formula, also after spaces or
// in its full width, gets a ' in front. A ; is a separator wherever the comma is a decimal sign and
// would make a cell begin in the middle of ours, so it is written as \x3b.
func csvCell(s string) string {
	s = strings.ReplaceAll(printable(s), ";", `\x3b`)
	if first, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(s, unicode.IsSpace)); strings.ContainsRune("=+-@＝＋－＠", first) {
		return "'" + s
	}
	return s
}

// mdCode makes a code span, in which Markdown reads no link, HTML or emphasis. The two characters
// that could end it or its table cell become visible escapes.
func mdCode(s string) string {
	if s == "" {
		return ""
	}
	return "`" + strings.NewReplacer("`", `\x60`, "|", `\x7c`).Replace(printable(s)) + "`"
}

// mdText makes text of which Markdown reads nothing as markup: punctuation becomes character
// references, which stand for themselves (CommonMark 0.31, section 2.5).
func mdText(s string) string {
	var out strings.Builder
	for _, c := range printable(s) {
		if c < utf8.RuneSelf && !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune(" .,:;()/%+-", c) {
			fmt.Fprintf(&out, "&#%d;", c)
			continue
		}
		out.WriteRune(c)
	}
	return links.Replace(out.String())
}

// links breaks what GitHub would make a link of without any markup.
var links = strings.NewReplacer("www.", "www&#46;", "://", "&#58;//")
