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

// dial connects to one of the addresses that were judged.
func (s *Server) dial(ctx context.Context, addresses []netip.AddrPort) (net.Conn, error) {
	started := time.Now()
	conn, err := s.upstream.Dial(ctx, addresses)
	if err == nil {
		s.cfg.Metrics.Dial(time.Since(started))
	}
	return conn, err
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
	case other == failConnect && (isTimeout(err) || errors.Is(err, context.DeadlineExceeded)): // of any attempt
		return failConnectTimeout
	case isTimeout(err):
		return failIdle
	}
	return other
}
