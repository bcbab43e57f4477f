package report

import (
	"sync"

	"github.com/sepproxy/sepproxy/audit"
)

// A Live is a report that grows while records are written. Any number of goroutines may use it.
type Live struct {
	mu sync.Mutex
	b  *builder
}

// NewLive makes an empty report. Options.Progress and Options.Lang have no part in it.
func NewLive(o Options) *Live { return &Live{b: newBuilder(&o)} }

// Add counts one record. It keeps nothing of r, waits for nothing but Report, and takes some
// microseconds.
func (l *Live) Add(r *audit.Record) {
	var e event
	e.read(r, nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.count(&e)
}

// Report gives the report as it stands, in a language of Options.Lang's, which the caller owns. Its Trail says
// nothing: the chain of a file that is being written is not checked.
func (l *Live) Report(lang string) *Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.options.Lang = lang
	return l.b.report()
}
