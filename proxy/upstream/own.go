package upstream

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// own are the addresses that this process itself listens on.
type own struct {
	mu        sync.RWMutex
	addresses map[netip.AddrPort]struct{}
}

func (o *own) has(a netip.AddrPort) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	_, ok := o.addresses[a]
	return ok
}

// Refuse makes an address that this process listens on forbidden for names, AllowCIDRs or not, so
// that no name leads a client back into the proxy. An unspecified address stands for all that the
// machine has now.
func (u *Upstream) Refuse(listener net.Addr) error {
	tcp, ok := listener.(*net.TCPAddr)
	if !ok {
		return nil // nothing that could be dialled
	}
	at := tcp.AddrPort()
	local := []netip.Addr{at.Addr().Unmap()}
	if !at.IsValid() || at.Addr().IsUnspecified() {
		found, err := net.InterfaceAddrs()
		if err != nil {
			return fmt.Errorf("finding the addresses of this machine: %w", err)
		}
		for _, a := range found {
			if network, ok := a.(*net.IPNet); ok {
				address, _ := netip.AddrFromSlice(network.IP) // an IPNet has 4 or 16 bytes
				local = append(local, address.Unmap())
			}
		}
	}
	u.own.mu.Lock()
	defer u.own.mu.Unlock()
	if u.own.addresses == nil {
		u.own.addresses = map[netip.AddrPort]struct{}{}
	}
	for _, a := range local {
		u.own.addresses[netip.AddrPortFrom(a, at.Port())] = struct{}{}
	}
	return nil
}
