package upstream

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// attemptDelay is how long one address is tried alone before the next one is tried beside it
// (RFC 8305 §5).
const attemptDelay = 250 * time.Millisecond

// Dial connects to the first of the addresses that answers; the caller closes the connection. The
// addresses are those that Resolve gave: others fail with ErrForbidden. It takes Config.Timeout at most.
// The error joins those of all attempts; it is syscall.EADDRNOTAVAIL (errors.Is) only where every attempt lacked a source port.
func (u *Upstream) Dial(ctx context.Context, addresses []netip.AddrPort) (net.Conn, error) {
	deadline := time.Now().Add(u.cfg.Timeout)
	switch len(addresses) {
	case 0:
		return nil, errors.New("there is no address to dial")
	case 1:
		return u.dialOne(ctx, deadline, addresses[0])
	}
	return race(ctx, interleaved(addresses), func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		return u.dialOne(ctx, deadline, to)
	})
}

// interleaved puts the families in turn, IPv6 first (RFC 8305 §4).
func interleaved(addresses []netip.AddrPort) []netip.AddrPort {
	var families [2][]netip.AddrPort
	for _, a := range addresses {
		i := 0
		if a.Addr().Is4() {
			i = 1
		}
		families[i] = append(families[i], a)
	}
	out := make([]netip.AddrPort, 0, len(addresses))
	for i := range addresses {
		for _, f := range families {
			if i < len(f) {
				out = append(out, f[i])
			}
		}
	}
	return out
}

type dialFunc func(context.Context, netip.AddrPort) (net.Conn, error)

type attempt struct {
	conn net.Conn
	err  error
}

// race tries the addresses one after the other, each a little after the one before or as soon as
// that has failed. It returns when every attempt has ended.
func race(ctx context.Context, addresses []netip.AddrPort, dial dialFunc) (won net.Conn, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan attempt)
	running := 0
	next := time.NewTimer(0)
	defer next.Stop()
	var failures []error
	for running > 0 || len(addresses) > 0 && ctx.Err() == nil {
		select {
		case <-next.C:
			if len(addresses) == 0 || ctx.Err() != nil {
				continue
			}
			to := addresses[0]
			addresses = addresses[1:]
			running++
			go func() {
				conn, err := dial(ctx, to)
				ended <- attempt{conn, err}
			}()
			next.Reset(attemptDelay)
		case a := <-ended:
			running--
			switch {
			case a.err != nil:
				failures = append(failures, a.err)
				next.Reset(0)
			case won != nil:
				_ = a.conn.Close() // it came second
			default:
				won = a.conn
				cancel()
			}
		}
	}
	if won != nil {
		return won, nil
	}
	return nil, errors.Join(telling(append(failures, context.Cause(ctx)))...)
}

// telling leaves out what lacked a source address where something else failed too: where IPv6 is
// switched off, no IPv6 address has one, and that is not why the others failed.
func telling(failures []error) []error {
	lacksSource := func(err error) bool { return err == nil || errors.Is(err, syscall.EADDRNOTAVAIL) }
	if rest := slices.DeleteFunc(slices.Clone(failures), lacksSource); len(rest) > 0 {
		return rest
	}
	return failures
}

// dialOne dials one address, from the source address whose turn it is; from the next one where that has
// no port left. It holds the address rule a second time: whatever went wrong on the way here, a forbidden
// address is not connected to.
func (u *Upstream) dialOne(ctx context.Context, deadline time.Time, to netip.AddrPort) (conn net.Conn, err error) {
	if !u.isNamed(to) && !u.mayDial(to) {
		return nil, ErrForbidden
	}
	sources := u.turns.next(to.Addr())
	if len(sources) == 0 {
		return u.cfg.Connect(ctx, deadline, netip.Addr{}, to)
	}
	for _, source := range sources {
		if conn, err = u.cfg.Connect(ctx, deadline, source, to); err == nil || !errors.Is(err, syscall.EADDRNOTAVAIL) {
			break
		}
	}
	return conn, err
}

// turns hands out source addresses of one family in turn.
type turns struct {
	v4, v6 []netip.Addr
	turn   *atomic.Uint32
}

func newTurns(bind []netip.Addr) turns {
	t := turns{turn: new(atomic.Uint32)}
	for _, a := range bind {
		if a = a.Unmap(); a.Is4() {
			t.v4 = append(t.v4, a)
		} else {
			t.v6 = append(t.v6, a)
		}
	}
	return t
}

// next gives the source addresses for a destination, the one whose turn it is first.
func (t *turns) next(to netip.Addr) []netip.Addr {
	list := t.v6
	if to.Is4() {
		list = t.v4
	}
	if len(list) < 2 {
		return list
	}
	start := int(t.turn.Add(1) % uint32(len(list)))
	return append(append(make([]netip.Addr, 0, len(list)), list[start:]...), list[:start]...)
}
