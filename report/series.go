package report

import "time"

// maxPoints is how many points a series keeps: a year of days, and then some.
const maxPoints = 400

// A series counts along the time line, in points of equal length. The longer the time it has to
// cover, the longer they are: whatever times records claim, there are never more than maxPoints.
type series struct {
	step   int64   // seconds a point lasts; 0 until the first one: a day
	first  int64   // number of the first point, counted in steps from 1970 on
	points []point // without gaps

	// The point that was counted last: it is the next one's, nearly always.
	here       *point
	from, till int64 // seconds
}

// A point is what was recorded during one step.
type point struct {
	requests, denied, failures int64
	bytes                      Bytes
}

func (p *point) add(q *point) {
	p.requests = plus(p.requests, q.requests)
	p.denied = plus(p.denied, q.denied)
	p.failures = plus(p.failures, q.failures)
	p.bytes.add(q.bytes)
}

// noteAt counts p at a time, in seconds since 1970.
func (s *series) noteAt(second int64, p *point) {
	if second < s.from || second >= s.till {
		s.move(second)
	}
	s.here.add(p)
}

// move goes to the point of a time.
func (s *series) move(second int64) {
	if s.step == 0 {
		s.step = day // the zero series is one of days
	}
	n := s.reach(second)
	s.here, s.from, s.till = &s.points[n-s.first], n*s.step, (n+1)*s.step
}

// reach makes room for a time outside of the points, and gives the number of its point.
func (s *series) reach(second int64) int64 {
	n := floorDiv(second, s.step)
	if len(s.points) == 0 {
		s.first = n
	}
	for max(n, s.last())-min(n, s.first) >= maxPoints {
		s.coarsen(nextStep(s.step))
		n = floorDiv(second, s.step)
	}
	if missing := s.first - n; missing > 0 {
		s.points = append(make([]point, missing), s.points...)
		s.first = n
	}
	if missing := n - s.last(); missing > 0 {
		s.points = append(s.points, make([]point, missing)...)
	}
	return n
}

func (s *series) last() int64 { return s.first + int64(len(s.points)) - 1 }

// coarsen makes points of a longer step, a multiple of the one so far.
func (s *series) coarsen(step int64) {
	if step == s.step || len(s.points) == 0 {
		s.step = step
		return
	}
	merged := series{step: step, first: floorDiv(s.first*s.step, step)}
	merged.points = make([]point, floorDiv(s.last()*s.step, step)-merged.first+1)
	for i := range s.points {
		merged.points[floorDiv((s.first+int64(i))*s.step, step)-merged.first].add(&s.points[i])
	}
	*s = merged
}

// at gives what was counted at point n.
func (s *series) at(n int64) point {
	if i := n - s.first; i >= 0 && i < int64(len(s.points)) {
		return s.points[i]
	}
	return point{}
}

// begin is when point n begins.
func (s *series) begin(n int64) Moment { return Moment{time.Unix(n*s.step, 0).UTC()} }

const day = int64(24 * time.Hour / time.Second)

// steps are the lengths of points up to a day, in seconds; each divides the next, so that a day of
// any step begins at midnight UTC.
var steps = []int64{60, 300, 900, 3600, 3 * 3600, 12 * 3600, day}

// nextStep gives the step that follows. From a day on they double.
func nextStep(step int64) int64 {
	for _, s := range steps {
		if s > step {
			return s
		}
	}
	return 2 * step
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
