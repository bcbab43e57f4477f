package policy

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sepproxy/sepproxy/catalog"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// pocket is a small catalog with one of everything: two groups, a shared endpoint, a version
// range, a plain HTTP path, a wildcard.
const pocket = `
edition: pocket
source: {en: pocket, es: bolsillo}
groups:
  - id: agent
    title: {en: agents, es: agentes}
    purpose: {en: agents, es: agentes}
    services:
      - id: agent.insight
        title: {en: reputation, es: reputación}
        purpose: {en: reputation, es: reputación}
        endpoints: [{url: "https://insight.example.com"}, {url: "https://both.example.com"}]
      - id: agent.files
        title: {en: files, es: ficheros}
        purpose: {en: files, es: ficheros}
        endpoints:
          - {url: "http://files.example.com/a/b"}
          - {url: "https://*.cdn.example.com"}
          - {url: "https://old.example.com", versions: "< 14.3 RU1"}
          - {url: "https://page.example.com/only/here"}
  - id: sepm
    title: {en: managers, es: gestores}
    purpose: {en: managers, es: gestores}
    services:
      - id: sepm.licence
        title: {en: licence, es: licencia}
        purpose: {en: licence, es: licencia}
        endpoints: [{url: "https://licence.example.com"}, {url: "https://both.example.com"}]
hosts:
  - name: both.example.com
    shared: {en: everybody, es: todos}
`

func pocketCatalog(tb testing.TB) *catalog.Catalog {
	tb.Helper()
	cat, err := catalog.Parse("pocket.yaml", []byte(pocket))
	if err != nil {
		tb.Fatal(err)
	}
	return cat
}

func compiled(tb testing.TB, text string) *Policy {
	tb.Helper()
	p, err := Compile("policy.yaml", []byte(text), pocketCatalog(tb), noon)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// asking makes the request "CONNECT host:443" for host:port, and GET for an http:// URL.
func asking(tb testing.TB, from, target string) Request {
	tb.Helper()
	r := Request{Method: "CONNECT", Client: netip.MustParseAddr(from), Time: noon}
	var err error
	if strings.HasPrefix(target, "http://") {
		r.Method = "GET"
		r.Target, err = ParseAbsolute(target)
	} else {
		r.Target, err = ParseAuthority(target)
	}
	if err != nil {
		tb.Fatalf("%s: %v", target, err)
	}
	return r
}

// rulebook makes a test read like the policy it tests.
type rulebook struct {
	tb     testing.TB
	policy *Policy
	from   string
	at     time.Time
}

func rules(tb testing.TB, text string) rulebook {
	tb.Helper()
	return rulebook{tb, compiled(tb, text), "10.0.0.7", noon}
}

func (b rulebook) client(from string) rulebook { b.from = from; return b }

func (b rulebook) time(at time.Time) rulebook { b.at = at; return b }

func (b rulebook) verdict(target string) Verdict {
	b.tb.Helper()
	r := asking(b.tb, b.from, target)
	r.Time = b.at
	return b.policy.Decide(r)
}

// allow wants target allowed for the reason, as the services (joined by spaces).
func (b rulebook) allow(target string, reason Reason, services string) {
	b.tb.Helper()
	b.want(target, true, reason, services)
}

// deny wants target denied for the reason; services are those of the whole endpoint.
func (b rulebook) deny(target string, reason Reason, services string) {
	b.tb.Helper()
	b.want(target, false, reason, services)
}

func (b rulebook) want(target string, allow bool, reason Reason, services string) {
	b.tb.Helper()
	v := b.verdict(target)
	if v.Allow != allow || v.Reason != reason || strings.Join(v.Services, " ") != services {
		b.tb.Errorf("%s from %s: got allow=%t %s [%s], want allow=%t %s [%s]", target, b.from,
			v.Allow, v.Reason, strings.Join(v.Services, " "), allow, reason, services)
	}
}
