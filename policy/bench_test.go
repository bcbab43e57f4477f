package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sepproxy/sepproxy/catalog"
)

// sized makes a policy whose catalog has n names, a tenth of them wildcards.
func sized(tb testing.TB, n int) *Policy {
	tb.Helper()
	service := catalog.Service{ID: "agent.many", Group: "agent"}
	for i := range n {
		host := fmt.Sprintf("host-%d.example.com", i)
		if i%10 == 9 {
			host = "*." + host
		}
		service.Endpoints = append(service.Endpoints, catalog.Endpoint{Scheme: "https", Host: host, Port: 443})
	}
	cat := &catalog.Catalog{Edition: "many", Groups: []catalog.Group{{ID: "agent", Services: []catalog.Service{service}}}}
	p, err := Compile("", nil, cat, noon)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func TestDecideAllocatesNothing(t *testing.T) {
	busy := compiled(t, twoClients+`
mode: observe
observe: {hosts: ["*.observed.test"], until: 2026-12-01T00:00:00Z}
deny: [{url: "http://files.example.com/secret"}, {url: "https://*.bad.test"}]`)
	for _, target := range []string{"insight.example.com:443", "a.b.c.cdn.example.com:443", "a.b.bad.test:443", "a.b.observed.test:443",
		"none.test:443", "http://files.example.com/a/b/c/%41", "http://files.example.com/%73ecret", "10.0.0.1:443"} {
		for _, from := range []string{"10.0.0.7", "fd00::1%eth0", "::ffff:10.1.2.3", "8.8.8.8"} {
			r := asking(t, from, target)
			if allocs := testing.AllocsPerRun(100, func() { sink = busy.Decide(r) }); allocs != 0 {
				t.Errorf("%s from %s: %v allocations", target, from, allocs)
			}
		}
	}
}

var sink Verdict

func BenchmarkDecide(b *testing.B) {
	for _, names := range []int{60, 100_000} {
		p := sized(b, names)
		for what, host := range map[string]string{"exact": "host-8.example.com", "wildcard": "a.b.host-9.example.com", "none": "a.b.c.other.example.com", "long": strings.Repeat("a.", 120) + "test"} {
			r := asking(b, "10.0.0.7", host+":443")
			b.Run(fmt.Sprintf("%s/%d", what, names), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					sink = p.Decide(r)
				}
			})
		}
	}
}
