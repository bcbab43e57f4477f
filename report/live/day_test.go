package live

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A bench is a trail with a Day on it.
type bench struct {
	t    testing.TB
	log  *audit.Log
	path string
	day  *Day
	now  atomic.Int64 // Unix nanoseconds
}

// noon is long ago, so that no file is older than the day that is played.
var noon = time.Date(2025, 11, 24, 12, 0, 0, 0, time.UTC)

func newBench(t testing.TB, path string) *bench {
	t.Helper()
	b := &bench{t: t, path: path}
	b.now.Store(noon.UnixNano())
	var err error
	b.log, err = audit.Open(audit.Options{Path: path, Hostname: "proxy-1", Sync: audit.SyncNever, Now: b.time})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.log.Close() })
	b.day = New(Source{
		Files:    func() ([]string, error) { return audit.Files(path) },
		Sequence: func() uint64 { return b.log.Stats().Sequence },
		Options:  func() report.Options { return report.Options{} },
		Now:      b.time,
		Failed:   func(path string, err error) { t.Errorf("%s: %v", path, err) },
	})
	return b
}

func (b *bench) time() time.Time { return time.Unix(0, b.now.Load()).UTC() }

// run starts the Day until the test ends.
func (b *bench) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.day.Run(ctx)
	}()
	b.t.Cleanup(func() { cancel(); <-done })
}

func (b *bench) write(r *audit.Record) {
	b.t.Helper()
	if err := b.log.Write(r); err != nil {
		b.t.Error(err)
		return
	}
	b.day.Add(r)
}

func decision(client, host, reason, service string) *audit.Record {
	documented := service != ""
	r := &audit.Record{
		Event:    audit.Event{Action: audit.ActionDecision, Category: []string{"network"}, Type: []string{"connection"}, Reason: reason},
		Source:   &audit.Endpoint{IP: client},
		URL:      &audit.URL{Scheme: "https", Domain: host, Port: 443},
		Sepproxy: audit.Sepproxy{Verdict: "deny", Reason: reason, Documented: &documented, Client: "office"},
	}
	if documented {
		r.Sepproxy.Services = []string{service}
	}
	if reason == "catalog" {
		r.Sepproxy.Verdict = "allow"
	}
	return r
}

func failed(client, host, reason string) *audit.Record {
	r := decision(client, host, "catalog", "agent.insight")
	r.Event.Action, r.Event.Outcome, r.Sepproxy.Reason = audit.ActionOutcome, "failure", reason
	return r
}

// whole waits until nothing is left to read.
func (b *bench) whole(f Filter) *Snapshot {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		// A snapshot may be shown again for a moment.
		if s := b.day.Snapshot(f, "en"); !s.Reading {
			b.now.Add(int64(time.Minute))
			return b.day.Snapshot(f, "en")
		}
		if time.Now().After(deadline) {
			b.t.Fatal("the trail is still being read")
		}
		time.Sleep(time.Millisecond)
	}
}

// TestEveryRecordCountsOnce lets eight writers write while snapshots are made, filters come and the
// policy changes.
func TestEveryRecordCountsOnce(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	b.write(decision("10.0.0.1", "before.example", "not_listed", ""))
	b.run()
	const writers, each = 8, 500
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				b.write(decision(fmt.Sprintf("10.0.0.%d", w), "host.example", "catalog", "agent.insight"))
				switch {
				case w == 0 && i%100 == 50:
					b.day.Forget()
				case w == 1 && i%50 == 0:
					b.day.Snapshot(Filter{Client: fmt.Sprintf("10.0.0.%d", i/50)}, "en")
				}
			}
		})
	}
	all.Wait()
	if s := b.whole(Filter{}); s.Report.Transactions != writers*each+1 || s.Missed != 0 {
		t.Errorf("%d transactions, want %d; %d missed", s.Report.Transactions, writers*each+1, s.Missed)
	}
	if s := b.whole(Filter{Client: "10.0.0.3"}); s.Report.Transactions != each {
		t.Errorf("%d transactions of one client, want %d", s.Report.Transactions, each)
	}
}

func TestARestartKeepsTheDay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	first := newBench(t, path)
	first.now.Store(noon.Add(-24 * time.Hour).UnixNano())
	first.write(decision("10.0.0.1", "yesterday.example", "not_listed", ""))
	first.now.Store(noon.UnixNano())
	first.write(decision("10.0.0.1", "morning.example", "not_listed", ""))
	first.write(failed("10.0.0.1", "morning.example", "connect_timeout"))
	if err := first.log.Close(); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, path)
	b.run()
	b.write(decision("10.0.0.2", "noon.example", "not_listed", ""))
	s := b.whole(Filter{})
	if s.Report.Transactions != 2 || len(s.Latest) != 2 || s.Latest[0].URL.Domain != "noon.example" {
		t.Errorf("%d transactions, latest %v", s.Report.Transactions, s.Latest)
	}
	if len(s.Failures) != 1 || s.Failures[0] != (report.Count{Name: "connect_timeout", Count: 1}) {
		t.Errorf("failures are %v", s.Failures)
	}
}

func TestADayEndsAtMidnight(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	b.run()
	b.write(decision("10.0.0.1", "today.example", "not_listed", ""))
	if s := b.whole(Filter{}); s.Report.Transactions != 1 {
		t.Fatalf("%d transactions", s.Report.Transactions)
	}
	b.now.Store(noon.Add(13 * time.Hour).UnixNano())
	b.write(decision("10.0.0.1", "tomorrow.example", "not_listed", ""))
	if s := b.whole(Filter{}); s.Report.Transactions != 1 || s.Latest[0].URL.Domain != "tomorrow.example" {
		t.Errorf("%d transactions, latest %v", s.Report.Transactions, s.Latest)
	}
}

func TestFilters(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	b.run()
	b.write(decision("10.0.0.1", "a.example.com", "catalog", "agent.insight"))
	b.write(decision("10.0.0.2", "b.example.com", "catalog", "agent.pulse"))
	b.write(decision("10.1.0.1", "b.example.org", "not_listed", ""))
	b.write(decision("::ffff:10.1.0.2", "B.example.org", "catalog", "agents.other"))
	b.write(&audit.Record{Event: audit.Event{Action: audit.ActionLifecycle}, Sepproxy: audit.Sepproxy{Lifecycle: audit.LifecyclePolicyLoaded}})
	for f, want := range map[Filter]int64{
		{}: 4, {Client: "10.0.0.1"}: 1, {Client: "10.1.0.0/16"}: 2, {Client: "::ffff:10.1.0.1"}: 1, {Client: "office"}: 4, {Client: "10.0"}: 0,
		{Service: "agent.insight"}: 1, {Service: "agent"}: 2, {Service: "agent.in"}: 0, {Host: "EXAMPLE.org"}: 2, {Host: "nobody"}: 0,
		{Client: "10.0.0.2", Service: "agent", Host: "b."}: 1, {Client: "10.0.0.2", Service: "agent", Host: "a."}: 0,
	} {
		if got := b.whole(f); got.Report.Transactions != want || (f != Filter{}) && len(got.Report.Events) != 0 {
			t.Errorf("%+v lets %d pass, want %d", f, got.Report.Transactions, want)
		}
	}
	if len(b.day.views) > maxViews {
		t.Errorf("%d filters are kept", len(b.day.views))
	}
}

// TestASnapshotIsShownAgain: who looks often gets what was made a moment ago, and in time what is new.
func TestASnapshotIsShownAgain(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	b.run()
	b.write(decision("10.0.0.1", "a.example", "not_listed", ""))
	b.whole(Filter{})
	b.write(decision("10.0.0.1", "b.example", "not_listed", ""))
	first := b.day.Snapshot(Filter{}, "en")
	if first.Report.Transactions != 2 {
		t.Errorf("after a quiet minute there are %d transactions, want 2", first.Report.Transactions)
	}
	b.write(decision("10.0.0.1", "c.example", "not_listed", ""))
	if again := b.day.Snapshot(Filter{}, "en"); again.Report != first.Report {
		t.Error("another report was made at once")
	}
	if other := b.day.Snapshot(Filter{}, "es"); other.Report.Transactions != 3 {
		t.Errorf("in the other language there are %d transactions", other.Report.Transactions)
	}
	b.now.Add(int64(time.Minute))
	if later := b.day.Snapshot(Filter{}, "en"); later.Report.Transactions != 3 {
		t.Errorf("%d transactions, want 3", later.Report.Transactions)
	}
}

// TestReadingIsBounded asks for filters faster than files can be read: what was forgotten meanwhile is
// not read to its end.
func TestReadingIsBounded(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	for range 3 * stretch {
		b.write(decision("10.0.0.1", "a.example", "not_listed", ""))
	}
	b.run()
	var filters []*view
	for i := range 10 * maxViews {
		f := Filter{Host: fmt.Sprint("a", i)}
		b.day.Snapshot(f, "en")
		b.now.Add(int64(time.Millisecond))
		b.day.mu.Lock()
		filters = append(filters, b.day.views[f])
		b.day.mu.Unlock()
	}
	if s := b.whole(Filter{Host: "a"}); s.Report.Transactions != 3*stretch {
		t.Errorf("%d transactions, want %d", s.Report.Transactions, 3*stretch)
	}
	if len(b.day.views) > maxViews || b.day.views[filters[0].filter] != nil {
		t.Errorf("%d filters are kept", len(b.day.views))
	}
}

func TestWritersNeverWait(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	b.day.mu.Lock() // as while a snapshot is made
	for i := range maxPending + 10 {
		r := decision("10.0.0.1", "a.example", "not_listed", "")
		r.Event.Sequence = uint64(i + 1)
		b.day.Add(r)
	}
	b.day.mu.Unlock()
	if s := b.day.Snapshot(Filter{}, "en"); s.Missed != 10 {
		t.Errorf("%d missed, want 10", s.Missed)
	}
}

// TestHostileNamesStayBounded: a snapshot has no more than a report keeps apart.
func TestHostileNamesStayBounded(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	b.run()
	const n = 100_000
	for i := range n {
		r := decision("10.0.0.1", fmt.Sprintf("h%d.example", i), "not_listed", "")
		r.Time, r.Event.Sequence = b.time(), uint64(i+1)
		for b.pendingFull() { // this test asks for the bound of names, not of haste
			time.Sleep(time.Millisecond)
		}
		b.day.Add(r)
	}
	for r := range 200 {
		b.day.Add(func() *audit.Record {
			f := failed("10.0.0.1", "a.example", fmt.Sprint("reason", r))
			f.Time, f.Event.Sequence = b.time(), uint64(n+r+1)
			return f
		}())
	}
	s := b.whole(Filter{})
	if s.Report.Transactions != n || len(s.Report.Undocumented) > 10_001 || len(s.Latest) > maxLatest || len(s.Failures) > maxFailures+1 {
		t.Errorf("%d transactions, %d undocumented, %d latest, %d failures", s.Report.Transactions, len(s.Report.Undocumented), len(s.Latest), len(s.Failures))
	}
	var sum int64
	for _, u := range s.Report.Undocumented {
		sum += u.Requests
	}
	if sum != n {
		t.Errorf("rows have %d requests, want %d", sum, n)
	}
}

func (b *bench) pendingFull() bool {
	b.day.pendingMu.Lock()
	defer b.day.pendingMu.Unlock()
	return len(b.day.pending) >= maxPending-1
}

func TestAFileThatCannotBeReadIsTold(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	b := newBench(t, path)
	b.write(decision("10.0.0.1", "a.example", "not_listed", ""))
	bad := filepath.Join(dir, "bad.gz")
	if err := os.WriteFile(bad, []byte{0x1f, 0x8b, 8, 0, 0}, 0o600); err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	b.day.source.Files = func() ([]string, error) { return []string{bad, path}, nil }
	b.day.source.Failed = func(path string, err error) { told <- path }
	b.run()
	if got := <-told; got != bad {
		t.Errorf("told of %s", got)
	}
	if s := b.whole(Filter{}); s.Report.Transactions != 1 {
		t.Errorf("%d transactions, want the one of the file that can be read", s.Report.Transactions)
	}
}

// BenchmarkAdd is what a record costs: the writer's part, and all of it with what counts it.
func BenchmarkAdd(b *testing.B) {
	bench := newBench(b, filepath.Join(b.TempDir(), "audit.jsonl"))
	bench.day.Snapshot(Filter{}, "en")
	r := decision("10.0.0.1", "a.example", "catalog", "agent.insight")
	r.Time, r.Event.Sequence = noon, 1
	b.Run("writer", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if i%1000 == 0 {
				b.StopTimer()
				bench.day.count()
				b.StartTimer()
			}
			bench.day.Add(r)
		}
	})
	b.Run("counted", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if i%1000 == 0 {
				bench.day.count()
			}
			bench.day.Add(r)
		}
	})
}

// BenchmarkSnapshot is what a page costs that is looked at, on a day with many clients and names.
func BenchmarkSnapshot(b *testing.B) {
	bench := newBench(b, filepath.Join(b.TempDir(), "audit.jsonl"))
	bench.day.Snapshot(Filter{}, "en")
	for i := range 50_000 {
		r := decision(fmt.Sprintf("10.0.%d.%d", i%5000>>8, i%5000&255), fmt.Sprintf("h%d.example", i%10_000), "not_listed", "")
		r.Time, r.Event.Sequence = noon, uint64(i+1)
		bench.day.Add(r)
	}
	for b.Loop() {
		bench.now.Add(int64(time.Minute))
		bench.day.views[Filter{}].counted++
		bench.day.Snapshot(Filter{}, "en")
	}
}
