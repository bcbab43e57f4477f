package audit

import (
	"os"
	"sync"
	"testing"
	"time"
)

// A volatile file forgets, at a power cut, what was not synced.
type volatile struct {
	file
	mu      sync.Mutex
	written int64
	kept    int64
	off     bool // from here on nothing is kept any more
}

func (v *volatile) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n, err := v.file.Write(p)
	v.written += int64(n)
	return n, err
}

func (v *volatile) Sync() error {
	v.mu.Lock()
	written, off := v.written, v.off
	v.mu.Unlock()
	if off {
		return errDisk
	}
	err := v.file.Sync()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.kept = max(v.kept, written)
	return err
}

// cut ends the power: what is kept now is all that will be there.
func (v *volatile) cut() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.off = true
	return v.kept
}

func TestAPowerCutLosesNothingThatWasAnswered(t *testing.T) {
	path := trailPath(t)
	l := openLog(t, Options{Path: path, Sync: SyncAlways})
	v := &volatile{file: l.file}
	l.file = v
	var answered sync.Map // sequence numbers whose Write came back without an error
	var writers sync.WaitGroup
	enough := make(chan struct{})
	var once sync.Once
	for range 16 {
		writers.Go(func() {
			for {
				r := decision()
				if l.Write(r) != nil {
					return // the power is gone
				}
				answered.Store(r.Event.Sequence, r.Chain)
				if r.Event.Sequence > 200 {
					once.Do(func() { close(enough) })
				}
			}
		})
	}
	<-enough
	kept := v.cut()
	writers.Wait()
	v.mu.Lock()
	v.off = false // so that the test can close it
	v.mu.Unlock()
	after := trailPath(t) // what a machine finds that comes up again
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(after, data[:min(int(kept), len(data))], 0o600); err != nil {
		t.Fatal(err)
	}
	again := openLog(t, Options{Path: after})
	write(t, again, 1)
	mustVerify(t, after)
	there := map[uint64]string{}
	for _, r := range records(t, after) {
		there[r.Event.Sequence] = r.Chain
	}
	n := 0
	answered.Range(func(sequence, chain any) bool {
		n++
		if there[sequence.(uint64)] != chain {
			t.Errorf("record %d was answered and is not there", sequence)
		}
		return true
	})
	if n < 200 {
		t.Errorf("only %d records were answered before the power went", n)
	}
}

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
