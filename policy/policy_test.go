package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sepproxy/sepproxy/catalog"
)

func TestWithoutAFileTheCatalogIsAllowedAndNothingElse(t *testing.T) {
	p := rules(t, "")
	p.allow("insight.example.com:443", ReasonCatalog, "agent.insight")
	p.allow("INSIGHT.example.com.:443", ReasonCatalog, "agent.insight")
	p.allow("both.example.com:443", ReasonCatalog, "agent.insight sepm.licence")
	p.allow("old.example.com:443", ReasonCatalog, "agent.files")
	p.allow("page.example.com:443", ReasonCatalog, "agent.files")
	p.deny("other.example.com:443", ReasonNotListed, "")
	p.deny("example.com:443", ReasonNotListed, "")
	p.deny("insight.example.com.evil.test:443", ReasonNotListed, "")
	p.deny("http://insight.example.com/", ReasonSchemeNotListed, "")
	p.deny("files.example.com:443", ReasonSchemeNotListed, "")
	p.deny("insight.example.com:8443", ReasonPortNotListed, "")
}

func TestWildcardsStandForWholeLabelsOnly(t *testing.T) {
	p := rules(t, "")
	p.allow("a.cdn.example.com:443", ReasonCatalog, "agent.files")
	p.allow("a.b.cdn.example.com:443", ReasonCatalog, "agent.files")
	p.deny("cdn.example.com:443", ReasonNotListed, "")
	p.deny("acdn.example.com:443", ReasonNotListed, "")
	p.deny("a.cdn.example.com:80", ReasonPortNotListed, "")
}

func TestPathsMatchByWholeSegmentsAndOnlyWhereTheyAreClear(t *testing.T) {
	p := rules(t, "")
	for _, path := range []string{"/a/b", "/a/b/", "/a/b/c", "/a/b?q=../", "/a/b/$20|[x", "/a/b//x", "/a/b/.../x", "/a/b/\xff", "/a/b/%zz"} {
		p.allow("http://files.example.com"+path, ReasonCatalog, "agent.files")
	}
	for _, path := range []string{"", "/", "/a", "/a/bc", "/A/b", "//a/b", "/a/b/..", "/a/b/../c", "/a/b/.", "/a/b/./c", "/a/b/%2e%2e/c",
		"/a/b/%2E", "/a/b%2Fc", "/a/b%2fc", `/a/b\c`, "/a/b%5cc", "/a/b/..;x/c"} {
		p.deny("http://files.example.com"+path, ReasonPathNotListed, "")
	}
}

func TestDenyRulesTakePathsInDoubt(t *testing.T) {
	p := rules(t, `
allow: [{url: "http://files.example.com"}]
deny: [{url: "http://files.example.com/secret/x"}]`)
	for _, path := range []string{"/secret/x", "/secret/x/y", "/%73ecret/x", "/secret/%78", "/secret/x;v=1", "//secret/x", "/open//x",
		"/open/../secret/x", "/open%2f..", `/open\x`, "/%2E/secret",
		"/secret;a/x", "/;/secret/x", "/secret/;/x", "/secret%3ba/x", "/secret/x%00", "/secret/x%00.txt"} {
		p.deny("http://files.example.com"+path, ReasonDeniedByRule, "local")
	}
	for _, path := range []string{"/", "/secret", "/secret/xy", "/open", "/secret/%zz"} {
		p.allow("http://files.example.com"+path, ReasonLocalRule, "local")
	}
	p.deny("http://files.example.com/a/b/../../secret/x", ReasonDeniedByRule, "local")
}

func TestGroupsAndVersionsLeaveEndpointsOut(t *testing.T) {
	p := rules(t, `groups: [sepm]`)
	p.allow("both.example.com:443", ReasonCatalog, "sepm.licence")
	p.deny("insight.example.com:443", ReasonNotListed, "agent.insight")
	p = rules(t, `groups: []`)
	p.deny("both.example.com:443", ReasonNotListed, "agent.insight sepm.licence")
	p = rules(t, `sep_versions: ["14.3 RU1"]`)
	p.deny("old.example.com:443", ReasonNotListed, "agent.files")
	p = rules(t, `sep_versions: ["14.3 RU1", "14.3"]`)
	p.allow("old.example.com:443", ReasonCatalog, "agent.files")
}

const twoClients = `
clients:
  - {name: managers, cidrs: [10.0.0.0/28, "fd00::/64"], groups: [sepm]}
  - {name: everyone, cidrs: [10.0.0.0/8]}
  - {name: nothing, cidrs: [10.9.0.0/16], groups: []}
`

func TestTheLongestPrefixDecidesWhoTheClientIs(t *testing.T) {
	p := rules(t, twoClients)
	manager, agent, nothing := p.client("10.0.0.7"), p.client("10.1.0.7"), p.client("10.9.0.7")
	manager.allow("licence.example.com:443", ReasonCatalog, "sepm.licence")
	manager.allow("both.example.com:443", ReasonCatalog, "sepm.licence")
	manager.deny("insight.example.com:443", ReasonGroupNotAllowed, "agent.insight")
	p.client("::ffff:10.0.0.7").deny("insight.example.com:443", ReasonGroupNotAllowed, "agent.insight")
	p.client("fd00::1%eth0").deny("insight.example.com:443", ReasonGroupNotAllowed, "agent.insight")
	agent.allow("both.example.com:443", ReasonCatalog, "agent.insight sepm.licence")
	nothing.deny("both.example.com:443", ReasonGroupNotAllowed, "agent.insight sepm.licence")
	p.client("192.168.0.1").deny("both.example.com:443", ReasonClientNotAllowed, "agent.insight sepm.licence")
	if got := manager.verdict("licence.example.com:443").Client; got != "managers" {
		t.Errorf("the client is called %q", got)
	}
}

func TestDefaultClientsAreThePrivateNetworks(t *testing.T) {
	p := rules(t, "")
	for _, from := range []string{"127.0.0.1", "127.9.9.9", "::1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.1.1",
		"fd12::1", "fe80::1", "fe80::1%eth0", "::ffff:10.0.0.1"} {
		if v := p.client(from).verdict("insight.example.com:443"); !v.Allow || v.Client != "private" {
			t.Errorf("%s: %+v", from, v)
		}
	}
	for _, from := range []string{"8.8.8.8", "172.32.0.1", "2001:db8::1", "::", "0.0.0.0"} {
		p.client(from).deny("insight.example.com:443", ReasonClientNotAllowed, "agent.insight")
	}
	if v := p.policy.Decide(Request{Target: asking(t, "::1", "insight.example.com:443").Target, Time: noon}); v.Reason != ReasonClientNotAllowed {
		t.Errorf("no address at all: %+v", v)
	}
}

func TestAGroupThatNoClientMayUseIsLeftOutForEverybody(t *testing.T) {
	p := rules(t, `clients: [{name: a, cidrs: [10.0.0.0/8], groups: [agent]}]`)
	p.deny("licence.example.com:443", ReasonNotListed, "sepm.licence")
	p.allow("both.example.com:443", ReasonCatalog, "agent.insight")
}

func TestAllowRulesAddEndpoints(t *testing.T) {
	p := rules(t, twoClients+`
allow:
  - {url: "https://new.example.net", service: local.new}
  - {url: "https://*.wild.example.net:8443"}
  - {url: "http://plain.example.net/x", clients: [everyone]}`)
	p.allow("new.example.net:443", ReasonLocalRule, "local.new")
	p.allow("a.wild.example.net:8443", ReasonLocalRule, "local")
	p.deny("a.wild.example.net:443", ReasonPortNotListed, "")
	p.client("10.1.0.7").allow("http://plain.example.net/x/y", ReasonLocalRule, "local")
	p.deny("http://plain.example.net/x/y", ReasonGroupNotAllowed, "local")
	if p.verdict("new.example.net:443").Documented {
		t.Error("a local endpoint is not documented")
	}
}

func TestAllowRulesOverrideWhatTheCatalogSays(t *testing.T) {
	p := rules(t, twoClients+`
groups: [agent]
sep_versions: ["14.3 RU1"]
allow:
  - {url: "https://old.example.com"}
  - {url: "https://licence.example.com", service: local.licence}
  - {url: "https://insight.example.com", clients: [managers]}`)
	agent := p.client("10.1.0.7")
	agent.allow("old.example.com:443", ReasonLocalRule, "agent.files")
	p.deny("old.example.com:443", ReasonGroupNotAllowed, "agent.files")
	agent.allow("licence.example.com:443", ReasonLocalRule, "local.licence")
	p.allow("insight.example.com:443", ReasonLocalRule, "agent.insight")
	agent.deny("insight.example.com:443", ReasonGroupNotAllowed, "agent.insight")
	if !p.verdict("insight.example.com:443").Documented {
		t.Error("an endpoint of the catalog stays documented under a local rule")
	}
}

func TestTheMostSpecificRuleThatPassesDecides(t *testing.T) {
	p := rules(t, twoClients+`
allow:
  - {url: "https://x.cdn.example.com", service: local.exact, clients: [managers]}
  - {url: "http://files.example.com/a", service: local.short}
  - {url: "https://*.x.cdn.example.com", service: local.longer}`)
	agent := p.client("10.1.0.7")
	p.allow("x.cdn.example.com:443", ReasonLocalRule, "local.exact")
	agent.allow("x.cdn.example.com:443", ReasonCatalog, "agent.files")
	agent.allow("y.x.cdn.example.com:443", ReasonLocalRule, "local.longer")
	agent.allow("http://files.example.com/a/b", ReasonCatalog, "agent.files")
	agent.allow("http://files.example.com/a/c", ReasonLocalRule, "local.short")
	p.allow("http://files.example.com/a/b", ReasonLocalRule, "local.short")
}

func TestDenyBeatsEverything(t *testing.T) {
	p := rules(t, `
mode: observe
observe: {until: 2026-12-01T00:00:00Z}
allow: [{url: "https://new.example.net"}]
deny:
  - {url: "https://insight.example.com"}
  - {url: "https://new.example.net"}
  - {url: "https://*.bad.test"}`)
	p.deny("insight.example.com:443", ReasonDeniedByRule, "agent.insight")
	p.deny("new.example.net:443", ReasonDeniedByRule, "local")
	p.deny("x.bad.test:443", ReasonDeniedByRule, "")
	p.allow("bad.test:443", ReasonObserved, "")
	p.allow("insight.example.com:8443", ReasonObserved, "")
}

func TestObserveLiftsWhatIsNotListedUntilItsEnd(t *testing.T) {
	text := twoClients + `
mode: observe
observe: {hosts: ["*.example.com", "one.test"], until: 2026-12-01T00:00:00Z}`
	p := rules(t, text)
	for target, would := range map[string]Reason{
		"new.example.com:443":        ReasonNotListed,
		"one.test:443":               ReasonNotListed,
		"http://insight.example.com": ReasonSchemeNotListed,
		"insight.example.com:444":    ReasonPortNotListed,
		"http://files.example.com/":  ReasonPathNotListed,
	} {
		p.allow(target, ReasonObserved, "")
		if v := p.verdict(target); v.Would != would || v.Mode != ModeObserve {
			t.Errorf("%s: would=%s mode=%s, want would=%s", target, v.Would, v.Mode, would)
		}
		p.time(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)).deny(target, would, "")
	}
	p.allow("licence.example.com:443", ReasonCatalog, "sepm.licence")
	p.deny("insight.example.com:443", ReasonGroupNotAllowed, "agent.insight")
	p.deny("two.test:443", ReasonNotListed, "")
	p.deny("x.one.test:443", ReasonNotListed, "")
	p.deny("10.0.0.1:443", ReasonIPLiteral, "")
	p.client("8.8.8.8").deny("new.example.com:443", ReasonClientNotAllowed, "")
	if v := p.verdict("licence.example.com:443"); v.Would != "" {
		t.Errorf("enforce would do the same, yet would=%s", v.Would)
	}
	none := rules(t, "mode: observe\nobserve: {hosts: [], until: 2026-12-01T00:00:00Z}")
	none.deny("new.example.com:443", ReasonNotListed, "")
}

// Each trait makes one reason apply, in the order of reasons. Traits that exclude each other by
// their nature are left to the order of the last ones.
func TestWhereTwoReasonsApplyTheEarlierOneIsGiven(t *testing.T) {
	p := rules(t, twoClients+`
deny: [{url: "https://unlisted.test"}, {url: "https://insight.example.com"}, {url: "http://insight.example.com"},
  {url: "https://insight.example.com:444"}, {url: "http://files.example.com/z"}]`).policy
	target := func(s string) func(*Request) {
		return func(r *Request) { r.Target = asking(t, "::1", s).Target }
	}
	type trait struct {
		reason Reason
		set    func(*Request)
	}
	traits := []trait{
		{ReasonMalformedRequest, func(r *Request) { r.Target = Target{} }},
		{ReasonDraining, func(r *Request) { r.Condition = ReasonDraining }},
		{ReasonClientNotAllowed, func(r *Request) { r.Client = netip.MustParseAddr("8.8.8.8") }},
		{ReasonTooManyConnections, func(r *Request) { r.Condition = ReasonTooManyConnections }},
		{ReasonIPLiteral, target("10.0.0.1:443")},
		{ReasonDeniedByRule, target("unlisted.test:443")},
		{ReasonNotListed, target("other.test:443")},
		{ReasonSchemeNotListed, target("http://licence.example.com/")},
		{ReasonPortNotListed, target("licence.example.com:444")},
		{ReasonPathNotListed, target("http://files.example.com/")},
		{ReasonGroupNotAllowed, target("page.example.com:443")},
	}
	for i, early := range traits {
		for _, late := range traits[i:] {
			r := asking(t, "10.0.0.7", "licence.example.com:443")
			late.set(&r) // the earlier one last: both set a target or a condition at times
			early.set(&r)
			if v := p.Decide(r); v.Allow || v.Reason != early.reason {
				t.Errorf("%s and %s: got %+v", early.reason, late.reason, v)
			}
		}
	}
	for _, denied := range []string{"unlisted.test:443", "http://insight.example.com/", "insight.example.com:444", "http://files.example.com/z", "insight.example.com:443"} {
		if v := p.Decide(asking(t, "10.0.0.7", denied)); v.Reason != ReasonDeniedByRule {
			t.Errorf("%s is denied for %s, and a deny rule names it", denied, v.Reason)
		}
	}
	r := asking(t, "10.0.0.7", "10.0.0.1:443")
	for _, c := range []Reason{ReasonDraining, ReasonRateLimited, ReasonTooManyConnections, "something new"} {
		if r.Condition = c; p.Decide(r).Reason != c {
			t.Errorf("%s gives way to ip_literal", c)
		}
	}
}

func TestTheFurthestCheckIsTheReason(t *testing.T) {
	p := rules(t, `
allow:
  - {url: "https://x.cdn.example.com:8443"}
  - {url: "http://x.cdn.example.com/p"}`)
	p.deny("x.cdn.example.com:1", ReasonPortNotListed, "")
	p.deny("http://x.cdn.example.com/q", ReasonPathNotListed, "")
	p.deny("http://y.cdn.example.com/q", ReasonSchemeNotListed, "")
}

func TestNilAndZeroPoliciesDenyEverything(t *testing.T) {
	for name, p := range map[string]*Policy{"nil": nil, "zero": {}} {
		v := p.Decide(asking(t, "127.0.0.1", "insight.example.com:443"))
		if v.Allow || v.Reason != ReasonClientNotAllowed || v.Mode != ModeEnforce {
			t.Errorf("%s: %+v", name, v)
		}
		if p.Revision() != "" || p.Warnings() != nil || p.KeepRevoked() || p.Catalog() != nil || p.InForce() != nil {
			t.Errorf("%s: it holds something", name)
		}
		if _, ok := p.ObserveUntil(); ok {
			t.Errorf("%s: it observes", name)
		}
		if got := p.Explain(Request{}); !strings.Contains(got, "no policy is in force") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestInForceHoldsWhatGroupsAndVersionsLeaveIn(t *testing.T) {
	var got []string
	for _, s := range compiled(t, "groups: [agent]\nsep_versions: [\"14.3 RU1\"]").InForce() {
		got = append(got, fmt.Sprint(s.ID, " ", len(s.Endpoints)))
	}
	if want := "agent.insight 2, agent.files 3"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
}

func TestEveryEndpointOfTheBuiltinCatalogIsAllowed(t *testing.T) {
	p, err := Load("", noon)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for s := range catalog.Builtin().Services() {
		for _, e := range s.Endpoints {
			n++
			v := p.Decide(Request{Target: Target{Scheme: e.Scheme, Host: e.Host, Port: e.Port, Path: "/"}, Client: netip.MustParseAddr("::1"), Time: noon})
			if !v.Allow || v.Reason != ReasonCatalog || !v.Documented || !strings.Contains(strings.Join(v.Services, " "), s.ID) {
				t.Errorf("%s: %+v", e.URL(), v)
			}
		}
	}
	if n < 35 {
		t.Errorf("only %d endpoints", n)
	}
}

func TestExplainSaysWhy(t *testing.T) {
	p := rules(t, twoClients+`
mode: observe
sep_versions: ["14.3 RU1"]
observe: {hosts: ["*.example.com"], until: 2026-12-01T00:00:00Z}
allow: [{url: "https://new.example.net", reason: "a trial"}]
deny:
  - {url: "https://bad.test"}`)
	for target, want := range map[string]string{
		"licence.example.com:443":         "licence.example.com is documented for sepm.licence",
		"new.example.net:443":             "the allow rule at policy.yaml:10:9 (a trial) names it",
		"bad.test:443":                    "the deny rule at policy.yaml:12:5 forbids it",
		"other.test:443":                  "no rule names the host other.test",
		"10.0.0.1:443":                    "10.0.0.1 is an IP address, and rules are about names",
		"insight.example.com:443":         `insight.example.com is for agent.insight, which client "managers" may not use`,
		"insight.example.com:1":           "observe mode lets it pass until 2026-12-01T00:00:00Z; enforce would deny it: insight.example.com is listed for https, but not on port 1",
		"http://insight.example.com/":     "observe mode lets it pass until 2026-12-01T00:00:00Z; enforce would deny it: insight.example.com is listed, but not for http",
		"http://files.example.com/\xff":   `observe mode lets it pass until 2026-12-01T00:00:00Z; enforce would deny it: files.example.com is listed, but not for the path "/\xff"`,
		"http://files.example.com/a/b/..": `observe mode lets it pass until 2026-12-01T00:00:00Z; enforce would deny it: files.example.com is listed with a path, and servers read the path "/a/b/.." in different ways`,
		"old.example.com:443":             "observe mode lets it pass until 2026-12-01T00:00:00Z; enforce would deny it: old.example.com is documented for agent.files, but groups, sep_versions or clients leave that out for everybody",
	} {
		if got := p.policy.Explain(asking(t, p.from, target)); got != want {
			t.Errorf("%s:\n got %s\nwant %s", target, got, want)
		}
	}
}

func TestOnlyTheRuleThatDecidesTurnsTheServerNameCheckOff(t *testing.T) {
	p := compiled(t, `
allow:
  - {url: "https://raw.example.net", sni: off}
  - {url: "https://*.example.com", sni: off}
`)
	for host, want := range map[string]bool{"raw.example.net": true, "x.example.com": true, "insight.example.com": false, "unlisted.example.org": false} {
		target, err := ParseAuthority(host + ":443")
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Decide(Request{Method: "CONNECT", Target: target, Client: netip.MustParseAddr("10.0.0.1"), Time: noon}).SNIOff; got != want {
			t.Errorf("%s: SNIOff %v, want %v", host, got, want)
		}
	}
}

func TestHostsAreThoseThatSomebodyMayReach(t *testing.T) {
	p := compiled(t, `groups: [agent]
sep_versions: ["14.3 RU1"]
clients: [{name: all, cidrs: [10.0.0.0/8]}]
allow: [{url: "https://*.local.example.org"}, {url: "https://licence.example.com"}]
deny: [{url: "https://insight.example.com"}]`)
	want := "*.cdn.example.com *.local.example.org both.example.com files.example.com insight.example.com licence.example.com page.example.com"
	if got := strings.Join(p.Hosts(), " "); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	var none *Policy
	if got := none.Hosts(); got != nil {
		t.Errorf("no policy has %v", got)
	}
}
