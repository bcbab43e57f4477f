package proxy

import (
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/proxy/tunnel"
)

// endings are tunnels that have ended and whose outcome is not recorded yet. The engine does not wait
// for the trail: one goroutine records what there is, many outcomes at a time when there are many.
type endings struct {
	mu   sync.Mutex
	some []ending
	wake chan struct{} // of capacity 1
	stop chan struct{} // closed when nothing will be added any more
}

func (e *endings) init() {
	e.wake, e.stop = make(chan struct{}, 1), make(chan struct{})
}

type ending struct {
	carried *carried
	result  tunnel.Result
}

// outcomesAtOnce bounds what is recorded together.
const outcomesAtOnce = 256

func (e *endings) add(k *carried, r tunnel.Result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.some = append(e.some, ending{k, r})
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// take gives what there is.
func (e *endings) take() (some []ending) {
	e.mu.Lock()
	defer e.mu.Unlock()
	some, e.some = e.some, nil
	return some
}

// recordEndings runs until the endings are closed.
func (s *Server) recordEndings() {
	for {
		select {
		case <-s.endings.wake:
		case <-s.endings.stop:
			return
		}
		for some := range slices.Chunk(s.endings.take(), outcomesAtOnce) {
			s.recordTogether(some)
		}
	}
}

// recordTogether records outcomes, and takes the tunnels for gone after that.
func (s *Server) recordTogether(some []ending) {
	records := make([]*audit.Record, len(some))
	for i, e := range some {
		records[i] = e.carried.outcome(e.result)
	}
	if err := s.cfg.Record(records...); err != nil {
		s.cfg.Log.Error("writing the audit trail", zap.Error(err), zap.Int("outcomes", len(records)),
			zap.String("transaction", records[0].Transaction.ID))
	}
	for _, e := range some {
		s.conns.leave(e.carried.remote.Addr())
		s.active.removeCarried(e.carried)
	}
}

// outcome gives the record of how a tunnel ended.
func (k *carried) outcome(r tunnel.Result) *audit.Record {
	k.mu.Lock()
	failure := k.why
	k.mu.Unlock()
	if failure == "" {
		failure = tunnelFailures[r.Cause]
	}
	return k.transaction().outcome(result{failure: failure, sent: r.Sent, received: r.Received})
}
