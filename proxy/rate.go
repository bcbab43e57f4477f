package proxy

import (
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/policy"
)

// A rateLimit counts the requests of each client in each second. What is beyond the limit is
// refused without a look at it, and recorded once for each client and second, so that a flood can
// neither fill the disk nor push the trail out.
type rateLimit struct {
	limit  int // requests a second and client; 0: none
	record func(*flood)

	mu     sync.Mutex
	second time.Time // when the counting below began
	counts map[netip.Addr]*flood
	timer  *time.Timer // runs while a flood waits for its second to end
}

// A flood is what one client asked for in one second.
type flood struct {
	client   netip.Addr
	requests int
	refused  int64
	id       string         // of the one transaction that stands for all that was refused
	verdict  policy.Verdict // of all that was refused
}

// take counts a request and gives nil, or, where it is one too many, the flood that it belongs to, of which
// id and verdict may be read. judge gives the verdict, and is called for the first of a flood.
func (r *rateLimit) take(client netip.Addr, now time.Time, judge func() policy.Verdict) *flood {
	if r.limit == 0 {
		return nil
	}
	r.mu.Lock()
	var ended []*flood
	if age := now.Sub(r.second); age >= time.Second || age < 0 {
		ended = r.turn(now)
	}
	f := r.count(client, judge)
	r.mu.Unlock()
	r.recordAll(ended)
	return f
}

// count counts one request. The caller holds mu.
func (r *rateLimit) count(client netip.Addr, judge func() policy.Verdict) *flood {
	f := r.counts[client]
	if f == nil {
		f = &flood{client: client}
		r.counts[client] = f
	}
	if f.requests++; f.requests <= r.limit {
		return nil
	}
	if f.refused++; f.refused == 1 {
		f.id, f.verdict = newID(), judge()
		if r.timer == nil {
			r.timer = time.AfterFunc(time.Second, r.flush)
		}
	}
	return f
}

// turn begins a new second and gives the floods of the last. The caller holds mu.
func (r *rateLimit) turn(now time.Time) (ended []*flood) {
	for _, f := range r.counts {
		if f.refused > 0 {
			ended = append(ended, f)
		}
	}
	r.second, r.counts = now, map[netip.Addr]*flood{}
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	return ended
}

// flush records what there is, because the second is over or the proxy ends.
func (r *rateLimit) flush() {
	r.mu.Lock()
	ended := r.turn(time.Now())
	r.mu.Unlock()
	r.recordAll(ended)
}

func (r *rateLimit) recordAll(ended []*flood) {
	for _, f := range ended {
		r.record(f)
	}
}

// overRate gives the transaction to refuse a request with that is beyond its client's rate; nil for
// any other request. It is recorded by recordFlood, later, together with its like.
func (s *Server) overRate(c *clientConn, r policy.Request) *transaction {
	f := s.rate.take(r.Client, r.Time, func() policy.Verdict {
		r.Condition = policy.ReasonRateLimited
		v := s.cfg.Policy().Decide(r)
		return policy.Verdict{Reason: policy.ReasonRateLimited, Client: v.Client, Mode: v.Mode, Policy: v.Policy}
	})
	if f == nil {
		return nil
	}
	t := &transaction{server: s, id: f.id, remote: c.remote, request: r, verdict: f.verdict}
	t.count()
	return t
}

// recordFlood writes the one record of a flood.
func (s *Server) recordFlood(f *flood) {
	v := f.verdict
	r := &audit.Record{
		Event: audit.Event{Category: []string{"network"}, Action: audit.ActionDecision, Reason: string(v.Reason),
			Type: []string{"connection", "denied"}},
		Transaction: &audit.Transaction{ID: f.id},
		Source:      &audit.Endpoint{IP: f.client.String()},
		Sepproxy: audit.Sepproxy{Verdict: verdictWord(false), Reason: string(v.Reason), Client: v.Client, Mode: v.Mode,
			Policy: v.Policy, Count: f.refused},
	}
	if err := s.cfg.Record(r); err != nil {
		s.cfg.Log.Error("writing the audit trail", zap.Error(err), zap.String("transaction", f.id))
	}
}
