package audit

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// A jsonObject is JSON under construction, without reflection: every request writes two.
type jsonObject []byte

func (o *jsonObject) name(key string) {
	if b := *o; b[len(b)-1] != '{' {
		*o = append(*o, ',')
	}
	*o = append(append(append(*o, '"'), key...), `":`...)
}

// open begins a member that is an object; close ends it.
func (o *jsonObject) open(key string) {
	o.name(key)
	*o = append(*o, '{')
}

func (o *jsonObject) close() { *o = append(*o, '}') }

// text is left out when it is empty, as optional members are; value is not.
func (o *jsonObject) text(key, s string) {
	if s != "" {
		o.value(key, s)
	}
}

func (o *jsonObject) value(key, s string) {
	o.name(key)
	*o = appendQuoted(*o, s)
}

// texts writes [] for an empty list.
func (o *jsonObject) texts(key string, list []string) {
	o.name(key)
	*o = append(*o, '[')
	for i, s := range list {
		if i > 0 {
			*o = append(*o, ',')
		}
		*o = appendQuoted(*o, s)
	}
	*o = append(*o, ']')
}

// number is left out when it is 0; count is not.
func (o *jsonObject) number(key string, n int64) {
	if n != 0 {
		o.count(key, n)
	}
}

func (o *jsonObject) count(key string, n int64) {
	o.name(key)
	*o = strconv.AppendInt(*o, n, 10)
}

func (o *jsonObject) unsigned(key string, n uint64) {
	o.name(key)
	*o = strconv.AppendUint(*o, n, 10)
}

func (o *jsonObject) boolean(key string, b bool) {
	o.name(key)
	*o = strconv.AppendBool(*o, b)
}

// time writes RFC 3339 in UTC, always with nine digits of a second.
func (o *jsonObject) time(key string, t time.Time) {
	o.name(key)
	b := append(*o, '"')
	b = t.UTC().AppendFormat(b, time.RFC3339)
	b[len(b)-1] = '.' // in the place of the Z
	nine := strconv.AppendInt(make([]byte, 0, 10), 1e9+int64(t.Nanosecond()), 10)[1:]
	*o = append(append(b, nine...), `Z"`...)
}

const hexDigits = "0123456789abcdef"

// appendQuoted writes a JSON string (RFC 8259 §7). Bytes that are not UTF-8 become U+FFFD.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf:
			i++
			continue
		case c < utf8.RuneSelf:
			b = appendEscape(append(b, s[done:i]...), c)
			i++
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			b = append(append(b, s[done:i]...), `\ufffd`...)
			i++
		}
		done = i
	}
	return append(append(b, s[done:]...), '"')
}

// appendEscape writes a quotation mark, a backslash or a control character.
func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
