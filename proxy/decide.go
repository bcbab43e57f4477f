package proxy

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gofrs/uuid/v5"
	"go.uber.org/zap"

	"github.com/sepproxy/sepproxy/policy"
	"github.com/sepproxy/sepproxy/proxy/upstream"
)

// decide judges a request and records the decision: there is no other way to be served, and none
// that leaves no record. What it gives back is refused, failed already (its name has no address),
// or open, and then registered until its outcome is recorded.
func (s *Server) decide(c *clientConn, target policy.Target, method string) *transaction {
	r := policy.Request{Method: method, Target: target, Client: c.remote.Addr(), Time: time.Now(), Condition: s.condition(c)}
	if t := s.overRate(c, r); t != nil {
		return t
	}
	t := &transaction{server: s, id: newID(), started: r.Time, remote: c.remote, request: r}
	if target.Host == "" {
		t.original = original(c.head.target)
	}
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	p := s.cfg.Policy()
	t.verdict = p.Decide(t.request)
	unresolved := t.admit(p)
	if err := s.record(s.endings.take(), t.decision()); err != nil {
		s.unrecorded(t, err)
	}
	if !t.verdict.Allow || method != http.MethodConnect {
		t.count() // a tunnel's verdict is final only when its first bytes were seen
	}
	if !t.verdict.Allow {
		s.active.remove(t)
		t.cancel(nil)
		return t
	}
	if unresolved != nil {
		t.fail(failureOf(unresolved, failDNS))
	} else if now := s.cfg.Policy(); now != p {
		t.judgeAgain(now) // the policy changed before this transaction was registered
	}
	return t
}

// admit registers an allowed transaction and finds the addresses that it may dial.
func (t *transaction) admit(p *policy.Policy) error {
	if !t.verdict.Allow {
		return nil
	}
	t.server.active.add(t)
	if t.server.draining.Load() { // since condition looked: whoever drains may have missed t
		t.request.Condition = policy.ReasonDraining
		t.verdict = p.Decide(t.request)
		return nil
	}
	return t.resolve()
}

// condition is what the process, rather than the policy, has against a request.
func (s *Server) condition(c *clientConn) policy.Reason {
	switch {
	case s.draining.Load():
		return policy.ReasonDraining
	case c.over:
		return policy.ReasonTooManyConnections
	}
	return ""
}

// resolve finds the addresses of an allowed name. A name that has addresses, all of them forbidden,
// turns the verdict; an error means that there is no address to dial.
func (t *transaction) resolve() error {
	addresses, err := t.server.upstream.Resolve(t.ctx, t.request.Target.Host, t.request.Target.Port)
	if errors.Is(err, upstream.ErrForbidden) {
		t.verdict.Allow, t.verdict.Reason, t.verdict.Would = false, policy.ReasonAddressForbidden, ""
		return nil
	}
	t.addresses = addresses
	return err
}

// unrecorded turns an allowed request into a refusal, unless the operator chose otherwise.
func (s *Server) unrecorded(t *transaction, err error) {
	s.cfg.Log.Error("writing the audit trail", zap.Error(err), zap.String("transaction", t.id))
	if !s.cfg.PassUnrecorded {
		t.verdict.Allow, t.verdict.Reason, t.verdict.Would = false, policy.ReasonAuditUnavailable, ""
	}
}

// newID gives a UUIDv7 (RFC 9562 §5.7).
func newID() string {
	return uuid.Must(uuid.NewV7()).String()
}

func verdictWord(allow bool) string {
	if allow {
		return "allow"
	}
	return "deny"
}

// serviceLabel is the metric's: one name, however many services there are.
func serviceLabel(services []string) string {
	switch len(services) {
	case 0:
		return "none"
	case 1:
		return services[0]
	}
	return "shared"
}
