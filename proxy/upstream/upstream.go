// Package upstream answers one question: how does a name become a connection?
//
// Names are resolved here, once, into addresses that are judged; and those addresses, no others, are
// dialled. It knows nothing of policy: who calls it has decided that the name may pass.
package upstream

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Config is what an Upstream needs; it is not changed afterwards. Zero values are safe.
type Config struct {
	// Hosts are names whose addresses the operator gave; they are not checked. Port 0 is the
	// request's own. Names are normalised.
	Hosts map[string][]netip.AddrPort
	// Resolvers are DNS servers, asked in turn; none: the system's.
	Resolvers []netip.AddrPort
	// AllowCIDRs are exceptions to the rule that only public addresses are dialled.
	AllowCIDRs []netip.Prefix
	// Bind are source addresses, used in turn; none: the system chooses.
	Bind []netip.Addr
	// Timeout bounds the resolution of one name, and one Dial; 0 is ten seconds.
	Timeout time.Duration
	// Connect makes a TCP connection until deadline, from source unless that is the zero Addr. Its error
	// is syscall.EADDRNOTAVAIL (errors.Is) where source has no port left for the destination. Nil:
	// nothing is dialled.
	Connect func(ctx context.Context, deadline time.Time, source netip.Addr, to netip.AddrPort) (net.Conn, error)
	// Now gives the time; nil is time.Now.
	Now func() time.Time
}

// ErrForbidden says that a name has addresses, and that none of them may be dialled.
var ErrForbidden = errors.New("the name leads to addresses that are not public")

// An Upstream resolves and dials. New makes it; any number of goroutines may use it.
type Upstream struct {
	cfg    Config
	cache  cache
	system system
	turns  turns
	own    own
	named  map[netip.AddrPort]bool // the addresses of cfg.Hosts
}

// New makes an Upstream.
func New(cfg Config) *Upstream {
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	named := map[netip.AddrPort]bool{}
	for _, fixed := range cfg.Hosts {
		for _, a := range fixed {
			named[a] = true
		}
	}
	if cfg.Connect == nil {
		cfg.Connect = func(context.Context, time.Time, netip.Addr, netip.AddrPort) (net.Conn, error) {
			return nil, errors.New("there is no way to connect")
		}
	}
	return &Upstream{
		cfg:   cfg,
		cache: cache{entries: map[string]entry{}},
		turns: newTurns(cfg.Bind),
		named: named,
		own:   own{addresses: map[netip.AddrPort]bool{}, ports: map[uint16]bool{}},
	}
}

// Resolve gives the addresses of host, a normalised name, that may be dialled, and ErrForbidden
// where there are only others. Its errors for names without an address are *net.DNSError.
func (u *Upstream) Resolve(ctx context.Context, host string, port uint16) ([]netip.AddrPort, error) {
	if fixed, ok := u.cfg.Hosts[host]; ok {
		return withPort(fixed, port), nil
	}
	found, err := u.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	allowed := make([]netip.AddrPort, 0, len(found))
	for _, a := range found {
		if to := netip.AddrPortFrom(a.Unmap(), port); u.mayDial(to) {
			allowed = append(allowed, to)
		}
	}
	if len(allowed) == 0 {
		return nil, ErrForbidden
	}
	return allowed, nil
}

func withPort(fixed []netip.AddrPort, port uint16) []netip.AddrPort {
	out := make([]netip.AddrPort, len(fixed))
	for i, a := range fixed {
		if out[i] = a; a.Port() == 0 {
			out[i] = netip.AddrPortFrom(a.Addr(), port)
		}
	}
	return out
}

// isNamed tells whether the operator gave the address, with this port or with any.
func (u *Upstream) isNamed(to netip.AddrPort) bool {
	return u.named[to] || u.named[netip.AddrPortFrom(to.Addr(), 0)]
}

// mayDial is the address rule. No exception opens the unspecified address, which leads to this
// machine, nor what the process listens on.
func (u *Upstream) mayDial(to netip.AddrPort) bool {
	if !to.IsValid() || to.Addr().IsUnspecified() || u.own.has(to) {
		return false
	}
	return isPublic(to.Addr()) || slices.ContainsFunc(u.cfg.AllowCIDRs, func(p netip.Prefix) bool { return p.Contains(to.Addr()) })
}

// shareOf gives one of several attempts its share of the time that is left, so that one that is
// silent leaves some for the next.
func shareOf(ctx context.Context, attempts int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/time.Duration(attempts))
}
