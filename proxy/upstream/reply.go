package upstream

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Bounds of what is taken from one reply.
const (
	maxAliases   = 16 // CNAMEs that are followed
	maxAddresses = 16 // so that no name has the proxy knock at hundreds of doors
)

// An answer is what a resolver says of a name: addresses, or that there are none.
type answer struct {
	addresses  []netip.Addr
	ttl        time.Duration // of the addresses, or of there being none (RFC 2308 §5)
	noSuchName bool
}

// isAnswer tells whether reply was sent in answer to question.
func isAnswer(reply, question *dns.Msg) bool {
	if !reply.Response || reply.Id != question.Id || len(reply.Question) != 1 {
		return false
	}
	got, asked := reply.Question[0], question.Question[0]
	return strings.EqualFold(got.Name, asked.Name) && got.Qtype == asked.Qtype && got.Qclass == asked.Qclass
}

// read takes the addresses of the name that was asked for, and of what it is an alias of; whatever
// else a reply holds goes for nothing.
func read(reply *dns.Msg, asked dns.Question) (answer, error) {
	switch reply.Rcode {
	case dns.RcodeNameError:
		return answer{ttl: negative(reply), noSuchName: true}, nil
	case dns.RcodeSuccess:
	default:
		return answer{}, fmt.Errorf("the resolver answers %s", dns.RcodeToString[reply.Rcode])
	}
	a, name := answer{ttl: maxTTL}, asked.Name
	for range maxAliases {
		alias := a.take(reply.Answer, name, asked.Qtype)
		switch {
		case len(a.addresses) > 0:
			return a, nil
		case alias == "":
			return a.none(reply)
		}
		name = alias
	}
	return answer{}, errors.New("the name is an alias of an alias, and so on without end")
}

// take adds the addresses that records hold of name, and gives what name is an alias of.
func (a *answer) take(records []dns.RR, name string, family uint16) (alias string) {
	for _, rr := range records {
		h := rr.Header()
		if h.Class != dns.ClassINET || !strings.EqualFold(h.Name, name) || (h.Rrtype != family && h.Rrtype != dns.TypeCNAME) {
			continue
		}
		a.ttl = min(a.ttl, time.Duration(h.Ttl)*time.Second)
		switch rr := rr.(type) {
		case *dns.A:
			a.add(rr.A)
		case *dns.AAAA:
			a.add(rr.AAAA)
		case *dns.CNAME:
			alias = rr.Target
		}
	}
	return alias
}

func (a *answer) add(ip net.IP) {
	if address, ok := netip.AddrFromSlice(ip); ok && len(a.addresses) < maxAddresses {
		a.addresses = append(a.addresses, address.Unmap())
	}
}

// none is the answer of a reply without an address. A server that neither knows the zone nor asks
// others points elsewhere: that says nothing of the name.
func (a *answer) none(reply *dns.Msg) (answer, error) {
	ttl := negative(reply)
	if ttl == 0 && !reply.Authoritative && !reply.RecursionAvailable {
		return answer{}, errors.New("the resolver does not resolve, it only refers to others")
	}
	return answer{ttl: min(a.ttl, ttl)}, nil
}

// negative gives how long a reply says that what it denies stays denied; 0 where it does not say
// (RFC 2308 §5).
func negative(reply *dns.Msg) time.Duration {
	for _, rr := range reply.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return time.Duration(min(soa.Hdr.Ttl, soa.Minttl)) * time.Second
		}
	}
	return 0
}
