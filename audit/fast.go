package audit

import (
	"encoding/binary"
	"strings"
	"time"
)

// A fastParser reads the lines that our own encoder writes for decisions and outcomes, which is nearly
// all of a trail, many times faster than encoding/json: members in their order, no white space, no
// escapes. Of anything else it says that it cannot, and encoding/json has to. What it reads it reads
// exactly as encoding/json would, which is fuzzed.
type fastParser struct {
	slot
	line line
	days calendar
}

// A slot is a record with all that it points to, in one piece.
type slot struct {
	record      Record
	category    [2]string
	types       [4]string
	services    [8]string
	alpn        [8]string
	versions    [8]string
	transaction Transaction
	source      Endpoint
	destination Endpoint
	http        HTTP
	request     HTTPRequest
	response    HTTPResponse
	url         URL
	tls         TLS
	client      TLSClient
	rule        Rule
	offered     Offered
	sent        int64
	received    int64
	documented  bool
}

// parse reads a line without newline; text is the same as raw. The record is valid until the next call,
// its strings are parts of text.
func (p *fastParser) parse(raw []byte, text string) (*Record, bool) {
	if !plain(raw) {
		return nil, false
	}
	p.slot = slot{}
	p.line = line{rest: text}
	if !p.head() || !p.peers() || !p.what() || !p.verdict() || !p.chain() {
		return nil, false
	}
	return &p.record, true
}

// plain tells whether raw is ASCII without control characters and escapes, so that every string in it
// ends at the next quotation mark and means what it says.
func plain(raw []byte) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; len(raw) >= 8; raw = raw[8:] {
		w := binary.LittleEndian.Uint64(raw)
		backslash := w ^ '\\'*ones
		// A byte of the difference borrows only where the byte, or one below it, is too small: no false "plain".
		if (w|(w-' '*ones)|(backslash-ones)&^backslash)&high != 0 {
			return false
		}
	}
	for _, c := range raw {
		if c < ' ' || c >= 0x80 || c == '\\' {
			return false
		}
	}
	return true
}

func (p *fastParser) head() bool {
	l, r := &p.line, &p.record
	if !l.skip(`{"@timestamp":"`) || !p.days.time(l, &r.Time) ||
		!l.skip(`,"ecs":{"version":`) || !l.text(&r.ECS.Version) ||
		!l.skip(`},"event":{"kind":`) || !l.text(&r.Event.Kind) ||
		!l.skip(`,"dataset":`) || !l.text(&r.Event.Dataset) || r.Event.Dataset != dataset ||
		!l.skip(`,"category":`) || !l.texts(&r.Event.Category, p.category[:0]) ||
		!l.skip(`,"action":`) || !l.text(&r.Event.Action) || r.Event.Action == ActionLifecycle ||
		!l.skip(`,"type":`) || !l.texts(&r.Event.Type, p.types[:0]) ||
		!l.optionalText(`,"reason":`, &r.Event.Reason) || !l.optionalText(`,"outcome":`, &r.Event.Outcome) ||
		!l.optional(`,"duration":`, &r.Event.Duration) {
		return false
	}
	var sequence int64
	if !l.skip(`,"sequence":`) || !l.number(&sequence) || sequence == 0 {
		return false
	}
	r.Event.Sequence = uint64(sequence)
	return l.skip(`},"observer":{"hostname":`) && l.text(&r.Observer.Hostname) && l.skip(`}`)
}

func (p *fastParser) peers() bool {
	l, r := &p.line, &p.record
	if l.skip(`,"transaction":{"id":`) {
		r.Transaction = &p.transaction
		if !l.text(&p.transaction.ID) || !l.skip(`}`) {
			return false
		}
	}
	if l.skip(`,"source":`) {
		r.Source = &p.source
		if !l.endpoint(r.Source, &p.sent) {
			return false
		}
	}
	if l.skip(`,"destination":`) {
		r.Destination = &p.destination
		return l.endpoint(r.Destination, &p.received)
	}
	return true
}

func (l *line) endpoint(e *Endpoint, bytes *int64) bool {
	o := object{line: l}
	if o.member(`"ip":`) && !l.text(&e.IP) || o.member(`"port":`) && !l.port(&e.Port) {
		return false
	}
	if o.member(`"bytes":`) {
		e.Bytes = bytes
		if !l.number(bytes) {
			return false
		}
	}
	return o.end()
}

func (p *fastParser) what() bool {
	return p.httpObject() && p.urlObject() && p.tlsObject() && p.ruleObject()
}

func (p *fastParser) httpObject() bool {
	l := &p.line
	if !l.skip(`,"http":`) {
		return true
	}
	p.record.HTTP = &p.http
	o := object{line: l}
	if o.member(`"request":`) {
		p.http.Request = &p.request
		inner := object{line: l}
		if inner.member(`"method":`) && !l.text(&p.request.Method) || !inner.end() {
			return false
		}
	}
	if o.member(`"response":`) {
		var status int64
		p.http.Response = &p.response
		if !l.skip(`{"status_code":`) || !l.number(&status) || !l.skip(`}`) {
			return false
		}
		p.response.StatusCode = int(status)
	}
	return o.end()
}

func (p *fastParser) urlObject() bool {
	l, u := &p.line, &p.url
	if !l.skip(`,"url":`) {
		return true
	}
	p.record.URL = u
	o := object{line: l}
	if o.member(`"scheme":`) && !l.text(&u.Scheme) || o.member(`"domain":`) && !l.text(&u.Domain) ||
		o.member(`"port":`) && !l.port(&u.Port) || o.member(`"path":`) && !l.text(&u.Path) ||
		o.member(`"original":`) && !l.text(&u.Original) {
		return false
	}
	return o.end()
}

func (p *fastParser) tlsObject() bool {
	l := &p.line
	if !l.skip(`,"tls":{"client":{"server_name":`) {
		return true
	}
	p.record.TLS, p.tls.Client = &p.tls, &p.client
	return l.text(&p.client.ServerName) && l.skip(`}}`)
}

func (p *fastParser) ruleObject() bool {
	l := &p.line
	if !l.skip(`,"rule":`) {
		return true
	}
	p.record.Rule = &p.rule
	o := object{line: l}
	if o.member(`"name":`) && !l.text(&p.rule.Name) || o.member(`"ruleset":`) && !l.text(&p.rule.Ruleset) {
		return false
	}
	return o.end()
}

func (p *fastParser) verdict() bool {
	l, s := &p.line, &p.record.Sepproxy
	if !l.skip(`,"sepproxy":`) {
		return false
	}
	o := object{line: l}
	if o.member(`"verdict":`) && !l.text(&s.Verdict) || o.member(`"reason":`) && !l.text(&s.Reason) ||
		o.member(`"would":`) && !l.text(&s.Would) {
		return false
	}
	if o.member(`"documented":`) {
		s.Documented = &p.documented
		p.documented = l.skip(`true`)
		if !p.documented && !l.skip(`false`) {
			return false
		}
	}
	if o.member(`"services":`) && !l.texts(&s.Services, p.services[:0]) || o.member(`"client":`) && !l.text(&s.Client) ||
		o.member(`"mode":`) && !l.text(&s.Mode) || o.member(`"policy":`) && !l.text(&s.Policy) ||
		o.member(`"tls":`) && !p.offer() || o.member(`"count":`) && !l.number(&s.Count) {
		return false
	}
	return o.end()
}

func (p *fastParser) offer() bool {
	l := &p.line
	p.record.Sepproxy.TLS = &p.offered
	o := object{line: l}
	if o.member(`"offered_alpn":`) && !l.texts(&p.offered.ALPN, p.alpn[:0]) ||
		o.member(`"offered_version":`) && !l.texts(&p.offered.Version, p.versions[:0]) {
		return false
	}
	return o.end()
}

func (p *fastParser) chain() bool {
	l := &p.line
	return l.skip(`,"chain":`) && l.text(&p.record.Chain) && l.rest == `}`
}

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
	if len(rest) <= len(name) || rest[0] != first || rest[1:1+len(name)] != name {
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
type line struct{ rest string }

// skip takes exactly this text.
func (l *line) skip(text string) bool {
	if !strings.HasPrefix(l.rest, text) {
		return false
	}
	l.rest = l.rest[len(text):]
	return true
}

// text takes a string; the line has no escapes.
func (l *line) text(out *string) bool {
	if len(l.rest) < 2 || l.rest[0] != '"' {
		return false
	}
	end := strings.IndexByte(l.rest[1:], '"')
	if end < 0 {
		return false
	}
	*out, l.rest = l.rest[1:1+end], l.rest[2+end:]
	return true
}

func (l *line) optionalText(name string, out *string) bool { return !l.skip(name) || l.text(out) }

// texts takes a list of strings that has room in list.
func (l *line) texts(out *[]string, list []string) bool {
	if !l.skip(`[`) {
		return false
	}
	for !l.skip(`]`) {
		if len(list) == cap(list) || len(list) > 0 && !l.skip(`,`) {
			return false
		}
		list = list[:len(list)+1]
		if !l.text(&list[len(list)-1]) {
			return false
		}
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

func (c *calendar) day(date string) bool {
	if date == c.date {
		return true
	}
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return false
	}
	c.date, c.midnight = strings.Clone(date), t.Unix()
	return true
}

// digits gives the number that s is, and -1 where it is none.
func digits(s string) int64 {
	n := int64(0)
	for i := range len(s) {
		digit := s[i] - '0'
		if digit > 9 {
			return -1
		}
		n = 10*n + int64(digit)
	}
	return n
}
