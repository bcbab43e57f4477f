package live

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/report"
)

const (
	maxPending = 100_000          // records that wait to be counted; more are missed
	every      = time.Second / 4  // they are counted together: whoever writes them wakes nobody
	maxViews   = 4                // filters in use at a time
	unused     = 10 * time.Minute // after which a filter is forgotten
)

// Source is what a Day needs of the proxy. Its functions are called from any goroutine; none may be nil.
type Source struct {
	Files    func() ([]string, error)   // of the trail, as audit.Files gives them
	Sequence func() uint64              // of the last record that was written
	Options  func() report.Options      // the services in force now; Since, Until and Lang are not used
	Now      func() time.Time           // time.Now
	Failed   func(path string, _ error) // told of a file that could not be read; the rest is counted
}

// A Day counts the records of the current day (UTC). New makes it, Run does its work.
type Day struct {
	source Source

	pendingMu sync.Mutex // held for moments only: writers of records take it
	pending   []*audit.Record
	missed    int64

	mu    sync.Mutex      // of what follows; snapshots are made under it
	ctx   context.Context // of Run; nil before
	views map[Filter]*view
	reads sync.WaitGroup

	turn chan struct{} // who holds it reads files: one at a time, whoever asks for what
}

// A Snapshot is what was counted. It is shared: nobody may change it.
type Snapshot struct {
	Report   *report.Report
	Failures []report.Count  // of allowed requests by reason, most first
	Latest   []*audit.Record // denied or undocumented, newest first
	Reading  bool            // today's trail is still being read
	Missed   int64           // records that came too fast; whatever snapshot, since the start
}

// New makes a Day that has counted nothing.
func New(s Source) *Day {
	return &Day{source: s, views: map[Filter]*view{}, turn: make(chan struct{}, 1)}
}

// Add hands over a record that was written. It never waits; the record and what it points to must not
// change any more.
func (d *Day) Add(r *audit.Record) {
	d.pendingMu.Lock()
	defer d.pendingMu.Unlock()
	if len(d.pending) >= maxPending {
		d.missed++
		return
	}
	d.pending = append(d.pending, r)
}

// Run counts what Add hands over, and reads the files, until ctx ends.
func (d *Day) Run(ctx context.Context) {
	d.mu.Lock()
	d.ctx = ctx
	d.view(Filter{})
	for _, v := range d.views {
		d.begin(v)
	}
	d.mu.Unlock()
	defer d.reads.Wait()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.count()
		}
	}
}

// Forget begins anew with today's trail: the services in force are others.
func (d *Day) Forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.views)
	d.view(Filter{})
}

// Snapshot is what passed the filter today, in a language of report.Options. A filter that was not asked
// for lately is counted from the files first; Reading tells so.
func (d *Day) Snapshot(f Filter, lang string) *Snapshot {
	d.count()
	d.mu.Lock()
	defer d.mu.Unlock()
	s := *d.view(f).snapshot(lang, d.source.Now())
	d.pendingMu.Lock()
	s.Missed = d.missed
	d.pendingMu.Unlock()
	return &s
}

// count adds what is pending to every view.
func (d *Day) count() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pendingMu.Lock()
	pending := d.pending
	d.pending = nil
	d.pendingMu.Unlock()
	if len(pending) == 0 {
		return
	}
	d.view(Filter{}) // of today, whether or not anybody looks
	for _, v := range d.views {
		for _, r := range pending {
			if r.Event.Sequence > v.after {
				v.add(r)
			}
		}
	}
}

// view gives the view of a filter for the current day, and begins one where there is none. mu is held.
func (d *Day) view(f Filter) *view {
	now := d.source.Now().UTC()
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	if v := d.views[f]; v != nil && v.since.Equal(midnight) {
		return v
	}
	d.forgetUnused(now)
	v := newView(f, midnight, d.source.Sequence(), d.source.Options())
	v.asked, v.reading = now, v.after > 0
	d.views[f] = v
	d.begin(v)
	return v
}

// begin reads the files for a view, once; before Run there is nobody to do it. mu is held.
func (d *Day) begin(v *view) {
	if ctx := d.ctx; ctx != nil && v.reading && !v.begun {
		v.begun = true
		d.reads.Go(func() { d.read(ctx, v) })
	}
}

// forgetUnused makes room for one more filter. mu is held.
func (d *Day) forgetUnused(now time.Time) {
	var oldest Filter
	for f, v := range d.views {
		if f == (Filter{}) {
			continue
		}
		if now.Sub(v.asked) > unused {
			delete(d.views, f)
		} else if oldest == (Filter{}) || v.asked.Before(d.views[oldest].asked) {
			oldest = f
		}
	}
	if len(d.views) >= maxViews {
		delete(d.views, oldest)
	}
}

// read counts what the files hold of today, up to where the view began.
func (d *Day) read(ctx context.Context, v *view) {
	defer func() {
		d.mu.Lock()
		v.reading = false
		clear(v.shown)
		d.mu.Unlock()
	}()
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return
	}
	files, err := d.source.Files()
	if err != nil {
		d.source.Failed("", err)
		return
	}
	for _, path := range files {
		if !d.mayHold(path, v.since) {
			continue
		}
		if err := d.readFile(ctx, path, v); err != nil && ctx.Err() == nil {
			d.source.Failed(path, err)
		}
	}
}

// mayHold tells whether a file was written to on the day that begins at since.
func (d *Day) mayHold(path string, since time.Time) bool {
	info, err := os.Stat(path)
	return err != nil || !info.ModTime().Before(since)
}
