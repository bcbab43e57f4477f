package proxy

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sepproxy/sepproxy/policy"
)

// A transaction is one proxied request, from its decision to its outcome.
type transaction struct {
	server    *Server
	id        string
	started   time.Time
	remote    netip.AddrPort
	original  string // what could not be parsed, fit for the record
	request   policy.Request
	verdict   policy.Verdict
	addresses []netip.AddrPort // that were judged, and may be dialled
	peer      netip.AddrPort   // that was dialled
	offer     offer            // the tunnel's ClientHello; zero where nobody looked
	counted   atomic.Bool      // in the metrics

	ctx    context.Context // ends with the transaction; its cause is a policy.Reason in an endReason
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	aborted func()   // what abort has to do for t, which waits for something; nil: nothing
	carried *carried // the tunnel that t has become
	ended   bool
	result  result
}

// A result is what an outcome adds to a decision.
type result struct {
	failure  policy.Reason // "" is success
	denied   policy.Reason // what the tunnel's first bytes turned the verdict to; "" if nothing
	status   int           // of the answer to a plain request; 0: none
	sent     int64
	received int64
}

// endReason is why a transaction was ended from outside.
type endReason policy.Reason

func (r endReason) Error() string { return string(r) }

// failed gives the failure that ended t, or "".
func (t *transaction) failed() policy.Reason {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.result.failure
}

// fail ends t without a byte having passed.
func (t *transaction) fail(reason policy.Reason) { t.end(result{failure: reason}) }

// end has the outcome recorded, once: a later call changes nothing. What ended t from outside is the
// failure, whatever error it showed as.
func (t *transaction) end(r result) {
	if why, ok := context.Cause(t.ctx).(endReason); ok {
		r.failure = policy.Reason(why)
	}
	t.mu.Lock()
	if t.ended {
		t.mu.Unlock()
		return
	}
	t.ended, t.result = true, r
	t.mu.Unlock()
	t.cancel(nil)
	t.count()
	t.server.endings.add(ending{who: t, result: r})
}

// recorded implements ender.
func (t *transaction) recorded() { t.server.active.remove(t) }

// deny turns the verdict of a tunnel whose first bytes fail the check, and ends it.
func (t *transaction) deny(reason policy.Reason) {
	t.verdict.Allow, t.verdict.Reason, t.verdict.Would = false, reason, ""
	t.end(result{denied: reason})
}

// count tells the metrics of t, once, when its verdict is final.
func (t *transaction) count() {
	if t.counted.CompareAndSwap(false, true) {
		v := t.verdict
		t.server.cfg.Metrics.Request(verdictWord(v.Allow), string(v.Reason), serviceLabel(v.Services))
	}
}

// abort ends t from outside, for reason. The outcome is recorded where t is carried.
func (t *transaction) abort(reason policy.Reason) {
	t.cancel(endReason(reason))
	t.mu.Lock()
	k := t.carried
	t.interrupt()
	t.mu.Unlock()
	if k != nil {
		k.abort(reason)
	}
}

// whenAborted has f called when t is ended from outside, at once if it was already; nil: nothing more.
func (t *transaction) whenAborted(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.aborted = f
	if t.ctx.Err() != nil {
		t.interrupt()
	}
}

// interrupt ends what t waits for. mu is held.
func (t *transaction) interrupt() {
	if t.aborted != nil {
		t.aborted()
	}
}

// leaveTo ends t in favour of the tunnel that it has become. What has ended t before ends that.
func (t *transaction) leaveTo(k *carried) {
	t.mu.Lock()
	t.carried = k
	t.mu.Unlock()
	if why, ok := context.Cause(t.ctx).(endReason); ok {
		k.abort(policy.Reason(why))
	}
	t.cancel(nil)
}

// judgeAgain ends t if p revokes it.
func (t *transaction) judgeAgain(p *policy.Policy) {
	if revokes(p, t.request) {
		t.abort(failRevoked)
	}
}

// revokes tells whether p does not allow r now, and does not keep what it no longer allows.
func revokes(p *policy.Policy, r policy.Request) bool {
	r.Time, r.Condition = time.Now(), ""
	return !p.KeepRevoked() && !p.Decide(r).Allow
}
