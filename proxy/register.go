package proxy

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"github.com/sepproxy/sepproxy/policy"
)

// connections counts the open client connections and knows each of them that no tunnel has.
type connections struct {
	limits Limits
	mu     sync.Mutex
	open   map[*clientConn]struct{}
	all    int
	from   map[netip.Addr]int
}

// refusable is how many connections beyond the limit are kept to be told so, rather than closed
// without a word.
const refusable = 64

func (cs *connections) init(l Limits) {
	cs.limits = l
	cs.open = map[*clientConn]struct{}{}
	cs.from = map[netip.Addr]int{}
}

// add takes c in and marks it if it is one too many. False means that not even an answer can be
// spared for it; it is not taken in then.
func (cs *connections) add(c *clientConn) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	all, from := cs.all, cs.from[c.remote.Addr()]
	if cs.limits.Connections > 0 && all >= cs.limits.Connections+refusable {
		return false
	}
	c.over = cs.limits.Connections > 0 && all >= cs.limits.Connections ||
		cs.limits.ConnectionsPerClient > 0 && from >= cs.limits.ConnectionsPerClient
	cs.open[c] = struct{}{}
	cs.all++
	cs.from[c.remote.Addr()] = from + 1
	return true
}

func (cs *connections) remove(c *clientConn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if _, ok := cs.open[c]; !ok {
		return
	}
	delete(cs.open, c)
	cs.giveBack(c.remote.Addr())
}

// handOver forgets c but keeps its place, which a tunnel has now.
func (cs *connections) handOver(c *clientConn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.open, c)
}

// leave gives back the place of a tunnel.
func (cs *connections) leave(from netip.Addr) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.giveBack(from)
}

func (cs *connections) giveBack(from netip.Addr) {
	cs.all--
	if cs.from[from]--; cs.from[from] == 0 {
		delete(cs.from, from)
	}
}

func (cs *connections) count() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.all
}

func (cs *connections) closeAll() {
	cs.mu.Lock()
	open := make([]*clientConn, 0, len(cs.open))
	for c := range cs.open {
		open = append(open, c)
	}
	cs.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
}

// An open is what can be ended from outside: a transaction, or the tunnel that it has become.
type open interface {
	abort(reason policy.Reason)
	judgeAgain(p *policy.Policy)
}

// register knows every allowed request and tunnel from its decision to its outcome.
type register struct {
	mu      sync.Mutex
	open    map[*transaction]struct{}
	carried map[*carried]struct{}
	empty   chan struct{} // closed while nothing is open
}

func (r *register) init() {
	r.open = map[*transaction]struct{}{}
	r.carried = map[*carried]struct{}{}
	r.empty = make(chan struct{})
	close(r.empty)
}

func (r *register) add(t *transaction) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.open)+len(r.carried) == 0 {
		r.empty = make(chan struct{})
	}
	r.open[t] = struct{}{}
}

// carry lets k take the place of t.
func (r *register) carry(t *transaction, k *carried) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.carried[k] = struct{}{}
	delete(r.open, t)
}

func (r *register) remove(t *transaction) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.open[t]; !ok {
		return
	}
	delete(r.open, t)
	r.tellIfEmpty()
}

func (r *register) removeCarried(k *carried) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.carried, k)
	r.tellIfEmpty()
}

func (r *register) tellIfEmpty() {
	if len(r.open)+len(r.carried) == 0 {
		close(r.empty)
	}
}

// tunnels is how many tunnels are open.
func (r *register) tunnels() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.carried)
}

// each calls f for all that are open, without holding the lock.
func (r *register) each(f func(open)) {
	r.mu.Lock()
	all := make([]open, 0, len(r.open)+len(r.carried))
	for t := range r.open {
		all = append(all, t)
	}
	for k := range r.carried {
		all = append(all, k)
	}
	r.mu.Unlock()
	for _, o := range all {
		f(o)
	}
}

// wait returns when nothing is open, or when ctx ends.
func (r *register) wait(ctx context.Context) {
	for {
		r.mu.Lock()
		empty, left := r.empty, len(r.open)+len(r.carried)
		r.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-empty:
		case <-ctx.Done():
			return
		}
	}
}

// listeners are what connections are accepted from, until they are closed together.
type listeners struct {
	mu     sync.Mutex
	open   []net.Listener
	closed bool
}

// add gives false once they are closed.
func (ls *listeners) add(l net.Listener) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.open = append(ls.open, l)
	return !ls.closed
}

func (ls *listeners) close() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.closed = true
	for _, l := range ls.open {
		_ = l.Close()
	}
}

// handover is the net.Listener through which net/http gets the connections that are its.
type handover struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHandover() *handover {
	return &handover{conns: make(chan net.Conn), done: make(chan struct{})}
}

// give hands c over; false means that nobody takes it any more.
func (h *handover) give(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.done:
		return false
	}
}

func (h *handover) close() { h.once.Do(func() { close(h.done) }) }

// Accept is net/http's.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close is net/http's.
func (h *handover) Close() error {
	h.close()
	return nil
}

// Addr is net/http's; nobody looks at it.
func (h *handover) Addr() net.Addr { return &net.TCPAddr{} }
