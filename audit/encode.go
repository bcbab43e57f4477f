package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	ecsVersion  = "8.17.0"
	eventKind   = "event"
	dataset     = "sepproxy.audit"
	proxyType   = "proxy"
	productName = "sepproxy"
)

// MaxLine is the longest line of a trail in bytes, its newline included: what is longer is not
// written, and not read either.
const MaxLine = 1 << 20

// ParseLine reads one line of a trail, with or without its newline. It does not check the chain
// (Verify does) and passes over members it does not know, which later versions may add.
func ParseLine(line []byte) (*Record, error) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return new(fastParser).parseAny(line)
}

// parseAny reads any line. What encoding/json has to read stays valid after the next call.
func (p *fastParser) parseAny(raw []byte) (*Record, error) {
	if r, ok := p.parse(raw); ok {
		return r, nil
	}
	p.memo = nil
	return parseJSON(raw)
}

func parseJSON(line []byte) (*Record, error) {
	var r Record
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, fmt.Errorf("reading audit record: %w", err)
	}
	if r.Event.Dataset != dataset || r.Event.Sequence == 0 {
		return nil, errors.New("reading audit record: the line is JSON, but not one of sepproxy's audit records")
	}
	r.Time = r.Time.UTC()
	if y := r.Time.Year(); y < 0 || y > 9999 { // what RFC 3339 can say
		return nil, fmt.Errorf("reading audit record: no time can be in the year %d", y)
	}
	return &r, nil
}

// appendRecord writes the record as one JSON object, its members in the order of the documented
// example, without its end: chain, the last member, depends on the others' bytes.
func appendRecord(b []byte, r *Record) []byte {
	o := jsonObject(append(b, '{'))
	o.time("@timestamp", r.Time)
	o.open("ecs")
	o.value("version", r.ECS.Version)
	o.close()
	o.event(&r.Event)
	o.text("message", r.Message)
	o.observer(&r.Observer)
	if t := r.Transaction; t != nil {
		o.open("transaction")
		o.value("id", t.ID)
		o.close()
	}
	o.endpoint("source", r.Source)
	o.endpoint("destination", r.Destination)
	o.http(r.HTTP)
	o.url(r.URL)
	if r.TLS != nil {
		o.open("tls")
		if c := r.TLS.Client; c != nil {
			o.open("client")
			o.text("server_name", c.ServerName)
			o.close()
		}
		o.close()
	}
	if rule := r.Rule; rule != nil {
		o.open("rule")
		o.text("name", rule.Name)
		o.text("ruleset", rule.Ruleset)
		o.close()
	}
	o.sepproxy(&r.Sepproxy)
	return o
}

func (o *jsonObject) event(e *Event) {
	o.open("event")
	o.value("kind", e.Kind)
	o.value("dataset", e.Dataset)
	o.texts("category", e.Category)
	o.value("action", e.Action)
	o.texts("type", e.Type)
	o.text("reason", e.Reason)
	o.text("outcome", e.Outcome)
	if e.Action == ActionOutcome || e.Duration != 0 {
		o.count("duration", e.Duration)
	}
	o.unsigned("sequence", e.Sequence)
	o.close()
}

func (o *jsonObject) observer(v *Observer) {
	o.open("observer")
	o.value("hostname", v.Hostname)
	o.text("type", v.Type)
	o.text("product", v.Product)
	o.text("version", v.Version)
	o.close()
}

func (o *jsonObject) endpoint(key string, e *Endpoint) {
	if e == nil {
		return
	}
	o.open(key)
	o.text("ip", e.IP)
	o.number("port", int64(e.Port))
	if e.Bytes != nil {
		o.count("bytes", *e.Bytes)
	}
	o.close()
}

func (o *jsonObject) http(h *HTTP) {
	if h == nil {
		return
	}
	o.open("http")
	if h.Request != nil {
		o.open("request")
		o.text("method", h.Request.Method)
		o.close()
	}
	if h.Response != nil {
		o.open("response")
		o.number("status_code", int64(h.Response.StatusCode))
		o.close()
	}
	o.close()
}

func (o *jsonObject) url(u *URL) {
	if u == nil {
		return
	}
	o.open("url")
	o.text("scheme", u.Scheme)
	o.text("domain", u.Domain)
	o.number("port", int64(u.Port))
	o.text("path", u.Path)
	o.text("original", u.Original)
	o.close()
}

func (o *jsonObject) sepproxy(s *Sepproxy) {
	o.open("sepproxy")
	o.text("verdict", s.Verdict)
	o.text("reason", s.Reason)
	o.text("would", s.Would)
	if s.Documented != nil {
		o.boolean("documented", *s.Documented)
	}
	if s.Documented != nil || len(s.Services) > 0 {
		o.texts("services", s.Services)
	}
	o.text("client", s.Client)
	o.text("mode", s.Mode)
	o.text("policy", s.Policy)
	o.offered(s.TLS)
	o.number("count", s.Count)
	o.text("lifecycle", s.Lifecycle)
	o.previous(s.Previous)
	o.deleted(s.Deleted)
	o.resumed(s.Resumed)
	o.close()
}

func (o *jsonObject) offered(t *Offered) {
	if t == nil {
		return
	}
	o.open("tls")
	if len(t.ALPN) > 0 {
		o.texts("offered_alpn", t.ALPN)
	}
	if len(t.Version) > 0 {
		o.texts("offered_version", t.Version)
	}
	o.close()
}

func (o *jsonObject) previous(p *Previous) {
	if p == nil {
		return
	}
	o.open("previous")
	o.value("file", p.File)
	o.unsigned("sequence", p.Sequence)
	o.value("chain", p.Chain)
	o.close()
}

func (o *jsonObject) deleted(d *Deleted) {
	if d == nil {
		return
	}
	o.open("deleted")
	o.texts("files", d.Files)
	o.unsigned("first", d.First)
	o.unsigned("last", d.Last)
	o.value("chain", d.Chain)
	o.close()
}

func (o *jsonObject) resumed(r *Resumed) {
	if r == nil {
		return
	}
	o.open("resumed")
	o.count("unrecorded", r.Unrecorded)
	if r.EndedBefore != 0 {
		o.unsigned("ended_before", r.EndedBefore)
	}
	o.text("set_aside", r.SetAside)
	o.close()
}

// complete fills in what every record of this log has in common; see Record.
func (l *Log) complete(r *Record, sequence uint64) {
	if r.Time.IsZero() {
		r.Time = l.now()
	}
	r.ECS.Version = ecsVersion
	r.Event.Kind, r.Event.Dataset = eventKind, dataset
	r.Event.Sequence = sequence
	r.Observer.Hostname = l.opts.Hostname
	if r.Sepproxy.Lifecycle == LifecycleStart {
		r.Observer = Observer{Hostname: l.opts.Hostname, Type: proxyType, Product: productName, Version: l.opts.Version}
	}
}

// lifecycle makes a record that the log writes about itself.
func lifecycle(what, message string, now time.Time) *Record {
	return &Record{
		Time:     now,
		Event:    Event{Category: []string{"process"}, Action: ActionLifecycle, Type: []string{"info"}},
		Message:  message,
		Sepproxy: Sepproxy{Lifecycle: what},
	}
}
