package policy

import (
	"regexp"
	"testing"

	"github.com/sepproxy/sepproxy/catalog"
)

const described = `
mode: observe
groups: [agent, sepm]
sep_versions: ["14.3", "14.3 RU1"]
clients:
  - {name: managers, cidrs: [10.0.0.0/28, 10.1.0.0/28], groups: [sepm]}
  - {name: everyone, cidrs: [10.0.0.0/8]}
allow:
  - {url: "https://a.example.net", service: local.a, reason: "one", clients: [managers, everyone]}
  - {url: "https://b.example.net"}
deny:
  - {url: "https://c.example.net", reason: "two"}
observe: {hosts: ["*.d.example.net", e.example.net], until: 2026-12-01T00:00:00Z}
`

func TestTheRevisionIsTheSameForTheSameRules(t *testing.T) {
	want := compiled(t, described).Revision()
	if !regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(want) {
		t.Fatalf("revision %q", want)
	}
	same := `
# Other order, comments, spelling, reasons and repetitions; the same rules.
observe: {until: 2026-12-01T01:00:00+01:00, hosts: [E.example.net., "*.d.example.net", e.example.net]}
on_revoke: close
deny:
  - {reason: "three", url: "https://C.example.net:443"}
  - {url: "https://c.example.net"}
allow:
  - {url: "https://b.example.net", service: local}
  - {url: "https://a.example.net", clients: [everyone, managers, everyone], service: local.a}
  - {url: "https://a.example.net/", clients: [managers, everyone], service: local.a}
clients:
  - {name: everyone, cidrs: [10.0.0.0/8], groups: [sepm, agent]}
  - {name: managers, cidrs: [10.1.0.0/28, 10.0.0.0/28], groups: [sepm, sepm]}
sep_versions: ["14.3 RU1", "14.3"]
mode: observe
`
	p, err := Compile("elsewhere/other.yaml", []byte(same), pocketCatalog(t), noon.AddDate(0, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	if p.Revision() != want {
		t.Errorf("got %s, want %s", p.Revision(), want)
	}
}

func TestTheRevisionDiffersWhereADecisionDoes(t *testing.T) {
	seen := map[string]string{}
	for _, text := range []string{
		described, "",
		"groups: [agent]", "groups: []", `sep_versions: ["14.3 RU1"]`, "on_revoke: keep",
		"clients: []",
		"clients: [{name: private, cidrs: [10.0.0.0/8]}]",
		"clients: [{name: other, cidrs: [10.0.0.0/8]}]",
		"clients: [{name: private, cidrs: [10.0.0.0/9]}]",
		"clients: [{name: private, cidrs: [10.0.0.0/8], groups: [agent]}]",
		`allow: [{url: "https://x.example.net"}]`,
		`allow: [{url: "http://x.example.net"}]`,
		`allow: [{url: "http://x.example.net/p"}]`,
		`allow: [{url: "https://x.example.net:444"}]`,
		`allow: [{url: "https://*.x.example.net"}]`,
		`allow: [{url: "https://x.example.net", service: local.x}]`,
		`allow: [{url: "https://x.example.net", sni: off}]`,
		`allow: [{url: "https://insight.example.com"}]`,
		"clients: [{name: a, cidrs: [10.0.0.0/8]}, {name: b, cidrs: [11.0.0.0/8]}]\nallow: [{url: \"https://x.example.net\", clients: [a]}]",
		"clients: [{name: a, cidrs: [10.0.0.0/8]}, {name: b, cidrs: [11.0.0.0/8]}]\nallow: [{url: \"https://x.example.net\", clients: [b]}]",
		"clients: [{name: a, cidrs: [10.0.0.0/8]}, {name: b, cidrs: [11.0.0.0/8]}]\nallow: [{url: \"https://x.example.net\"}]",
		`deny: [{url: "https://x.example.net"}]`,
		`deny: [{url: "http://x.example.net/p"}]`,
		"mode: observe\nobserve: {until: 2026-12-01T00:00:00Z}",
		"mode: observe\nobserve: {until: 2026-12-02T00:00:00Z}",
		"mode: observe\nobserve: {hosts: [], until: 2026-12-01T00:00:00Z}",
		"mode: observe\nobserve: {hosts: [x.example.net], until: 2026-12-01T00:00:00Z}",
		"mode: observe\nobserve: {hosts: [\"*.x.example.net\"], until: 2026-12-01T00:00:00Z}",
	} {
		revision := compiled(t, text).Revision()
		if other, taken := seen[revision]; taken {
			t.Errorf("%s is the revision of both\n%s\nand\n%s", revision, other, text)
		}
		seen[revision] = text
	}
	p, err := Compile("", nil, catalog.Builtin(), noon)
	if err != nil || seen[p.Revision()] != "" {
		t.Errorf("another catalog has the same revision (%v)", err)
	}
}

func TestTheRevisionLeavesOutWhatIsNotInForce(t *testing.T) {
	if compiled(t, "").Revision() != compiled(t, "observe: {hosts: [x.example.net]}").Revision() {
		t.Error("observe.hosts changes nothing in mode enforce, but the revision")
	}
}
