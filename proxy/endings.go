package proxy

import (
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/proxy/tunnel"
)

// endings are what has ended and is not in the trail yet. Nobody waits for an outcome to be recorded, so
// it goes there together with the next decision, in one write, or by itself if none comes soon.
type endings struct {
	record func([]ending)

	mu    sync.Mutex
	some  []ending
	timer *time.Timer // runs while there are some
}

// An ending is how a request or tunnel ended.
type ending struct {
	who    ender
	at     time.Time
	result result        // of a transaction
	tunnel tunnel.Result // of a carried
}

// An ender is a transaction or a carried.
type ender interface {
	outcome(e ending) *audit.Record
	recorded() // its outcome is in the trail, or cannot be
}

const (
	// gathering is how long an outcome waits for a decision to be recorded with.
	gathering = 20 * time.Millisecond
	// endingsAtOnce bounds what is recorded together.
	endingsAtOnce = 256
)

func (e *endings) init(record func([]ending)) {
	e.record = record
	e.timer = time.AfterFunc(time.Hour, e.flush)
	e.timer.Stop()
}

func (e *endings) add(x ending) {
	x.at = time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.some) == 0 {
		e.timer.Reset(gathering)
	}
	e.some = append(e.some, x)
}

// take gives some of what there is, for the caller to record.
func (e *endings) take() (some []ending) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := min(len(e.some), endingsAtOnce)
	some, e.some = e.some[:n:n], e.some[n:]
	if len(e.some) == 0 {
		e.some = nil
		e.timer.Stop()
	}
	return some
}

// flush records all that there is.
func (e *endings) flush() {
	for some := e.take(); len(some) > 0; some = e.take() {
		e.record(some)
	}
}

// record writes the outcome of what has ended, and then a decision; nil: none. Its error is the
// decision's: an outcome that cannot be recorded is told in the log.
func (s *Server) record(ended []ending, decision *audit.Record) error {
	records := make([]*audit.Record, 0, len(ended)+1)
	for _, e := range ended {
		records = append(records, e.who.outcome(e))
	}
	if decision != nil {
		records = append(records, decision)
	}
	err := s.cfg.Record(records...)
	if err != nil && len(ended) > 0 {
		s.cfg.Log.Error("writing the audit trail", zap.Error(err), zap.Int("outcomes", len(ended)),
			zap.String("transaction", records[0].Transaction.ID))
	}
	for _, e := range ended {
		e.who.recorded()
	}
	return err
}
