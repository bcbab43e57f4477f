package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Printable makes text of unknown origin safe to show: on a terminal, in a report, in a line of
// its own. What is not a visible character or a plain space is written out: bytes that are not
// UTF-8 and ASCII controls as \x1b, everything else (C1 controls, bidi overrides, zero-width and
// unassigned characters, other spaces) as \u202e or \U000e0041. A backslash stays as it is, so that
// Printable of a printable text is that text.
func Printable(s string) string {
	if isPrintable(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1, r < utf8.RuneSelf && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsPrint(r):
			b.WriteString(s[:size])
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[size:]
	}
	return b.String()
}

func isPrintable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// printableJSON gives equal JSON in one line, in which what Printable would write out is escaped as
// \uXXXX. What is not JSON becomes {"unreadable":"..."}.
func printableJSON(line []byte) []byte {
	if isPrintable(string(line)) && json.Valid(line) {
		return line
	}
	var compact bytes.Buffer
	if json.Compact(&compact, line) != nil {
		line, _ = json.Marshal(map[string]string{"unreadable": Printable(string(line))})
		return line
	}
	var out []byte
	for rest := compact.Bytes(); len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if unicode.IsPrint(r) && (r != utf8.RuneError || size > 1) {
			out = append(out, rest[:size]...)
		} else {
			out = appendEscaped(out, r)
		}
		rest = rest[size:]
	}
	return out
}

func appendEscaped(out []byte, r rune) []byte {
	if r <= 0xffff {
		return fmt.Appendf(out, `\u%04x`, r)
	}
	high, low := utf16.EncodeRune(r)
	return fmt.Appendf(out, `\u%04x\u%04x`, high, low)
}
