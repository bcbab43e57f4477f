package proxy

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/sepproxy/sepproxy/audit"
)

// ruleset is rule.ruleset: the vendor's list.
const ruleset = "sep-ses"

// What a record says of its kind. Nobody changes these.
var (
	categoryNetwork = []string{"network"}
	typeAllowed     = []string{"connection", "start", "allowed"}
	typeDenied      = []string{"connection", "denied"}
	typeEnd         = []string{"connection", "end"}
	typeEndDenied   = []string{"connection", "end", "denied"}
)

// A page is a record with all that it may point to, in one piece: every request makes two.
type page struct {
	audit.Record
	transaction audit.Transaction
	source      audit.Endpoint
	destination audit.Endpoint
	http        audit.HTTP
	request     audit.HTTPRequest
	response    audit.HTTPResponse
	url         audit.URL
	rule        audit.Rule
	documented  bool
	sent        int64
	received    int64
}

// decision makes the record of what was decided.
func (t *transaction) decision() *audit.Record {
	p := t.page(audit.ActionDecision)
	p.Event.Type = typeDenied
	if t.verdict.Allow {
		p.Event.Type = typeAllowed
	}
	return &p.Record
}

// outcome makes the record of how it ended. It implements ender.
func (t *transaction) outcome(e ending) *audit.Record {
	p, res := t.page(audit.ActionOutcome), e.result
	p.Event.Type = typeEnd
	p.Event.Duration = int64(e.at.Sub(t.started))
	p.Event.Outcome = "success"
	switch {
	case res.failure != "":
		p.Event.Outcome = "failure"
		p.Event.Reason, p.Sepproxy.Reason = string(res.failure), string(res.failure)
	case res.denied != "":
		p.Event.Outcome = "failure"
		p.Event.Type = typeEndDenied
	}
	p.sent, p.received = res.sent, res.received
	p.source.Bytes, p.destination.Bytes = &p.sent, &p.received
	p.Destination = &p.destination
	if t.peer.IsValid() {
		p.destination.IP, p.destination.Port = t.peer.Addr().String(), t.peer.Port()
	}
	t.offer.record(&p.Record)
	if res.status != 0 {
		p.response.StatusCode = res.status
		p.http.Response = &p.response
	}
	return &p.Record
}

// page makes what decision and outcome have in common.
func (t *transaction) page(action string) *page {
	v, target := t.verdict, t.request.Target
	p := &page{
		transaction: audit.Transaction{ID: t.id},
		source:      source(t.remote),
		request:     audit.HTTPRequest{Method: t.request.Method},
		url:         audit.URL{Scheme: target.Scheme, Domain: target.Host, Port: target.Port, Path: recordedPath(target.Path)},
		documented:  v.Documented,
	}
	p.http.Request = &p.request
	p.Event = audit.Event{Category: categoryNetwork, Action: action, Reason: string(v.Reason)}
	p.Transaction, p.HTTP, p.URL = &p.transaction, &p.http, &p.url
	if t.remote.IsValid() {
		p.Source = &p.source
	}
	p.Sepproxy = audit.Sepproxy{
		Verdict: verdictWord(v.Allow), Reason: string(v.Reason), Would: string(v.Would), Documented: &p.documented,
		Services: v.Services, Client: v.Client, Mode: v.Mode, Policy: v.Policy}
	if !v.Allow {
		p.url.Path = recordedPath(deniedPath(target.Path))
	}
	if target.Host == "" {
		p.url = audit.URL{Original: t.original}
	}
	if len(v.Services) > 0 {
		p.rule = audit.Rule{Name: v.Services[0], Ruleset: ruleset}
		p.Rule = &p.rule
	}
	return p
}

func source(a netip.AddrPort) audit.Endpoint {
	if !a.IsValid() {
		return audit.Endpoint{}
	}
	return audit.Endpoint{IP: a.Addr().String(), Port: a.Port()}
}

// maxPath is how long a path may be, in bytes: RFC 9110 §4.1 asks for 8000 for a whole URI. A longer one
// could not be recorded whole.
const maxPath = 8 << 10

// maxDeniedPath bounds the path in the record of a denied request, in bytes, so that nobody can fill
// the disk with what is refused.
const maxDeniedPath = 1 << 10

// deniedPath is as much of a path as is recorded of a denied request.
func deniedPath(path string) string {
	if len(path) <= maxDeniedPath {
		return path
	}
	return path[:maxDeniedPath] + "…"
}

// recordedPath is path as sent, with bytes that are not UTF-8 as %XX.
func recordedPath(path string) string {
	if utf8.ValidString(path) {
		return path
	}
	var b strings.Builder
	for len(path) > 0 {
		r, n := utf8.DecodeRuneInString(path)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, "%%%02X", path[0])
		} else {
			b.WriteString(path[:n])
		}
		path = path[n:]
	}
	return b.String()
}

// maxOriginal bounds url.original, in bytes.
const maxOriginal = 512

// original makes what could not be parsed fit for the record: what may hold a secret is replaced.
func original(target string) string {
	if at := strings.LastIndexByte(target, '@'); at >= 0 {
		scheme := 0
		if i := strings.Index(target, "://"); i >= 0 && i < at {
			scheme = i + 3
		}
		target = target[:scheme] + "***" + target[at:]
	}
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		target = target[:i] + "?***"
	}
	return printable(target, maxOriginal)
}

// printable escapes what is not printable ASCII and cuts s to at most limit bytes.
func printable(s string, limit int) string {
	var b strings.Builder
	for i := range len(s) {
		c, escaped := s[i], ""
		if c < ' ' || c >= 0x7f || c == '\\' {
			escaped = fmt.Sprintf(`\x%02x`, c)
		} else {
			escaped = string(c)
		}
		if b.Len()+len(escaped) > limit {
			break
		}
		b.WriteString(escaped)
	}
	return b.String()
}
