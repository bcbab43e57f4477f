package report

import "github.com/sepproxy/sepproxy/audit"

// Running is a report that grows with each record, for whoever watches a proxy. Its memory is bounded
// as Build's is. NewRunning makes it; it is for one goroutine at a time.
type Running struct {
	options Options
	builder builder
}

// NewRunning begins with no record. Progress is not used.
func NewRunning(o Options) *Running {
	r := &Running{options: o}
	r.builder = builder{collector: newCollector(&r.options), options: &r.options}
	return r
}

// Add counts one record. It keeps nothing of rec but strings.
func (r *Running) Add(rec *audit.Record) { r.builder.record(rec) }

// Report is what was counted so far, in a language of Options.Lang. Its Trail is empty: nothing was read that
// could be checked. What it holds does not change with later records.
func (r *Running) Report(lang string) *Report {
	r.options.Lang = lang
	return r.builder.report()
}
