package report

import (
	"bytes"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/sepproxy/sepproxy/catalog"
	"github.com/sepproxy/sepproxy/policy"
)

func (r *Report) fragment(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	if err := r.WritePolicy(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// discovered is a trail of hosts of every class, on a site that uses little.
func discovered(tr *trail) {
	tr.decision(ask{at: at(0), client: "10.0.0.7", host: "ent-shasta-rrs.symantec.com", services: insight})
	for i, host := range []string{"eu.spoc.securitycloud.symantec.com", "crl3.digicert.com", "www.msftconnecttest.com", "bucket.s3.amazonaws.com", "app.example.net"} {
		port := uint16(443)
		if strings.HasPrefix(host, "crl") {
			port = 80
		}
		tr.decision(ask{at: at(i), client: "10.0.0.7", host: host, port: port, deny: "not_listed", unlisted: true})
	}
	tr.decision(ask{at: at(9), client: "10.0.0.7", host: "no.example.net", deny: "denied_by_rule", unlisted: true})
}

var inComment = regexp.MustCompile(`(?m)^#(  - |allow:|deny:|groups:)`)

func compiled(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Compile("policy.yaml", []byte("mode: enforce\n"+text), catalog.Builtin(), noon)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return p
}

func verdictOf(t *testing.T, p *policy.Policy, url string) policy.Verdict {
	t.Helper()
	target, err := policy.ParseAuthority(url)
	if err != nil {
		t.Fatal(err)
	}
	return p.Decide(policy.Request{Method: "CONNECT", Target: target, Client: netip.MustParseAddr("10.0.0.7"), Time: noon})
}

func TestSuggestionsAreAPolicy(t *testing.T) {
	for _, lang := range []string{"en", "es"} {
		o := ofVendor()
		o.Lang = lang
		text := buildOf(t, o, discovered).fragment(t)
		asIs, all := compiled(t, text), compiled(t, inComment.ReplaceAllString(text, "$1"))
		for host, want := range map[string][2]bool{ // as it is, and with every comment taken
			"eu.spoc.securitycloud.symantec.com": {true, true},
			"www.msftconnecttest.com":            {false, true},
			"bucket.s3.amazonaws.com":            {false, true},
			"app.example.net":                    {false, true},
			"no.example.net":                     {false, false},
			"ent-shasta-rrs.symantec.com":        {true, true},
			"sp.cwfservice.net":                  {true, false}, // of a group in use, but nobody used it
			"sep.securitycloud.symantec.com":     {true, false}, // of a group that nobody used
		} {
			if got := verdictOf(t, asIs, host+":443").Allow; got != want[0] {
				t.Errorf("as it is, %s: %t", host, got)
			}
			if got := verdictOf(t, all, host+":443").Allow; got != want[1] {
				t.Errorf("with all, %s: %t", host, got)
			}
		}
	}
}

func TestSuggestionsHaveTheirEvidence(t *testing.T) {
	text := buildOf(t, ofVendor(), discovered).fragment(t)
	for _, want := range []string{
		"  # eu.spoc.securitycloud.symantec.com:443: vendor: symantec.com is also the domain of the documented ",
		"  # It resembles the documented us.spoc.securitycloud.symantec.com\n",
		"  # 1 requests, 0 allowed, 1 denied, from 2026-11-23 12:00 to 2026-11-23 12:00; sent 0 B, received 0 B\n  # Clients: 1 (10.0.0.7)\n",
		"\n  - {url: \"http://crl3.digicert.com\", service: local.pki, reason: \"undocumented, last seen 2026-11-23 12:00\"}\n",
		"  # BROAD: a rule lets more pass than this name: below s3.amazonaws.com anybody can have a name\n#  - {url: \"https://bucket.s3.amazonaws.com\"",
		"# sepm.licensing (Licence activation): Licences cannot be activated.\n",
		"#groups: [agent]\n",
		"# agent.pulse (Web reputation (pulse)): The vendor does not say what stops working without it. It is for: ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no\n%s\nin\n%s", want, text)
		}
	}
	if strings.Contains(text, "no.example.net") || strings.Contains(text, `deny: ["https://ent-shasta-rrs`) {
		t.Errorf("a rule for what no rule would let pass, or against what was used:\n%s", text)
	}
}

func TestNothingToSuggest(t *testing.T) {
	text := buildOf(t, Options{}, func(tr *trail) {
		for _, host := range []string{"rrs.example.com", "shared.example.com", "lu.example.com"} {
			port := uint16(443)
			if host == "lu.example.com" {
				port = 80
			}
			tr.decision(ask{at: noon, host: host, port: port, services: []string{"agent.insight", "agent.telemetry", "sepm.liveupdate"}})
		}
	}).fragment(t)
	if inComment.MatchString(text) || strings.Contains(text, "allow:") {
		t.Errorf("got\n%s", text)
	}
}

func TestNobodyCanWriteIntoTheFragment(t *testing.T) {
	for _, s := range hostile {
		r := attacked(t, s)
		for i := range r.Undocumented {
			r.Undocumented[i].Suggest = "https://a.example.net" // as if the name were one
		}
		text := r.fragment(t)
		if i := steers(text); i >= 0 {
			t.Errorf("%q gives %q", s, text[max(0, i-20):])
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				t.Errorf("%q gives the line %q", s, line)
			}
		}
	}
}
