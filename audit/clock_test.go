package audit

import (
	"testing"
	"time"
)

func TestAClockThatStepsBreaksNothing(t *testing.T) {
	clock := newClock()
	path := trailPath(t)
	l := openLog(t, Options{Path: path, Now: clock.Now, Rotate: Rotate{Every: time.Hour, Keep: 24 * time.Hour}})
	for _, step := range []time.Duration{0, -3 * time.Hour, 30 * time.Minute, 48 * time.Hour, -100 * time.Hour, time.Minute} {
		clock.advance(step)
		write(t, l, 3)
		if err := l.Rotate(); err != nil {
			t.Fatalf("after a step of %v: %v", step, err)
		}
	}
	write(t, l, 1)
	result, err := VerifyTrail(t.Context(), path)
	if err != nil || !result.OK() || result.Last < 19 {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestAClockSetBackDelaysRotationByOnePeriodAtMost(t *testing.T) {
	for name, step := range map[string]time.Duration{"by years": -3 * 365 * 24 * time.Hour, "by minutes": -50 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			l := openLog(t, Options{Path: trailPath(t), Now: clock.Now, Rotate: Rotate{Every: time.Hour}})
			write(t, l, 2)
			clock.advance(step)
			for range 4 { // two periods
				clock.advance(30 * time.Minute)
				write(t, l, 1)
			}
			if n := len(names(t, l.opts.Path)); n < 2 || n > 3 {
				t.Errorf("%d files after two periods", n)
			}
			mustVerify(t, l.opts.Path)
		})
	}
}

func TestAFailedRotationIsTriedAgainThoughTheClockWasSetBack(t *testing.T) {
	clock := newClock()
	l := openLog(t, Options{Path: trailPath(t), Now: clock.Now})
	l.retry = clock.Now().Add(retryRotation)
	if !l.waiting(clock.Now()) {
		t.Error("tried again at once")
	}
	if clock.advance(-time.Hour); l.waiting(clock.Now()) {
		t.Error("not tried again for an hour")
	}
}

// What a clock that was wrong for a while dates is neither removed early nor kept for ever.
func TestRetentionWithAClockThatWasWrong(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }
	future, past := day(1).AddDate(14, 0, 0), time.Unix(0, 0)
	const week = 7 * 24 * time.Hour
	for _, c := range []struct {
		name string
		born []time.Time // of the rotated files; the current one is of day(9)
		now  time.Time
		want int // files that go after a week
	}{
		{"right all the time", []time.Time{day(1), day(2), day(3)}, day(10), 1},
		{"a file of the future does not hold up those before it", []time.Time{day(1), future, day(2), day(3)}, day(11), 3},
		{"a file of the past does not age those before it", []time.Time{day(4), past, day(5)}, day(10), 0},
		{"the clock is wrong now, and early", []time.Time{day(1), day(2)}, past, 0},
		{"every file is of the future", []time.Time{future, future}, day(10), 0},
	} {
		var files []rotated
		for _, born := range c.born {
			files = append(files, rotated{born: born})
		}
		if got := len(expired(files, Rotate{Keep: week}, day(9), c.now)); got != c.want {
			t.Errorf("%s: %d files go, want %d", c.name, got, c.want)
		}
	}
}
