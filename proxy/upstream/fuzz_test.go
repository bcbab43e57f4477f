package upstream

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// Whatever bytes a resolver sends: no panic, bounded, of the right family, and from no name that is
// not the one that was asked for or an alias of it.
func FuzzReply(f *testing.F) {
	for _, zone := range [][]string{
		{"a.example. 60 A 192.0.9.1"},
		{"a.example. 60 CNAME b.example.", "b.example. 60 A 192.0.9.1", "c.example. 60 A 192.0.9.66"},
		{"a.example. 60 CNAME a.example."},
		{"a.example. 60 AAAA 2606:4700::1", "b.example. 60 A 192.0.9.66"},
	} {
		m := new(dns.Msg).SetQuestion("a.example.", dns.TypeA)
		m.Response, m.Answer = true, records(zone...)
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		m := new(dns.Msg)
		if m.Unpack(wire) != nil {
			return
		}
		a, err := read(m, dns.Question{Name: "a.example.", Qtype: dns.TypeA, Qclass: dns.ClassINET})
		if len(a.addresses) > maxAddresses || a.ttl > max(maxTTL, negative(m)) || err != nil && len(a.addresses) > 0 {
			t.Fatalf("%+v, %v", a, err)
		}
		for _, address := range a.addresses {
			if !address.Is4() || !belongs(m.Answer, address.String()) {
				t.Errorf("%s in\n%s", address, m)
			}
		}
	})
}

// belongs tells, in another way than read, whether an address record is of a name that a chain of
// aliases leads to.
func belongs(records []dns.RR, address string) bool {
	chain := map[string]bool{"a.example.": true}
	for range records { // each round adds at least one alias, or none is left to add
		for _, rr := range records {
			if alias, ok := rr.(*dns.CNAME); ok && chain[strings.ToLower(alias.Hdr.Name)] {
				chain[strings.ToLower(alias.Target)] = true
			}
		}
	}
	for _, rr := range records {
		if a, ok := rr.(*dns.A); ok && a.A.String() == address && chain[strings.ToLower(a.Hdr.Name)] {
			return true
		}
	}
	return false
}
