package report

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sepproxy/sepproxy/audit"
)

func TestTimelineAddsUpWhateverTheTimes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, span := range []time.Duration{time.Second, time.Hour, 48 * time.Hour, 90 * 24 * time.Hour, 200 * 365 * 24 * time.Hour} {
		s := series{step: steps[0]}
		total := int64(0)
		for range 2000 {
			at := noon.Add(time.Duration(random.Int64N(int64(span))) - span/2)
			n := random.Int64N(5)
			s.noteAt(at.Unix(), &point{requests: n, denied: 1})
			total += n
		}
		var sum point
		for _, p := range s.points {
			sum.add(&p)
		}
		if sum.requests != total || sum.denied != 2000 || len(s.points) > maxPoints {
			t.Errorf("%s: %d of %d requests in %d points of %d s", span, sum.requests, total, len(s.points), s.step)
		}
		if want := int64(span.Seconds()) / s.step; s.step > 60 && want < maxPoints/5 {
			t.Errorf("%s: points of %d s are longer than they need to be", span, s.step)
		}
	}
}

func TestPointsBeginWhereTheyWereCounted(t *testing.T) {
	s := series{step: steps[0]}
	first, last := time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(1970, 1, 20, 0, 0, 1, 0, time.UTC)
	s.noteAt(last.Unix(), &point{requests: 2})
	s.noteAt(first.Unix(), &point{requests: 1})
	if s.step != 3*3600 {
		t.Fatalf("points of %d s", s.step)
	}
	if got := s.begin(s.first); !got.Equal(time.Date(1969, 12, 31, 21, 0, 0, 0, time.UTC)) || s.points[0].requests != 1 {
		t.Errorf("begins at %v with %+v", got, s.points[0])
	}
	if got := s.begin(s.last()); !got.Equal(time.Date(1970, 1, 20, 0, 0, 0, 0, time.UTC)) || s.at(s.last()).requests != 2 {
		t.Errorf("ends at %v with %+v", got, s.at(s.last()))
	}
}

func TestDaysOfServices(t *testing.T) {
	r := buildOf(t, Options{}, func(tr *trail) {
		for i, a := range []ask{lookup, lookup, upload, lookup} {
			a.at = noon.AddDate(0, 0, []int{0, 0, 1, 3}[i])
			tr.decision(a)
		}
	})
	midnight := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	if d := r.Timeline.Days; len(d) != 4 || !d[0].Equal(midnight) || !d[3].Equal(midnight.AddDate(0, 0, 3)) || r.Timeline.DayStep != 86400 {
		t.Errorf("days %v of %d s", d, r.Timeline.DayStep)
	}
	for id, want := range map[string][]int64{"agent.insight": {2, 1, 0, 1}, "agent.telemetry": {0, 1, 0, 0}, "sepm.liveupdate": {0, 0, 0, 0}} {
		if got := r.service(id).Days; !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", id, got, want)
		}
	}
	if p := r.Timeline.Points; len(p) != 289 || p[0].Requests != 2 || p[96].Requests != 1 || p[288].Requests != 1 || r.Timeline.Step != 900 {
		t.Errorf("%d points of %d s", len(p), r.Timeline.Step)
	}
}

func TestEventsAreTheLatest(t *testing.T) {
	r := buildOf(t, Options{}, func(tr *trail) {
		for i := range 5 * maxEvents / 2 {
			tr.lifecycle(at(i), "aaaaaaaaaaaa")
		}
	})
	if len(r.Events) != maxEvents || r.Events[0].At.Time != at(3*maxEvents/2) || r.Events[maxEvents-1].At.Time != at(5*maxEvents/2-1) {
		t.Fatalf("%d events", len(r.Events))
	}
	e := r.Events[0]
	if e.Kind != audit.LifecyclePolicyLoaded || e.Policy != "aaaaaaaaaaaa" || e.Message != "policy loaded" {
		t.Errorf("got %+v", e)
	}
}
