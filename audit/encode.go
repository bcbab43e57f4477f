package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

const (
	ecsVersion  = "8.17.0"
	eventKind   = "event"
	dataset     = "sepproxy.audit"
	timeLayout  = "2006-01-02T15:04:05.000000000Z07:00" // RFC 3339, always nine digits
	proxyType   = "proxy"
	productName = "sepproxy"
)

// MaxLine is the longest line of a trail in bytes, its newline included: what is longer is not
// written, and not read either.
const MaxLine = 1 << 20

// An encoder turns records into JSON objects. It is zap's JSON encoder without zap's Logger, which
// would swallow write errors. Not safe for concurrent use.
type encoder struct {
	zap    zapcore.Encoder
	fields [1]zapcore.Field // reused, so that a record costs no slice of its own
}

func newEncoder() *encoder {
	return &encoder{zap: zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		SkipLineEnding: true,
		EncodeTime:     zapcore.TimeEncoderOfLayout(timeLayout),
	})}
}

// encode gives the record without its chain, as one JSON object. The caller frees the buffer.
func (e *encoder) encode(r *Record) (*buffer.Buffer, error) {
	e.fields[0] = zapcore.Field{Type: zapcore.InlineMarshalerType, Interface: r}
	return e.zap.EncodeEntry(zapcore.Entry{}, e.fields[:])
}

// ParseLine reads one line of a trail, with or without its newline. It does not check the chain
// (Verify does) and passes over members it does not know, which later versions may add.
func ParseLine(line []byte) (*Record, error) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return new(fastParser).parseAny(line, string(line))
}

// parseAny reads any line. What encoding/json has to read stays valid after the next call.
func (p *fastParser) parseAny(raw []byte, text string) (*Record, error) {
	if r, ok := p.parse(raw, text); ok {
		return r, nil
	}
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

// The marshalers below write the members in the order of the documented example. None of them can
// fail: nothing is reflected, and no marshaler is foreign.

func addText(enc zapcore.ObjectEncoder, key, value string) {
	if value != "" {
		enc.AddString(key, value)
	}
}

func addNumber(enc zapcore.ObjectEncoder, key string, value int64) {
	if value != 0 {
		enc.AddInt64(key, value)
	}
}

// addObject leaves out a nil member.
func addObject[P interface {
	comparable
	zapcore.ObjectMarshaler
}](enc zapcore.ObjectEncoder, key string, value P) {
	var none P
	if value != none {
		_ = enc.AddObject(key, value)
	}
}

// addTexts writes [] for an empty list.
func addTexts(enc zapcore.ObjectEncoder, key string, list *[]string) {
	_ = enc.AddArray(key, (*texts)(list))
}

type texts []string

func (t *texts) MarshalLogArray(enc zapcore.ArrayEncoder) error {
	for _, s := range *t {
		enc.AppendString(s)
	}
	return nil
}

// MarshalLogObject writes all members but chain, which depends on the others' bytes.
func (r *Record) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddTime("@timestamp", r.Time.UTC())
	addObject(enc, "ecs", &r.ECS)
	_ = enc.AddObject("event", &r.Event)
	addText(enc, "message", r.Message)
	addObject(enc, "observer", &r.Observer)
	addObject(enc, "transaction", r.Transaction)
	addObject(enc, "source", r.Source)
	addObject(enc, "destination", r.Destination)
	addObject(enc, "http", r.HTTP)
	addObject(enc, "url", r.URL)
	addObject(enc, "tls", r.TLS)
	addObject(enc, "rule", r.Rule)
	addObject(enc, "sepproxy", &r.Sepproxy)
	return nil
}

// MarshalLogObject writes e for zap's encoder.
func (e *ECS) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("version", e.Version)
	return nil
}

// MarshalLogObject writes e for zap's encoder.
func (e *Event) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("kind", e.Kind)
	enc.AddString("dataset", e.Dataset)
	addTexts(enc, "category", &e.Category)
	enc.AddString("action", e.Action)
	addTexts(enc, "type", &e.Type)
	addText(enc, "reason", e.Reason)
	addText(enc, "outcome", e.Outcome)
	if e.Action == ActionOutcome || e.Duration != 0 {
		enc.AddInt64("duration", e.Duration)
	}
	enc.AddUint64("sequence", e.Sequence)
	return nil
}

// MarshalLogObject writes o for zap's encoder.
func (o *Observer) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("hostname", o.Hostname)
	addText(enc, "type", o.Type)
	addText(enc, "product", o.Product)
	addText(enc, "version", o.Version)
	return nil
}

// MarshalLogObject writes t for zap's encoder.
func (t *Transaction) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("id", t.ID)
	return nil
}

// MarshalLogObject writes e for zap's encoder.
func (e *Endpoint) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	addText(enc, "ip", e.IP)
	addNumber(enc, "port", int64(e.Port))
	if e.Bytes != nil {
		enc.AddInt64("bytes", *e.Bytes)
	}
	return nil
}

// MarshalLogObject writes h for zap's encoder.
func (h *HTTP) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	addObject(enc, "request", h.Request)
	addObject(enc, "response", h.Response)
	return nil
}

// MarshalLogObject writes h for zap's encoder.
func (h *HTTPRequest) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	addText(enc, "method", h.Method)
	return nil
}

// MarshalLogObject writes h for zap's encoder.
func (h *HTTPResponse) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	addNumber(enc, "status_code", int64(h.StatusCode))
	return nil
}

// MarshalLogObject writes u for zap's encoder.
func (u *URL) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	addText(enc, "scheme", u.Scheme)
	addText(enc, "domain", u.Domain)
	addNumber(enc, "port", int64(u.Port))
	addText(enc, "path", u.Path)
	addText(enc, "original", u.Original)
	return nil
}

// MarshalLogObject writes t for zap's encoder.
func (t *TLS) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	addObject(enc, "client", t.Client)
	return nil
}

// MarshalLogObject writes t for zap's encoder.
func (t *TLSClient) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	addText(enc, "server_name", t.ServerName)
	return nil
}

// MarshalLogObject writes r for zap's encoder.
func (r *Rule) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	addText(enc, "name", r.Name)
	addText(enc, "ruleset", r.Ruleset)
	return nil
}

// MarshalLogObject writes s for zap's encoder.
func (s *Sepproxy) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	addText(enc, "verdict", s.Verdict)
	addText(enc, "reason", s.Reason)
	addText(enc, "would", s.Would)
	if s.Documented != nil {
		enc.AddBool("documented", *s.Documented)
	}
	if s.Documented != nil || len(s.Services) > 0 {
		addTexts(enc, "services", &s.Services)
	}
	addText(enc, "client", s.Client)
	addText(enc, "mode", s.Mode)
	addText(enc, "policy", s.Policy)
	addObject(enc, "tls", s.TLS)
	addNumber(enc, "count", s.Count)
	addText(enc, "lifecycle", s.Lifecycle)
	addObject(enc, "previous", s.Previous)
	addObject(enc, "deleted", s.Deleted)
	addObject(enc, "resumed", s.Resumed)
	return nil
}

// MarshalLogObject writes o for zap's encoder.
func (o *Offered) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	if len(o.ALPN) > 0 {
		addTexts(enc, "offered_alpn", &o.ALPN)
	}
	if len(o.Version) > 0 {
		addTexts(enc, "offered_version", &o.Version)
	}
	return nil
}

// MarshalLogObject writes p for zap's encoder.
func (p *Previous) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("file", p.File)
	enc.AddUint64("sequence", p.Sequence)
	enc.AddString("chain", p.Chain)
	return nil
}

// MarshalLogObject writes d for zap's encoder.
func (d *Deleted) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	addTexts(enc, "files", &d.Files)
	enc.AddUint64("first", d.First)
	enc.AddUint64("last", d.Last)
	enc.AddString("chain", d.Chain)
	return nil
}

// MarshalLogObject writes r for zap's encoder.
func (r *Resumed) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddInt64("unrecorded", r.Unrecorded)
	if r.EndedBefore != 0 {
		enc.AddUint64("ended_before", r.EndedBefore)
	}
	addText(enc, "set_aside", r.SetAside)
	return nil
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
