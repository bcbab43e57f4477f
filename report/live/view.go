package live

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/report"
)

const (
	maxLatest   = 25 // requests of a snapshot
	maxFailures = 64 // reasons that are kept apart; there are fewer
	// fresh is for how long a snapshot is shown again: many who watch cost no more than one. On a day
	// with many names it is longer, so that making them never takes more than a share of one processor.
	fresh = 500 * time.Millisecond
	share = 20 // one in so many
)

// A view counts what passes one filter, since one midnight.
type view struct {
	filter   Filter
	since    time.Time
	after    uint64 // records up to this one come from the files, later ones as they are written
	counts   *report.Live
	failures map[string]int64
	latest   []*audit.Record // the last denied or undocumented ones, in no order
	reading  bool            // the files are not read to the end yet
	begun    bool            // somebody reads them
	asked    time.Time       // when a snapshot was last wanted

	counted uint64            // records
	shown   map[string]*shown // by language
}

// shown is a snapshot that was made.
type shown struct {
	*Snapshot
	of   uint64 // view.counted then
	made time.Time
	took time.Duration
}

func newView(f Filter, since time.Time, after uint64, o report.Options) *view {
	o.Since, o.Until = since, time.Time{}
	return &view{filter: f, since: since, after: after, counts: report.NewLive(o), failures: map[string]int64{}, shown: map[string]*shown{}}
}

func (v *view) add(r *audit.Record) {
	if r.Time.Before(v.since) || !v.filter.lets(r) {
		return
	}
	v.counted++
	v.counts.Add(r)
	switch {
	case r.Event.Action == audit.ActionOutcome:
		v.outcome(r)
	case r.Event.Action == audit.ActionDecision && (r.Sepproxy.Verdict == "deny" || r.Sepproxy.Documented != nil && !*r.Sepproxy.Documented):
		v.keep(r)
	}
}

func (v *view) outcome(r *audit.Record) {
	switch {
	case r.Sepproxy.Verdict == "deny":
		v.keep(r) // inside the tunnel
	case r.Event.Outcome == "failure":
		reason := r.Sepproxy.Reason
		if _, known := v.failures[reason]; !known && len(v.failures) >= maxFailures {
			reason = report.Other
		}
		v.failures[reason]++
	}
}

// keep holds on to the latest. Records do not come in order: files are read while others are written.
func (v *view) keep(r *audit.Record) {
	if len(v.latest) < maxLatest {
		v.latest = append(v.latest, r)
		return
	}
	oldest := 0
	for i, l := range v.latest {
		if l.Time.Before(v.latest[oldest].Time) {
			oldest = i
		}
	}
	if !r.Time.Before(v.latest[oldest].Time) {
		v.latest[oldest] = r
	}
}

func (v *view) snapshot(lang string, now time.Time) *Snapshot {
	v.asked = now
	if s := v.shown[lang]; s != nil && (s.of == v.counted || now.Sub(s.made) < max(fresh, share*s.took)) {
		return s.Snapshot
	}
	began := time.Now()
	s := &Snapshot{Report: v.counts.Report(lang), Reading: v.reading}
	for reason, n := range v.failures {
		s.Failures = append(s.Failures, report.Count{Name: reason, Count: n})
	}
	slices.SortFunc(s.Failures, func(a, b report.Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name))
	})
	s.Latest = slices.Clone(v.latest)
	slices.SortFunc(s.Latest, func(a, b *audit.Record) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.Event.Sequence, a.Event.Sequence))
	})
	v.shown[lang] = &shown{s, v.counted, now, time.Since(began)}
	return s
}
