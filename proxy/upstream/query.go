package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	udpSize       = 1232                   // what passes everywhere unfragmented (DNS flag day 2020)
	maxAliases    = 16                     // CNAMEs that are followed
	otherFamily   = 200 * time.Millisecond // how long the second family's answer is waited for
	longestWait   = time.Minute            // for an answer, where the context does not end before
	resolvConf    = "/etc/resolv.conf"
	systemAnswers = 30 * time.Second // TTL of what the hosts file says
)

// ask asks the resolvers in turn: the next one where one fails, but not where one knows that the
// name does not exist.
func (u *Upstream) ask(ctx context.Context, host string) (a answer, err error) {
	servers := u.cfg.Resolvers
	if len(servers) == 0 {
		if a, ok := fromHostsFile(ctx, host); ok {
			return a, nil
		}
		if servers, err = u.system.resolvers(); err != nil {
			return answer{}, err
		}
	}
	for i, server := range servers {
		share, cancel := shareOf(ctx, len(servers)-i)
		a, err = askOne(share, server.String(), dns.Fqdn(host)) // the final dot: no search domains
		cancel()
		if err == nil {
			return a, nil
		}
	}
	return answer{}, err
}

// fromHostsFile asks Go's resolver, which looks there first, and cannot ask anybody else.
func fromHostsFile(ctx context.Context, host string) (answer, bool) {
	nobody := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("only the hosts file is asked")
	}}
	found, err := nobody.LookupNetIP(ctx, "ip", dns.Fqdn(host))
	return answer{found, systemAnswers}, err == nil && len(found) > 0
}

// system is the resolvers of this machine, read again when they change.
type system struct {
	mu      sync.Mutex
	read    time.Time // modification time of what was read
	servers []netip.AddrPort
}

func (s *system) resolvers() ([]netip.AddrPort, error) {
	info, err := os.Stat(resolvConf)
	if err != nil {
		return nil, fmt.Errorf("finding the system's resolvers: %w: name some in upstream.resolvers", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.servers) > 0 && info.ModTime().Equal(s.read) {
		return s.servers, nil
	}
	conf, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		return nil, fmt.Errorf("finding the system's resolvers: %w", err)
	}
	s.servers, s.read = nil, info.ModTime()
	for _, text := range conf.Servers {
		if a, err := netip.ParseAddr(text); err == nil {
			s.servers = append(s.servers, netip.AddrPortFrom(a, 53))
		}
	}
	if len(s.servers) == 0 {
		return nil, fmt.Errorf("%s names no resolver: name some in upstream.resolvers", resolvConf)
	}
	return s.servers, nil
}

// askOne asks one server for both families at once. It needs one answer, and waits a little for the
// other.
func askOne(ctx context.Context, server, name string) (answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		answer
		err error
	}
	results := make(chan result, 2)
	for _, family := range []uint16{dns.TypeA, dns.TypeAAAA} {
		go func() {
			a, err := exchange(ctx, server, name, family)
			results <- result{a, err}
		}()
	}
	first := <-results
	if first.err == nil && len(first.addresses) > 0 {
		select {
		case second := <-results:
			return first.join(second.answer), nil
		case <-time.After(otherFamily):
			return first.answer, nil
		}
	}
	second := <-results
	switch {
	case second.err == nil && len(second.addresses) > 0:
		return second.answer, nil
	case first.err != nil:
		return answer{}, first.err
	}
	return answer{}, second.err
}

func (a answer) join(b answer) answer {
	if len(b.addresses) == 0 {
		return a
	}
	return answer{slices.Concat(a.addresses, b.addresses), min(a.ttl, b.ttl)}
}

// exchange asks one question, by UDP, and by TCP where the answer does not fit.
func exchange(ctx context.Context, server, name string, family uint16) (answer, error) {
	question := new(dns.Msg)
	question.SetQuestion(name, family)
	question.SetEdns0(udpSize, false)
	for _, network := range []string{"udp", "tcp"} {
		reply, err := send(ctx, network, server, question)
		if err != nil {
			return answer{}, fmt.Errorf("asking %s: %w", server, err)
		}
		if reply.Truncated && network == "udp" {
			continue
		}
		return read(reply, question.Question[0])
	}
	return answer{}, fmt.Errorf("asking %s: the answer is truncated", server)
}

// send sends one question and waits for its answer until ctx ends.
func send(ctx context.Context, network, server string, question *dns.Msg) (*dns.Msg, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	client := dns.Client{Net: network, UDPSize: udpSize, Timeout: longestWait}
	reply, _, err := client.ExchangeWithConn(question, &dns.Conn{Conn: conn, UDPSize: udpSize})
	return reply, err
}

// read takes the addresses of the name that was asked for, and of what it is an alias of; whatever
// else a reply holds goes for nothing.
func read(reply *dns.Msg, asked dns.Question) (answer, error) {
	if len(reply.Question) != 1 || !strings.EqualFold(reply.Question[0].Name, asked.Name) || reply.Question[0].Qtype != asked.Qtype {
		return answer{}, errors.New("the resolver answers another question")
	}
	switch reply.Rcode {
	case dns.RcodeNameError:
		return answer{}, nil
	case dns.RcodeSuccess:
	default:
		return answer{}, fmt.Errorf("the resolver answers %s", dns.RcodeToString[reply.Rcode])
	}
	a := answer{ttl: maxTTL}
	name := asked.Name
	for range maxAliases {
		alias := ""
		for _, rr := range reply.Answer {
			if !strings.EqualFold(rr.Header().Name, name) {
				continue
			}
			ttl := time.Duration(rr.Header().Ttl) * time.Second
			switch rr := rr.(type) {
			case *dns.A:
				a.add(rr.A, ttl, asked.Qtype == dns.TypeA)
			case *dns.AAAA:
				a.add(rr.AAAA, ttl, asked.Qtype == dns.TypeAAAA)
			case *dns.CNAME:
				alias, a.ttl = rr.Target, min(a.ttl, ttl)
			}
		}
		if alias == "" || len(a.addresses) > 0 {
			return a, nil
		}
		name = alias
	}
	return answer{}, errors.New("the name is an alias of an alias, and so on without end")
}

// add takes an address of the family that was asked for.
func (a *answer) add(ip net.IP, ttl time.Duration, asked bool) {
	if address, ok := netip.AddrFromSlice(ip); ok && asked {
		a.addresses = append(a.addresses, address.Unmap())
		a.ttl = min(a.ttl, ttl)
	}
}
