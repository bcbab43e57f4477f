package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

var fortigateUse = Text{
	"FortiOS 6.2 or later: paste into the CLI or upload as a script. A group holds what is reached at its port: use it as destination of a policy whose service is that port. Plain HTTP is by host, without its path.",
	"FortiOS 6.2 o posterior: péguelo en la CLI o súbalo como script. Un grupo contiene lo que se alcanza en su puerto: úselo como destino de una política con ese puerto como servicio. El HTTP sin cifrar va por host, sin su ruta.",
}

// exportFortigate writes FortiOS CLI: an address object per host, and a group per port
// (https://docs.fortinet.com/document/fortigate/6.2.3/cli-reference/197620/firewall-address).
func exportFortigate(w io.Writer, c *Catalog, o Options) error {
	p := page{lang: o.Lang}
	p.heading(c, fortigateUse)
	p.line(0, "config firewall address")
	for _, host := range c.HostNames() {
		p.line(1, fmt.Sprintf("edit %q", fortigateName(host)))
		p.line(2, "set type fqdn")
		p.line(2, fmt.Sprintf("set fqdn %q", host))
		p.line(1, "next")
	}
	p.line(0, "end")
	members := map[uint16][]string{}
	for _, r := range c.reaches() {
		members[r.port] = distinct(append(members[r.port], r.patterns()...))
	}
	p.line(0, "config firewall addrgrp")
	for _, port := range slices.Sorted(maps.Keys(members)) {
		p.line(1, fmt.Sprintf("edit \"sep-tcp-%d\"", port))
		p.line(2, "set member"+fortigateNames(members[port]))
		p.line(1, "next")
	}
	p.line(0, "end")
	return p.writeTo(w)
}

func fortigateNames(hosts []string) string {
	var b strings.Builder
	for _, h := range hosts {
		fmt.Fprintf(&b, " %q", fortigateName(h))
	}
	return b.String()
}

// fortigateName names the object of a host. Names have at most 63 characters; the end of a longer one
// gives way to a digest of it, which keeps it distinct.
func fortigateName(host string) string {
	const most = 63
	name := "sep-" + host
	if len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(host))
	digest := "-" + hex.EncodeToString(sum[:4])
	return name[:most-len(digest)] + digest
}

// exportEDL writes a URL list for PAN-OS, an entry a line, without scheme, port and comments. The slash at the
// end keeps host.example.com from standing for host.example.com.evil.org
// (https://docs.paloaltonetworks.com/network-security/security-policy/administration/objects/external-dynamic-lists/formatting-guidelines-for-an-external-dynamic-list).
func exportEDL(w io.Writer, c *Catalog, _ Options) error {
	return writeEntries(w, c, func(host, path string) string { return host + path + "/" })
}

// exportZscaler writes what a custom URL category takes, an entry a line, without scheme, port and comments. A
// leading period stands for all names below, and for the name itself
// (https://help.zscaler.com/zia/url-format-guidelines).
func exportZscaler(w io.Writer, c *Catalog, _ Options) error {
	return writeEntries(w, c, func(host, path string) string { return strings.TrimPrefix(host, "*") + path })
}

// writeEntries writes an entry per host, and per path of hosts of which nothing else is documented.
func writeEntries(w io.Writer, c *Catalog, entry func(host, path string) string) error {
	var whole []string
	var parts []Endpoint
	for _, r := range c.reaches() {
		parts = append(parts, r.paths...)
		r.paths = nil
		whole = append(whole, r.patterns()...)
	}
	var lines []string
	for _, host := range whole {
		lines = append(lines, entry(host, ""))
	}
	for _, e := range parts {
		if !slices.Contains(whole, e.Host) {
			lines = append(lines, entry(e.Host, e.Path))
		}
	}
	_, err := io.WriteString(w, strings.Join(append(distinct(lines), ""), "\n"))
	return err
}
