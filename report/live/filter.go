package live

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/sepproxy/sepproxy/audit"
)

// A Filter narrows what a snapshot counts. Empty fields do not narrow; the zero Filter lets all pass.
type Filter struct {
	Client  string // an address, a network (10.0.0.0/8), or the client's name in the policy
	Service string // an id, or what ids begin with, up to a dot: agent is agent.insight and the like
	Host    string // a part of the host name
}

// lets tells whether a record counts. Only the zero Filter lets records pass that are about no request.
func (f Filter) lets(r *audit.Record) bool {
	if f == (Filter{}) {
		return true
	}
	return r.Event.Action != audit.ActionLifecycle && f.client(r) && f.service(r) && f.host(r)
}

func (f Filter) client(r *audit.Record) bool {
	if f.Client == "" || f.Client == r.Sepproxy.Client {
		return true
	}
	if r.Source == nil {
		return false
	}
	addr, err := netip.ParseAddr(r.Source.IP)
	if err != nil {
		return f.Client == r.Source.IP
	}
	if network, err := netip.ParsePrefix(f.Client); err == nil {
		return network.Contains(addr.Unmap())
	}
	wanted, err := netip.ParseAddr(f.Client)
	return err == nil && wanted.Unmap() == addr.Unmap()
}

func (f Filter) service(r *audit.Record) bool {
	return f.Service == "" || slices.ContainsFunc(r.Sepproxy.Services, func(id string) bool {
		return id == f.Service || strings.HasPrefix(id, f.Service+".")
	})
}

func (f Filter) host(r *audit.Record) bool {
	return f.Host == "" || r.URL != nil && strings.Contains(strings.ToLower(r.URL.Domain), strings.ToLower(f.Host))
}
