package upstream

import (
	"net"
	"net/netip"
	"sync"
)

// own are the addresses that this process itself listens on.
type own struct {
	mu        sync.RWMutex
	addresses map[netip.AddrPort]bool
	ports     map[uint16]bool // of listeners on every address of this machine
}

// Refuse makes an address that this process listens on forbidden for names, AllowCIDRs or not, so
// that no name leads a client back into the proxy. An unspecified address stands for all that the
// machine has, whenever it gets them. A listener without an IP address needs no refusal.
func (u *Upstream) Refuse(listener net.Addr) {
	tcp, ok := listener.(*net.TCPAddr)
	if !ok {
		return
	}
	at := tcp.AddrPort()
	u.own.mu.Lock()
	defer u.own.mu.Unlock()
	if at.Addr().IsUnspecified() {
		u.own.ports[at.Port()] = true
		return
	}
	u.own.addresses[netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())] = true
}

func (o *own) has(a netip.AddrPort) bool {
	o.mu.RLock()
	listed, everywhere := o.addresses[a], o.ports[a.Port()]
	o.mu.RUnlock()
	return listed || everywhere && isLocal(a.Addr())
}

// isLocal tells whether a leads to this machine; it asks anew each time, for addresses come and go.
// Where it cannot know, it does.
func isLocal(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	found, err := net.InterfaceAddrs()
	for _, addr := range found {
		if network, ok := addr.(*net.IPNet); ok {
			if local, _ := netip.AddrFromSlice(network.IP); local.Unmap() == a {
				return true
			}
		}
	}
	return err != nil
}
