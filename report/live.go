package report

import (
	"context"
	"sync"

	"github.com/sepproxy/sepproxy/audit"
)

// A Live is a report that grows while records are written. Any number of goroutines may use it.
type Live struct {
	mu   sync.Mutex
	lang string // of Options
	b    *builder
}

// NewLive makes an empty report. Options.Progress has no part in it.
func NewLive(o Options) *Live { return &Live{lang: o.Lang, b: newBuilder(&o)} }

// Read counts the records of files as Build does. The errors are Build's; what was read before stays counted.
// The lock is held for one record at a time: Add is not held up.
func (l *Live) Read(ctx context.Context, files []string) error {
	sources, err := openSources(ctx, files)
	if err != nil {
		return err
	}
	for _, s := range sources {
		if err := s.read(ctx, decodeAlone, nil, l.take, nil); err != nil {
			return err
		}
	}
	return nil
}

func (l *Live) take(_ int, v *entry) error {
	if v.err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.b.count(&v.event)
	}
	return nil
}

// Add counts one record. It keeps nothing of r, waits for nothing but Report, and takes some
// microseconds.
func (l *Live) Add(r *audit.Record) {
	var e event
	e.read(r, nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.count(&e)
}

// Report gives the report as it stands, which the caller owns. Its Trail says nothing: the chain of a file
// that is being written is not checked.
func (l *Live) Report() *Report { return l.ReportIn(l.lang) }

// ReportIn is Report in another language than that of Options.
func (l *Live) ReportIn(lang string) *Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.options.Lang = lang
	return l.b.report()
}
