package upstream

import "net/netip"

// special are the addresses that are unicast and yet not the public Internet's: the IANA
// special-purpose registries (RFC 6890 and its updates), and the metadata service of a cloud that
// answers on an address that looks public.
var special = prefixes(
	"0.0.0.0/8",        // this network
	"10.0.0.0/8",       // private
	"100.64.0.0/10",    // carrier-grade NAT
	"127.0.0.0/8",      // loopback
	"168.63.129.16/32", // Azure's platform service
	"169.254.0.0/16",   // link-local, cloud metadata
	"172.16.0.0/12",    // private
	"192.0.0.0/24",     // protocol assignments
	"192.0.2.0/24",     // documentation
	"192.88.99.0/24",   // 6to4 relays
	"192.168.0.0/16",   // private
	"198.18.0.0/15",    // benchmarks
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"224.0.0.0/3",      // multicast, reserved, broadcast
	"2001::/23",        // protocol assignments, Teredo among them
	"2001:db8::/32",    // documentation
	"2002::/16",        // 6to4: holds an IPv4 address of anybody's choice
	"3fff::/20",        // documentation
)

var (
	// publicIPv6 is what IANA hands out as global unicast; everything else is refused: loopback, IPv4-mapped
	// and -compatible, unique local (cloud metadata among them), link-local, multicast, NAT64's local 64:ff9b:1::/48.
	publicIPv6 = netip.MustParsePrefix("2000::/3")
	// translated are IPv4 addresses for networks that have only IPv6 (NAT64, RFC 6052 §2.1). They are
	// judged as what they are translated to.
	translated = netip.MustParsePrefix("64:ff9b::/96")
)

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		out[i] = netip.MustParsePrefix(t)
	}
	return out
}

// isPublic tells whether a is a public unicast address. The zero Addr is not.
func isPublic(a netip.Addr) bool {
	a = a.Unmap()
	if translated.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !a.IsValid() || (a.Is6() && !publicIPv6.Contains(a)) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
