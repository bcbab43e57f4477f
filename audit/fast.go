package audit

// A fastParser reads the lines that our own encoder writes for decisions and outcomes, which is nearly
// all of a trail, many times faster than encoding/json: members in their order, no white space, no
// escapes. Of anything else it says that it cannot, and encoding/json has to. What it reads it reads
// exactly as encoding/json would, which is fuzzed.
//
// Little is new in most lines: time, numbers, transaction and client. The parser remembers the text of
// the other parts and what it means. The zero value is ready; it is for one goroutine.
type fastParser struct {
	slot
	line     line
	days     calendar
	heads    []*head
	observer string // the text of the last one, and
	hostname string // what it says
	topics   map[string]*topic
	ips      map[string]string
	brief    bool // leave out what every record has of its own: transaction and chain
	memo     *any // of the topic of the last line
}

// Bounds of what is remembered; beyond them it begins anew.
const (
	maxHeads     = 16
	maxTopics    = 2_048
	maxIPs       = 65_536
	longestHead  = 512   // bytes
	longestTopic = 1_024 // bytes
)

// A slot is what belongs to one record alone, in one piece.
type slot struct {
	record      Record
	transaction Transaction
	source      Endpoint
	destination Endpoint
	sent        int64
	received    int64
}

// parse reads a line without newline. The record is valid until the next call, and only to be read: what
// it points to may be shared with other records. Its strings stay valid.
func (p *fastParser) parse(raw []byte) (*Record, bool) {
	p.slot, p.memo = slot{}, nil
	p.line = line{raw}
	if !p.line.skip(`{"@timestamp":"`) || !p.days.time(&p.line, &p.record.Time) ||
		!p.head() || !p.peers() || !p.topic() {
		return nil, false
	}
	return &p.record, true
}

// A head is the text from ecs to what says, in event, which kind of event it is.
type head struct {
	text  string
	ecs   ECS
	event Event
}

func (p *fastParser) head() bool {
	l, r := &p.line, &p.record
	h := p.findHead()
	if h == nil {
		return false
	}
	r.ECS, r.Event = h.ecs, h.event
	var sequence int64
	if !l.optional(`,"duration":`, &r.Event.Duration) || !l.skip(`,"sequence":`) || !l.number(&sequence) || sequence == 0 {
		return false
	}
	r.Event.Sequence = uint64(sequence)
	if p.observer == "" || !l.skip(p.observer) {
		before := l.rest
		if !l.skip(`},"observer":{"hostname":`) || !l.text(&r.Observer.Hostname) || !l.skip(`}`) {
			return false
		}
		p.observer, p.hostname = string(before[:len(before)-len(l.rest)]), r.Observer.Hostname
	}
	r.Observer.Hostname = p.hostname
	return true
}

// findHead takes a head and remembers it; nil if there is none.
func (p *fastParser) findHead() *head {
	for _, h := range p.heads {
		if p.line.skip(h.text) {
			return h
		}
	}
	l, h := line{p.line.rest[:min(len(p.line.rest), longestHead)]}, new(head)
	text := l.rest
	if !h.read(&l) {
		return nil
	}
	h.text = string(text[:len(text)-len(l.rest)])
	if len(p.heads) == maxHeads {
		p.heads = nil
	}
	p.heads = append(p.heads, h)
	p.line.skip(h.text)
	return h
}

func (h *head) read(l *line) bool {
	return l.skip(`,"ecs":{"version":`) && l.text(&h.ecs.Version) &&
		l.skip(`},"event":{"kind":`) && l.text(&h.event.Kind) &&
		l.skip(`,"dataset":`) && l.text(&h.event.Dataset) && h.event.Dataset == dataset &&
		l.skip(`,"category":`) && l.texts(&h.event.Category) &&
		l.skip(`,"action":`) && l.text(&h.event.Action) && h.event.Action != ActionLifecycle &&
		l.skip(`,"type":`) && l.texts(&h.event.Type) &&
		l.optionalText(`,"reason":`, &h.event.Reason) && l.optionalText(`,"outcome":`, &h.event.Outcome)
}

func (p *fastParser) peers() bool {
	l, r := &p.line, &p.record
	if l.skip(`,"transaction":{"id":`) {
		r.Transaction = &p.transaction
		if !p.own(len("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"), &p.transaction.ID) || !l.skip(`}`) {
			return false
		}
	}
	if l.skip(`,"source":`) {
		r.Source = &p.source
		if !p.endpoint(r.Source, &p.sent) {
			return false
		}
	}
	if l.skip(`,"destination":`) {
		r.Destination = &p.destination
		return p.endpoint(r.Destination, &p.received)
	}
	return true
}

// own takes a text that no other record has, and that has this length nearly always.
func (p *fastParser) own(length int, out *string) bool {
	raw, ok := p.line.quotedOf(length)
	if !p.brief {
		*out = string(raw)
	}
	return ok
}

func (p *fastParser) endpoint(e *Endpoint, bytes *int64) bool {
	l := &p.line
	o := object{line: l}
	if o.member(`"ip":`) && !p.ip(&e.IP) || o.member(`"port":`) && !l.port(&e.Port) {
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

func (p *fastParser) ip(out *string) bool {
	raw, ok := p.line.quoted()
	if !ok {
		return false
	}
	if *out, ok = p.ips[string(raw)]; ok {
		return true
	}
	*out = string(raw)
	if p.ips == nil || len(p.ips) == maxIPs {
		p.ips = make(map[string]string)
	}
	p.ips[*out] = *out
	return true
}

// topic takes the rest of the line.
func (p *fastParser) topic() bool {
	rest := p.line.rest
	if len(rest) < sealLen {
		return false
	}
	text, end := rest[:len(rest)-sealLen], line{rest[len(rest)-sealLen:]}
	t := p.topics[string(text)]
	if t == nil {
		if t = p.newTopic(text); t == nil {
			return false
		}
	}
	r := &p.record
	r.HTTP, r.URL, r.TLS, r.Rule, r.Sepproxy = t.HTTP, t.URL, t.TLS, t.Rule, t.Sepproxy
	p.memo, p.line = &t.memo, end
	return p.line.skip(`,"chain":`) && p.own(len(link{}), &r.Chain) && string(p.line.rest) == `}`
}

func (p *fastParser) newTopic(text []byte) *topic {
	t := new(topic)
	if l := (line{text}); !t.read(&l) || len(l.rest) > 0 {
		return nil
	}
	if len(text) > longestTopic {
		return t
	}
	if p.topics == nil || len(p.topics) == maxTopics {
		p.topics = make(map[string]*topic)
	}
	p.topics[string(text)] = t
	return t
}

// A topic is the meaning of the text from http to sepproxy: what was asked for and what was decided.
type topic struct {
	HTTP     *HTTP
	URL      *URL
	TLS      *TLS
	Rule     *Rule
	Sepproxy Sepproxy
	memo     any // Line.Memo
}

func (t *topic) read(l *line) bool {
	return t.readHTTP(l) && t.readURL(l) && t.readTLS(l) && t.readRule(l) && t.readSepproxy(l)
}

func (t *topic) readHTTP(l *line) bool {
	if !l.skip(`,"http":`) {
		return true
	}
	t.HTTP = new(HTTP)
	o := object{line: l}
	if o.member(`"request":`) {
		t.HTTP.Request = new(HTTPRequest)
		inner := object{line: l}
		if inner.member(`"method":`) && !l.text(&t.HTTP.Request.Method) || !inner.end() {
			return false
		}
	}
	if o.member(`"response":`) {
		var status int64
		if !l.skip(`{"status_code":`) || !l.number(&status) || !l.skip(`}`) {
			return false
		}
		t.HTTP.Response = &HTTPResponse{int(status)}
	}
	return o.end()
}

func (t *topic) readURL(l *line) bool {
	if !l.skip(`,"url":`) {
		return true
	}
	u := new(URL)
	t.URL = u
	o := object{line: l}
	if o.member(`"scheme":`) && !l.text(&u.Scheme) || o.member(`"domain":`) && !l.text(&u.Domain) ||
		o.member(`"port":`) && !l.port(&u.Port) || o.member(`"path":`) && !l.text(&u.Path) ||
		o.member(`"original":`) && !l.text(&u.Original) {
		return false
	}
	return o.end()
}

func (t *topic) readTLS(l *line) bool {
	if !l.skip(`,"tls":{"client":{"server_name":`) {
		return true
	}
	t.TLS = &TLS{new(TLSClient)}
	return l.text(&t.TLS.Client.ServerName) && l.skip(`}}`)
}

func (t *topic) readRule(l *line) bool {
	if !l.skip(`,"rule":`) {
		return true
	}
	t.Rule = new(Rule)
	o := object{line: l}
	if o.member(`"name":`) && !l.text(&t.Rule.Name) || o.member(`"ruleset":`) && !l.text(&t.Rule.Ruleset) {
		return false
	}
	return o.end()
}

func (t *topic) readSepproxy(l *line) bool {
	s := &t.Sepproxy
	if !l.skip(`,"sepproxy":`) {
		return false
	}
	o := object{line: l}
	if o.member(`"verdict":`) && !l.text(&s.Verdict) || o.member(`"reason":`) && !l.text(&s.Reason) ||
		o.member(`"would":`) && !l.text(&s.Would) {
		return false
	}
	if o.member(`"documented":`) {
		s.Documented = new(l.skip(`true`))
		if !*s.Documented && !l.skip(`false`) {
			return false
		}
	}
	if o.member(`"services":`) && !l.texts(&s.Services) || o.member(`"client":`) && !l.text(&s.Client) ||
		o.member(`"mode":`) && !l.text(&s.Mode) || o.member(`"policy":`) && !l.text(&s.Policy) ||
		o.member(`"tls":`) && !t.readOffered(l) || o.member(`"count":`) && !l.number(&s.Count) {
		return false
	}
	return o.end()
}

func (t *topic) readOffered(l *line) bool {
	t.Sepproxy.TLS = new(Offered)
	o := object{line: l}
	if o.member(`"offered_alpn":`) && !l.texts(&t.Sepproxy.TLS.ALPN) ||
		o.member(`"offered_version":`) && !l.texts(&t.Sepproxy.TLS.Version) {
		return false
	}
	return o.end()
}
