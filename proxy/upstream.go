package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/sepproxy/sepproxy/policy"
)

// Upstream says how names become addresses.
type Upstream struct {
	// Hosts are names whose addresses the operator gave; they are not checked. Port 0 is the
	// request's own.
	Hosts map[string][]netip.AddrPort
	// Resolvers are DNS servers, asked in turn; none: the system's.
	Resolvers []netip.AddrPort
	// AllowCIDRs are exceptions to the rule that only public addresses are dialled.
	AllowCIDRs []netip.Prefix
}

// errForbidden says that a name has addresses, and that none of them may be dialled.
var errForbidden = errors.New("the name leads to addresses that are not public")

// Resolve gives the addresses of host that may be dialled, and errForbidden where there are only
// others. What it gives is what is dialled: a name is not resolved a second time.
func (u *Upstream) Resolve(ctx context.Context, host string, port uint16) ([]netip.AddrPort, error) {
	if fixed, ok := u.Hosts[host]; ok {
		return withPort(fixed, port), nil
	}
	found, err := u.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var allowed []netip.AddrPort
	for _, a := range found {
		if a = a.Unmap(); isPublic(a) || u.excepted(a) {
			allowed = append(allowed, netip.AddrPortFrom(a, port))
		}
	}
	if len(allowed) == 0 {
		return nil, errForbidden
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

func (u *Upstream) excepted(a netip.Addr) bool {
	for _, p := range u.AllowCIDRs {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// lookup asks the resolvers in turn: the next one where one fails, but not where it knows that the
// name does not exist.
func (u *Upstream) lookup(ctx context.Context, host string) (found []netip.Addr, err error) {
	name := host + "." // keeps the system's search domains out
	if len(u.Resolvers) == 0 {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	}
	for i, server := range u.Resolvers {
		share, cancel := shareOf(ctx, len(u.Resolvers)-i)
		found, err = resolverAt(server).LookupNetIP(share, "ip", name)
		cancel()
		if dns, ok := errors.AsType[*net.DNSError](err); err == nil || (ok && dns.IsNotFound) {
			break
		}
	}
	return found, err
}

func resolverAt(server netip.AddrPort) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, server.String())
	}}
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

// dial connects to the first of the addresses that answers.
func (s *Server) dial(ctx context.Context, addresses []netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeouts.Connect)
	defer cancel()
	started := time.Now()
	var failures []error
	for i, a := range addresses {
		conn, err := s.dialOne(ctx, a, len(addresses)-i)
		if err == nil {
			s.cfg.Metrics.Dial(time.Since(started))
			return conn, nil
		}
		failures = append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(failures...)
}

func (s *Server) dialOne(ctx context.Context, a netip.AddrPort, attempts int) (net.Conn, error) {
	ctx, cancel := shareOf(ctx, attempts)
	defer cancel()
	return s.dialer.DialContext(ctx, "tcp", a.String())
}

// failureOf gives the reason code for an error of resolving, dialling or reading; other where the
// error itself does not say.
func failureOf(err error, other policy.Reason) policy.Reason {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return failDNS
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return failNoSourcePort
	case errors.Is(err, syscall.ECONNREFUSED):
		return failConnectRefused
	case other == failConnect && isTimeout(err):
		return failConnectTimeout
	case isTimeout(err):
		return failIdle
	}
	return other
}
