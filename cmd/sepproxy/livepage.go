package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/sepproxy/sepproxy/admin"
	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/policy"
	"github.com/sepproxy/sepproxy/report"
	"github.com/sepproxy/sepproxy/report/live"
	"github.com/sepproxy/sepproxy/report/page"
)

// A status is what the live page knows beside the records.
type status struct {
	day            *live.Day
	started        time.Time
	sent, received atomic.Int64 // through tunnels

	mu           sync.Mutex
	loaded       time.Time // of the policy in force
	rejected     *page.Rejection
	rateSent     float64 // bytes a second
	rateReceived float64
}

func (in *instance) newStatus() *status {
	now := time.Now()
	return &status{started: now, loaded: now, day: live.New(live.Source{
		Files: in.trailFiles, Sequence: func() uint64 { return in.trail.Stats().Sequence }, Now: time.Now,
		Options: func() report.Options {
			p := in.store.Current()
			return report.Options{Services: p.InForce(), Catalog: p.Catalog()}
		},
		Failed: func(path string, err error) {
			in.log.Warn("reading today's trail for the live page", zap.String("file", path), zap.Error(err))
		},
	})}
}

// trailFiles is empty for a trail on standard output, which cannot be read again.
func (in *instance) trailFiles() ([]string, error) {
	if in.config.Audit.Path == "-" {
		return nil, nil
	}
	return audit.Files(in.config.Audit.Path)
}

// policyLoaded notes that another policy is in force. Services in force are others then, so the day is
// counted anew.
func (s *status) policyLoaded() {
	s.mu.Lock()
	s.loaded = time.Now()
	if s.rejected != nil {
		s.rejected.Current = false
	}
	s.mu.Unlock()
	s.day.Forget()
}

func (s *status) policyRejected(message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejected = &page.Rejection{At: time.Now(), Message: message, Current: true}
}

// measure works out the throughput, every two seconds until ctx ends.
func (s *status) measure(ctx context.Context) {
	const every = 2 * time.Second
	tick := time.NewTicker(every)
	defer tick.Stop()
	sent, received, before := s.sent.Load(), s.received.Load(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			seconds := now.Sub(before).Seconds()
			nowSent, nowReceived := s.sent.Load(), s.received.Load()
			s.mu.Lock()
			s.rateSent, s.rateReceived = float64(nowSent-sent)/seconds, float64(nowReceived-received)/seconds
			s.mu.Unlock()
			sent, received, before = nowSent, nowReceived, now
		}
	}
}

// livePage is the page at /, for admin.
func (in *instance) livePage() *admin.Page {
	write := func(write func(io.Writer, *page.Now, page.Options) error) func(io.Writer, url.Values) error {
		return func(w io.Writer, q url.Values) error {
			lang := "en"
			if q.Get("lang") == "es" {
				lang = "es"
			}
			return write(w, in.now(q, lang), pageOptions(in.store.Current(), lang))
		}
	}
	return &admin.Page{CSP: page.LiveCSP(), Whole: write(page.WriteLive), Part: write(page.WriteLivePart)}
}

// now gathers what the live page shows for a query.
func (in *instance) now(q url.Values, lang string) *page.Now {
	filter := live.Filter{Client: wanted(q, "client"), Service: wanted(q, "service"), Host: wanted(q, "host")}
	day := in.status.day.Snapshot(filter, lang)
	n := &page.Now{Started: in.status.started, Tunnels: in.proxy.TunnelsActive(), Conns: in.proxy.ConnectionsActive(),
		Filter: page.Filter(filter), Report: day.Report, Failures: day.Failures, Reading: day.Reading, Missed: day.Missed,
		Latest: requests(day.Latest), Audit: in.auditState(), Policy: in.policyState(), LangQuery: otherLanguage(q, lang)}
	if err := in.ready(); err != nil {
		n.NotReady = err.Error()
	}
	s := in.status
	s.mu.Lock()
	defer s.mu.Unlock()
	n.Policy.Loaded, n.Sent, n.Received = s.loaded, s.rateSent, s.rateReceived
	if s.rejected != nil {
		rejected := *s.rejected
		n.Rejected = &rejected
	}
	return n
}

// wanted reads a field of the filter; nothing that is longer names anything.
func wanted(q url.Values, name string) string {
	const longest = 255
	text := strings.TrimSpace(q.Get(name))
	return text[:min(len(text), longest)]
}

// otherLanguage is the query of the same page in the other language.
func otherLanguage(q url.Values, lang string) string {
	other := url.Values{"lang": {"es"}}
	if lang == "es" {
		other.Set("lang", "en")
	}
	for _, name := range []string{"client", "service", "host"} {
		if text := wanted(q, name); text != "" {
			other.Set(name, text)
		}
	}
	return other.Encode()
}

func (in *instance) policyState() page.Policy {
	p := in.store.Current()
	state := page.Policy{Revision: p.Revision(), Mode: p.Mode(time.Now()), File: in.policyName()}
	if state.Mode == policy.ModeObserve {
		state.Until, _ = p.ObserveUntil()
	}
	return state
}

func (in *instance) auditState() page.Audit {
	stats := in.trail.Stats()
	a := page.Audit{Path: in.config.Audit.Path, Errors: stats.Errors, Unrecorded: stats.Unrecorded, Sequence: stats.Sequence, DiskFree: -1}
	for _, n := range stats.Records {
		a.Records += n
	}
	if free, err := in.trail.DiskFreeRatio(); err == nil {
		a.DiskFree = free
	}
	return a
}

// requests turns records into what people read.
func requests(records []*audit.Record) (list []page.Request) {
	for _, r := range records {
		q := page.Request{At: r.Time, Name: r.Sepproxy.Client, Verdict: r.Sepproxy.Verdict, Reason: r.Sepproxy.Reason,
			Services: r.Sepproxy.Services, Count: r.Sepproxy.Count, Target: targetOf(r.URL)}
		if r.Source != nil {
			q.Client = r.Source.IP
		}
		if r.HTTP != nil && r.HTTP.Request != nil {
			q.Method = audit.Printable(r.HTTP.Request.Method)
		}
		list = append(list, q)
	}
	return list
}

func targetOf(u *audit.URL) string {
	switch {
	case u == nil:
		return ""
	case u.Original != "":
		return audit.Printable(u.Original)
	case u.Scheme == "https":
		return audit.Printable(fmt.Sprintf("%s:%d", u.Domain, u.Port))
	}
	return audit.Printable(fmt.Sprintf("%s://%s:%d%s", u.Scheme, u.Domain, u.Port, u.Path))
}
