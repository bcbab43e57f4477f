package proxy

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sepproxy/sepproxy/audit"
)

// ruleset is rule.ruleset: the vendor's list.
const ruleset = "sep-ses"

// decision makes the record of what was decided.
func (t *transaction) decision() *audit.Record {
	r := t.record(audit.ActionDecision)
	r.Event.Type = []string{"connection", "denied"}
	if t.verdict.Allow {
		r.Event.Type = []string{"connection", "start", "allowed"}
	}
	return r
}

// outcome makes the record of how it ended.
func (t *transaction) outcome(res result) *audit.Record {
	r := t.record(audit.ActionOutcome)
	r.Event.Type = []string{"connection", "end"}
	r.Event.Duration = int64(time.Since(t.started))
	r.Event.Outcome = "success"
	switch {
	case res.failure != "":
		r.Event.Outcome = "failure"
		r.Event.Reason, r.Sepproxy.Reason = string(res.failure), string(res.failure)
	case res.denied != "":
		r.Event.Outcome = "failure"
		r.Event.Type = []string{"connection", "end", "denied"}
	}
	r.Source.Bytes = &res.sent
	r.Destination = &audit.Endpoint{Bytes: &res.received}
	if t.peer.IsValid() {
		r.Destination.IP, r.Destination.Port = t.peer.Addr().String(), t.peer.Port()
	}
	t.offer.record(r)
	if res.status != 0 {
		r.HTTP.Response = &audit.HTTPResponse{StatusCode: res.status}
	}
	return r
}

// record makes what decision and outcome have in common.
func (t *transaction) record(action string) *audit.Record {
	v, target := t.verdict, t.request.Target
	r := &audit.Record{
		Event:       audit.Event{Category: []string{"network"}, Action: action, Reason: string(v.Reason)},
		Transaction: &audit.Transaction{ID: t.id},
		Source:      source(t.remote),
		HTTP:        &audit.HTTP{Request: &audit.HTTPRequest{Method: t.request.Method}},
		URL:         &audit.URL{Scheme: target.Scheme, Domain: target.Host, Port: target.Port, Path: recordedPath(target.Path)},
		Sepproxy: audit.Sepproxy{
			Verdict: verdictWord(v.Allow), Reason: string(v.Reason), Would: string(v.Would), Documented: &v.Documented,
			Services: v.Services, Client: v.Client, Mode: v.Mode, Policy: v.Policy},
	}
	if !v.Allow {
		r.URL.Path = recordedPath(deniedPath(target.Path))
	}
	if target.Host == "" {
		r.URL = &audit.URL{Original: t.original}
	}
	if len(v.Services) > 0 {
		r.Rule = &audit.Rule{Name: v.Services[0], Ruleset: ruleset}
	}
	return r
}

func source(a netip.AddrPort) *audit.Endpoint {
	if !a.IsValid() {
		return nil
	}
	return &audit.Endpoint{IP: a.Addr().String(), Port: a.Port()}
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
