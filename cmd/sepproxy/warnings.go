package main

import (
	"fmt"
	"net/netip"

	"github.com/sepproxy/sepproxy/internal/strictyaml"
	"github.com/sepproxy/sepproxy/policy"
	"github.com/sepproxy/sepproxy/proxy"
)

// warnings tells what configuration and policy together let through more than one might think.
func (c *config) warnings(p *policy.Policy) []string {
	var out []string
	warn := func(path, format string, args ...any) {
		m := strictyaml.Mistake{File: "configuration", Message: fmt.Sprintf(format, args...)}
		if c.doc != nil {
			m.File = c.doc.File()
			m.Line, m.Column = c.doc.Position(path)
		}
		out = append(out, m.Error())
	}
	for i, l := range c.Listen {
		if p.DefaultClients() && !isInner(l.Address) {
			warn(fmt.Sprintf("listen[%d].address", i), "%s is open to networks beyond this one, and every private address may use the proxy: name the clients in the policy", l.Address)
		}
	}
	if c.Tunnel.SNI == sniMode(proxy.SNIOff) {
		warn("tunnel.sni", "whatever a client sends passes through tunnels: nothing checks that it is TLS for the host that was asked for")
	}
	if c.Audit.OnError == onErrorAllow {
		warn("audit.on_error", "requests pass unrecorded while the audit trail cannot be written")
	}
	return append(out, p.Warnings()...)
}

// isInner tells whether an address to listen on is loopback or private. A name, or no address at
// all, may be anything.
func isInner(address string) bool {
	a, err := netip.ParseAddrPort(address)
	return err == nil && (a.Addr().IsLoopback() || a.Addr().IsPrivate() || a.Addr().IsLinkLocalUnicast())
}
