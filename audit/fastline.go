package audit

import (
	"bytes"
	"encoding/binary"
	"time"
)

// An object reads members that may be left out, in a fixed order.
type object struct {
	line  *line
	begun bool
}

// member tells whether a member of this name, written with its colon, comes next, and goes to its value.
func (o *object) member(name string) bool {
	rest := o.line.rest
	first := byte(',')
	if !o.begun {
		first = '{'
	}
	if len(rest) <= len(name) || rest[0] != first || string(rest[1:1+len(name)]) != name {
		return false
	}
	o.begun = true
	o.line.rest = rest[1+len(name):]
	return true
}

// end takes the end of the object, which may be empty.
func (o *object) end() bool {
	if o.begun {
		return o.line.skip(`}`)
	}
	return o.line.skip(`{}`)
}

// A line is what is left to read of a line.
type line struct{ rest []byte }

// skip takes exactly this text.
func (l *line) skip(text string) bool {
	if len(l.rest) < len(text) || string(l.rest[:len(text)]) != text {
		return false
	}
	l.rest = l.rest[len(text):]
	return true
}

// text takes a string without escapes.
func (l *line) text(out *string) bool {
	raw, ok := l.quoted()
	*out = string(raw)
	return ok
}

// quoted is text without a copy.
func (l *line) quoted() ([]byte, bool) {
	if len(l.rest) < 2 || l.rest[0] != '"' {
		return nil, false
	}
	end := bytes.IndexByte(l.rest[1:], '"')
	if end < 0 {
		return nil, false
	}
	return l.take(end)
}

// quotedOf is quoted for a text that is likely to have this length: there is nothing to look for then.
func (l *line) quotedOf(length int) ([]byte, bool) {
	if len(l.rest) < length+2 || l.rest[0] != '"' || l.rest[length+1] != '"' {
		return l.quoted()
	}
	return l.take(length)
}

// take takes a text of this length between quotation marks.
func (l *line) take(length int) ([]byte, bool) {
	raw := l.rest[1 : 1+length]
	if !plain(raw) {
		return nil, false
	}
	l.rest = l.rest[2+length:]
	return raw, true
}

func (l *line) optionalText(name string, out *string) bool { return !l.skip(name) || l.text(out) }

// texts takes a list of strings.
func (l *line) texts(out *[]string) bool {
	if !l.skip(`[`) {
		return false
	}
	list := []string{}
	for !l.skip(`]`) {
		var s string
		if len(list) > 0 && !l.skip(`,`) || !l.text(&s) {
			return false
		}
		list = append(list, s)
	}
	*out = list
	return true
}

// number takes a number of at most 18 digits, which an int64 holds.
func (l *line) number(out *int64) bool {
	n, i := int64(0), 0
	for ; i < len(l.rest) && i < 18; i++ {
		digit := l.rest[i] - '0'
		if digit > 9 {
			break
		}
		n = 10*n + int64(digit)
	}
	if i == 0 || i > 1 && l.rest[0] == '0' || i == len(l.rest) || l.rest[i] != ',' && l.rest[i] != '}' {
		return false
	}
	*out, l.rest = n, l.rest[i:]
	return true
}

func (l *line) optional(name string, out *int64) bool { return !l.skip(name) || l.number(out) }

func (l *line) port(out *uint16) bool {
	var n int64
	ok := l.number(&n) && n <= 0xffff
	*out = uint16(n)
	return ok
}

// plain tells whether s is ASCII without control characters, escapes and quotation marks, so that it means what
// it says, all of it.
func plain(s []byte) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; len(s) >= 8; s = s[8:] {
		w := binary.LittleEndian.Uint64(s)
		backslash, quote := w^'\\'*ones, w^'"'*ones
		// A term has a high bit where a byte is beyond ASCII, below the space, a backslash, a quotation mark.
		if (w|(w-' '*ones)|(backslash-ones)&^backslash|(quote-ones)&^quote)&high != 0 {
			return false
		}
	}
	for _, c := range s {
		if c < ' ' || c >= 0x80 || c == '\\' || c == '"' {
			return false
		}
	}
	return true
}

// A calendar remembers when the day of the last time began.
type calendar struct {
	date     string
	midnight int64 // seconds since 1970
}

// time takes the rest of a quoted timestamp as our encoder writes it: nine digits, UTC.
func (c *calendar) time(l *line, out *time.Time) bool {
	const form = "2006-01-02T15:04:05.000000000Z\""
	if len(l.rest) < len(form) {
		return false
	}
	s := l.rest[:len(form)]
	if s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[19] != '.' || s[29] != 'Z' || s[30] != '"' || !c.day(s[:10]) {
		return false
	}
	hour, minute, second, nano := digits(s[11:13]), digits(s[14:16]), digits(s[17:19]), digits(s[20:29])
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 || nano < 0 {
		return false
	}
	*out = time.Unix(c.midnight+3600*hour+60*minute+second, nano).UTC()
	l.rest = l.rest[len(form):]
	return true
}

func (c *calendar) day(date []byte) bool {
	if string(date) == c.date {
		return true
	}
	t, err := time.Parse(time.DateOnly, string(date))
	if err != nil {
		return false
	}
	c.date, c.midnight = string(date), t.Unix()
	return true
}

// digits gives the number that s is, and -1 where it is none.
func digits(s []byte) int64 {
	n := int64(0)
	for _, c := range s {
		digit := c - '0'
		if digit > 9 {
			return -1
		}
		n = 10*n + int64(digit)
	}
	return n
}
