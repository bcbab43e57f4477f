package proxy

import (
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/sepproxy/sepproxy/audit"
)

// recording gives a server without anything but a trail, and what is written there, a write each.
func recording() (s *Server, writes chan []*audit.Record) {
	writes = make(chan []*audit.Record, 16)
	s = &Server{cfg: Config{Log: zap.NewNop(), Record: func(r ...*audit.Record) error { writes <- r; return nil }}}
	s.endings.init(func(some []ending) { _ = s.record(some, nil) })
	s.active.init()
	return s, writes
}

func written(t *testing.T, writes chan []*audit.Record) []*audit.Record {
	t.Helper()
	select {
	case r := <-writes:
		return r
	case <-time.After(10 * time.Second):
		t.Fatal("nothing is written")
		return nil
	}
}

func TestAnOutcomeIsRecordedWithTheNextDecision(t *testing.T) {
	s, writes := recording()
	s.endings.add(ending{who: &transaction{server: s, id: "ended"}})
	if err := s.record(s.endings.take(), (&transaction{server: s, id: "decided"}).decision()); err != nil {
		t.Fatal(err)
	}
	r := written(t, writes)
	if len(r) != 2 || r[0].Event.Action != audit.ActionOutcome || r[0].Transaction.ID != "ended" || r[1].Transaction.ID != "decided" {
		t.Errorf("%d records in one write", len(r))
	}
	s.endings.flush()
	if len(writes) != 0 {
		t.Error("the outcome is written twice")
	}
}

func TestAnOutcomeWaitsForNobodyForLong(t *testing.T) {
	s, writes := recording()
	for range endingsAtOnce + 1 {
		s.endings.add(ending{who: &transaction{server: s}})
	}
	for n := 0; n < endingsAtOnce+1; {
		r := written(t, writes)
		if n += len(r); len(r) > endingsAtOnce {
			t.Errorf("%d records in one write", len(r))
		}
	}
}
