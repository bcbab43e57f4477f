package catalog

import (
	"io"
	"strings"
)

var (
	dnsmasqUse = Text{
		"dnsmasq 2.87 or later: keep the lines of the kind of set that the firewall uses, and make the sets before dnsmasq starts. Both kinds hold every address of a name below a listed one, too.",
		"dnsmasq 2.87 o posterior: deje las líneas del tipo de conjunto que usa el cortafuegos, y cree los conjuntos antes de iniciar dnsmasq. Ambos contienen también las direcciones de los nombres por debajo de los listados.",
	}
	dnsmasqSetup = []string{
		"#   nft add table inet sepproxy",
		"#   nft add set inet sepproxy sep4 '{ type ipv4_addr; }'",
		"#   nft add set inet sepproxy sep6 '{ type ipv6_addr; }'",
		"#   ipset create sep4 hash:ip family inet",
		"#   ipset create sep6 hash:ip family inet6",
	}
)

// exportDnsmasq writes which answers dnsmasq puts into a firewall's sets, a line per host and kind of
// set (https://thekelleys.org.uk/dnsmasq/docs/dnsmasq-man.html, nftset and ipset). dnsmasq takes a
// name for itself and all below it: it has no way to say less.
func exportDnsmasq(w io.Writer, c *Catalog, o Options) error {
	p := page{lang: o.Lang}
	p.heading(c, dnsmasqUse)
	for _, line := range dnsmasqSetup {
		p.line(0, line)
	}
	var names []string
	for _, host := range c.HostNames() {
		names = append(names, strings.TrimPrefix(host, "*."))
	}
	names = distinct(names)
	p.line(0, "")
	for _, name := range names {
		p.line(0, "nftset=/"+name+"/4#inet#sepproxy#sep4,6#inet#sepproxy#sep6")
	}
	p.line(0, "")
	for _, name := range names {
		p.line(0, "ipset=/"+name+"/sep4,sep6")
	}
	return p.writeTo(w)
}
