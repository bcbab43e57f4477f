package proxy

import (
	"net"
	"net/netip"
	"sync"
	"time"
	"unique"

	"github.com/gofrs/uuid/v5"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/policy"
	"github.com/sepproxy/sepproxy/proxy/tunnel"
)

// A carried is an open tunnel. It takes the place of its transaction and of the client's connection,
// which nobody needs any more: there may be a hundred thousand, and this, with what package tunnel
// keeps, is all that each of them costs.
type carried struct {
	server   *Server
	id       uuid.UUID
	started  time.Time
	remote   netip.AddrPort
	peer     netip.AddrPort
	subject  unique.Handle[subject]
	services []string // the policy's

	mu     sync.Mutex
	tunnel tunnel.Tunnel
	why    policy.Reason // it was ended from outside; "" if it was not
}

// A subject is what many tunnels have in common, and hold together.
type subject struct {
	target     policy.Target
	method     string
	reason     policy.Reason
	would      policy.Reason
	documented bool
	client     string
	mode       string
	policy     string
	offer      offer
}

// carry makes a tunnel of t, client and origin, and leaves it to the engine. Whoever ends t from now
// on ends that.
func (t *transaction) carry(client, origin net.Conn, early []byte) {
	s := t.server
	k := &carried{server: s, id: uuid.FromStringOrNil(t.id), started: t.started, remote: t.remote, peer: t.peer,
		subject: unique.Make(t.subjectOf()), services: t.verdict.Services}
	k.mu.Lock() // whoever ends it from outside waits until there is something to end
	s.active.carry(t, k)
	k.tunnel = s.tunnels.Start(client, origin, tunnel.Options{
		Early: early,
		Idle:  s.cfg.Timeouts.Idle,
		Moved: s.cfg.Metrics.TunnelBytes,
		Done:  func(r tunnel.Result) { s.endings.add(ending{who: k, tunnel: r}) },
	})
	k.mu.Unlock()
	t.leaveTo(k)
}

func (t *transaction) subjectOf() subject {
	v := t.verdict
	return subject{target: t.request.Target, method: t.request.Method, reason: v.Reason, would: v.Would,
		documented: v.Documented, client: v.Client, mode: v.Mode, policy: v.Policy, offer: t.offer}
}

// transaction gives the transaction back, as far as its outcome needs it.
func (k *carried) transaction() *transaction {
	b := k.subject.Value()
	return &transaction{server: k.server, id: k.id.String(), started: k.started, remote: k.remote, peer: k.peer, offer: b.offer,
		request: policy.Request{Method: b.method, Target: b.target, Client: k.remote.Addr()},
		verdict: policy.Verdict{Allow: true, Reason: b.reason, Would: b.would, Documented: b.documented,
			Services: k.services, Client: b.client, Mode: b.mode, Policy: b.policy}}
}

// abort implements open.
func (k *carried) abort(reason policy.Reason) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.why == "" {
		k.why = reason
	}
	k.tunnel.Abort()
}

// judgeAgain implements open.
func (k *carried) judgeAgain(p *policy.Policy) {
	b := k.subject.Value()
	if revokes(p, policy.Request{Method: b.method, Target: b.target, Client: k.remote.Addr()}) {
		k.abort(failRevoked)
	}
}

// tunnelFailures is what each cause of a tunnel's end is in the trail. A tunnel is aborted only by
// carried.abort, which knows the reason.
var tunnelFailures = map[tunnel.Cause]policy.Reason{
	tunnel.ClientReset:   failClientReset,
	tunnel.UpstreamReset: failUpstreamReset,
	tunnel.Idle:          failIdle,
}

// outcome implements ender.
func (k *carried) outcome(e ending) *audit.Record {
	k.mu.Lock()
	failure := k.why
	k.mu.Unlock()
	if failure == "" {
		failure = tunnelFailures[e.tunnel.Cause]
	}
	e.result = result{failure: failure, sent: e.tunnel.Sent, received: e.tunnel.Received}
	return k.transaction().outcome(e)
}

// recorded implements ender.
func (k *carried) recorded() {
	k.server.conns.leave(k.remote.Addr())
	k.server.active.removeCarried(k)
}
