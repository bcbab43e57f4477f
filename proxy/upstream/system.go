package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	resolvConf    = "/etc/resolv.conf"
	systemAnswers = 30 * time.Second // TTL of what the hosts file says
)

// fromHostsFile asks Go's resolver, which looks there first, and cannot ask anybody else.
func fromHostsFile(ctx context.Context, host string) (answer, bool) {
	nobody := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("only the hosts file is asked")
	}}
	found, err := nobody.LookupNetIP(ctx, "ip", dns.Fqdn(host))
	return answer{addresses: found, ttl: systemAnswers}, err == nil && len(found) > 0
}

// system is the resolvers of this machine, read again when they change.
type system struct {
	mu      sync.Mutex
	read    time.Time // modification time of what was read
	servers []netip.AddrPort
}

// resolvers gives the nameservers of resolv.conf; those that it had where it cannot be read just now.
func (s *system) resolvers() ([]netip.AddrPort, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Stat(resolvConf)
	if err == nil && (len(s.servers) == 0 || !info.ModTime().Equal(s.read)) {
		var servers []netip.AddrPort
		if servers, err = nameservers(); len(servers) > 0 {
			s.servers, s.read = servers, info.ModTime()
		}
	}
	switch {
	case len(s.servers) > 0:
		return s.servers, nil
	case err != nil:
		return nil, fmt.Errorf("finding the system's resolvers: %w: name some in upstream.resolvers", err)
	}
	return nil, fmt.Errorf("%s names no resolver: name some in upstream.resolvers", resolvConf)
}

func nameservers() (servers []netip.AddrPort, err error) {
	conf, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		return nil, err
	}
	for _, text := range conf.Servers {
		if a, err := netip.ParseAddr(text); err == nil {
			servers = append(servers, netip.AddrPortFrom(a, 53))
		}
	}
	return servers, nil
}
