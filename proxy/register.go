package proxy

import (
	"context"
	"net"
	"net/netip"
	"sync"
)

// connections counts the open client connections and knows each of them.
type connections struct {
	limits Limits
	mu     sync.Mutex
	open   map[*clientConn]struct{}
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
	all, from := len(cs.open), cs.from[c.remote.Addr()]
	if cs.limits.Connections > 0 && all >= cs.limits.Connections+refusable {
		return false
	}
	c.over = cs.limits.Connections > 0 && all >= cs.limits.Connections ||
		cs.limits.ConnectionsPerClient > 0 && from >= cs.limits.ConnectionsPerClient
	cs.open[c] = struct{}{}
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
	if cs.from[c.remote.Addr()]--; cs.from[c.remote.Addr()] == 0 {
		delete(cs.from, c.remote.Addr())
	}
}

func (cs *connections) count() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.open)
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

// register knows every allowed request and tunnel from its decision to its outcome.
type register struct {
	mu     sync.Mutex
	open   map[*transaction]struct{}
	joined int           // of them, tunnels that are open
	empty  chan struct{} // closed while nothing is open
}

func (r *register) init() {
	r.open = map[*transaction]struct{}{}
	r.empty = make(chan struct{})
	close(r.empty)
}

func (r *register) add(t *transaction) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.open) == 0 {
		r.empty = make(chan struct{})
	}
	r.open[t] = struct{}{}
}

func (r *register) remove(t *transaction) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.open[t]; !ok {
		return
	}
	delete(r.open, t)
	if len(r.open) == 0 {
		close(r.empty)
	}
}

// addTunnels counts tunnels that opened (1) or ended (-1).
func (r *register) addTunnels(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.joined += n
}

func (r *register) tunnels() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.joined
}

// each calls f for all that are open, without holding the lock.
func (r *register) each(f func(*transaction)) {
	r.mu.Lock()
	open := make([]*transaction, 0, len(r.open))
	for t := range r.open {
		open = append(open, t)
	}
	r.mu.Unlock()
	for _, t := range open {
		f(t)
	}
}

// wait returns when nothing is open, or when ctx ends.
func (r *register) wait(ctx context.Context) {
	for {
		r.mu.Lock()
		empty, left := r.empty, len(r.open)
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
