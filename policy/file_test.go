package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sepproxy/sepproxy/internal/strictyaml"
)

func TestEveryMistakeSaysWhereItIsAndWhatToDo(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"mode":                {"mode: watch", `1:7: unknown mode "watch": write enforce or observe`},
		"unknown key":         {"denny: []", `1:1: unknown key "denny"; known here: allow, catalog, clients, deny, groups, mode, observe, on_revoke, sep_versions`},
		"on_revoke":           {"on_revoke: drop", `1:12: unknown action "drop": write close or keep`},
		"group":               {"groups: [agent, agents]", `1:17: unknown group "agents"; the catalog has agent, sepm`},
		"groups, no value":    {"groups:\nmode: enforce", `1:8: a value is missing: write [] for none, or remove the key for the default`},
		"version":             {`sep_versions: ["14.3", "14.3RU1"]`, `1:24: invalid SEP version "14.3RU1": want one like "14.3", "14.3 MP1" or "14.3 RU1 MP1"`},
		"clients, no value":   {"clients:\nmode: enforce", `1:9: a value is missing: write [] for none, or remove the key for the default`},
		"client, no name":     {"clients: [{cidrs: [10.0.0.0/8]}]", `1:11: a client needs a name, which records and rules then use`},
		"client, no cidrs":    {"clients: [{name: a}]", `1:11: client "a" needs cidrs: the networks it is in, such as [10.0.0.0/28]`},
		"client twice":        {"clients:\n- {name: a, cidrs: [10.0.0.0/8]}\n- {name: a, cidrs: [11.0.0.0/8]}", `3:10: client "a" stands here a second time, first on line 2: give each its own name`},
		"cidr twice":          {"clients:\n- {name: a, cidrs: [10.0.0.0/8]}\n- {name: b, cidrs: [10.0.0.0/8]}", `3:21: 10.0.0.0/8 stands here a second time, it belongs to client "a" already`},
		"cidr, host bits":     {"clients: [{name: a, cidrs: [10.0.0.7/8]}]", `1:29: "10.0.0.7/8" has bits set behind its length: write 10.0.0.0/8 for the network, or 10.0.0.7/32 for the one address`},
		"cidr, no length":     {"clients: [{name: a, cidrs: [10.0.0.7]}]", `1:29: a network needs its length: for the one address write 10.0.0.7/32`},
		"cidr, mapped":        {`clients: [{name: a, cidrs: ["::ffff:10.0.0.0/104"]}]`, `1:29: "::ffff:10.0.0.0/104" is an IPv4 network in IPv6 clothes: write it as IPv4, such as 10.0.0.0/8`},
		"cidr, nonsense":      {"clients: [{name: a, cidrs: [lan]}]", `1:29: "lan" is not a network such as 10.0.0.0/8 or fc00::/7`},
		"client group":        {"clients: [{name: a, cidrs: [10.0.0.0/8], groups: [x]}]", `1:51: unknown group "x"; the catalog has agent, sepm`},
		"client groups empty": {"clients: [{name: a, cidrs: [10.0.0.0/8], groups: }]", `1:50: a value is missing: write [] for none, or remove the key for the default`},
		"allow, no url":       {"allow: [{service: local.x}]", `1:9: a rule needs a url, such as https://host`},
		"allow, no scheme":    {"allow: [{url: x.example.net}]", `1:15: invalid URL "x.example.net": it has to begin with https:// or http://`},
		"allow, IP":           {`allow: [{url: "https://10.0.0.1"}]`, `1:15: invalid URL "https://10.0.0.1": an IP address cannot be listed: name the host`},
		"allow, TLS path":     {`allow: [{url: "https://x.example.net/p"}]`, `1:15: a path inside TLS cannot be seen, so no rule can depend on it: write https://x.example.net`},
		"deny, TLS path":      {`deny: [{url: "https://x.example.net:444/p"}]`, `1:14: a path inside TLS cannot be seen, so no rule can depend on it: write https://x.example.net:444`},
		"allow, SNI":          {`allow: [{url: "https://x.example.net", sni: require}]`, "1:45: want off here, or no such key: everything else is tunnel.sni's, in the configuration"},
		"allow, SNI in HTTP":  {`allow: [{url: "http://x.example.net/p", sni: off}]`, "1:46: there is no server name in plain HTTP: remove the key"},
		"deny, no url":        {"deny: [{reason: x}]", `1:8: a rule needs a url, such as https://host`},
		"allow, service":      {`allow: [{url: "https://x.example.net", service: "a b"}]`, `1:49: "a b" is no name for a service: use lower-case letters, digits, - and dots between them, such as local.example`},
		"allow, client":       {`allow: [{url: "https://x.example.net", clients: [private, pc]}]`, `1:59: unknown client "pc": clients has to have an entry of that name`},
		"allow, no client":    {`allow: [{url: "https://x.example.net", clients: []}]`, `1:49: a rule for no client allows nothing: name one, or remove the key for all`},
		"allow twice":         {"allow:\n- {url: \"https://x.example.net\"}\n- {url: \"https://X.example.net:443\", service: b}", `3:9: https://x.example.net is allowed on line 2 already, with other attributes: make one rule of the two`},
		"observe, no end":     {"mode: observe", `1:7: mode observe needs an end: write observe: {until: 2027-02-21T00:00:00Z} or an earlier time`},
		"observe, too long":   {"mode: observe\nobserve: {until: 2027-02-22T00:00:00Z}", `2:18: observation may last 90 days: write 2027-02-21T00:00:00Z or an earlier time`},
		"observe, no time":    {"observe: {until: tomorrow}", `1:18: "tomorrow" is not a time: write it like 2026-12-31T00:00:00Z (RFC 3339)`},
		"observe, day only":   {"mode: observe\nobserve: {until: 2026-12-31}", `2:18: "2026-12-31" is not a time: write it like 2026-12-31T00:00:00Z (RFC 3339)`},
		"observe, host":       {`observe: {hosts: ["*"]}`, `1:19: invalid host name "*": * stands only at the front, for whole labels: *.example.com`},
		"observe, no hosts":   {"observe: {hosts: }", `1:18: a value is missing: write [] for none, or remove the key for the default`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compile("p.yaml", []byte(tc.in), pocketCatalog(t), noon)
			if err == nil {
				t.Fatal("no mistake was found")
			}
			if got := err.Error(); got != "p.yaml:"+tc.want {
				t.Errorf("\n got %s\nwant p.yaml:%s", got, tc.want)
			}
		})
	}
}

func TestAllMistakesAreFoundAtOnceInTheOrderOfLines(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "catalog.yaml"), "edition: x\ngroup: []\n")
	path := filepath.Join(dir, "policy.yaml")
	write(t, path, "allow: [{url: x}]\nmode: watch\ngroups: [nobody-knows]\ncatalog: catalog.yaml\n")
	_, err := Load(path, noon)
	if err == nil {
		t.Fatal("no mistake was found")
	}
	got := strings.Split(strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), ""), "\n")
	for i, want := range []string{"policy.yaml:1:15: ", "policy.yaml:2:7: ", "catalog.yaml:"} {
		if len(got) <= i || !strings.HasPrefix(got[i], want) {
			t.Errorf("line %d should begin with %s:\n%s", i+1, want, err)
		}
	}
}

func TestLoadTakesACatalogBesideThePolicy(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sub", "mine.yaml"), pocket)
	path := filepath.Join(dir, "policy.yaml")
	write(t, path, "catalog: sub/mine.yaml\n")
	p, err := Load(path, noon)
	if err != nil || p.Catalog().Edition != "pocket" {
		t.Fatalf("%v", err)
	}
	write(t, path, "catalog: sub/other.yaml\n")
	if _, err = Load(path, noon); err == nil || !strings.HasPrefix(err.Error(), path+":1:10: reading the catalog: ") {
		t.Errorf("a catalog that is not there: %v", err)
	}
}

func TestWarningsNameWhatIsBroad(t *testing.T) {
	p, err := Compile("p.yaml", []byte(`mode: observe
observe: {until: 2026-12-01T00:00:00Z}
clients: [{name: world, cidrs: ["0.0.0.0/0"]}]
allow:
  - {url: "https://*.example.net"}
  - {url: "http://x.example.net"}
  - {url: "http://y.example.net/path"}
`), pocketCatalog(t), noon)
	if err != nil {
		t.Fatal(err)
	}
	want := `p.yaml:3:33: client "world" is everybody on the network 0.0.0.0/0
p.yaml:5:11: https://*.example.net allows every name below example.net; each is resolved, so names alone can carry data out
p.yaml:6:11: http://x.example.net allows every path, readable and changeable on the way: name a path if you can
p.yaml:1:7: mode observe lets unlisted requests pass until 2026-12-01T00:00:00Z, and resolves their names, which alone can carry data out
p.yaml: hosts that serve other customers of their cloud too are allowed, and nothing inside TLS can tell them apart: both.example.com`
	if got := strings.Join(p.Warnings(), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	quiet := compiled(t, `allow: [{url: "https://new.example.net"}]
deny: [{url: "https://both.example.com"}]
groups: [sepm]
clients: [{name: a, cidrs: [10.0.0.0/8], groups: []}]`)
	if len(quiet.Warnings()) != 0 {
		t.Errorf("warned for nothing: %q", quiet.Warnings())
	}
}

func TestAnObservationThatHasEndedLoadsAndWarns(t *testing.T) {
	p := compiled(t, "mode: observe\nobserve: {until: 2026-11-22T00:00:00+01:00}")
	if p.Mode(noon) != ModeEnforce {
		t.Error("it still observes")
	}
	if until, ok := p.ObserveUntil(); !ok || !until.Equal(time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)) {
		t.Errorf("until is %v, %t", until, ok)
	}
	if !strings.Contains(strings.Join(p.Warnings(), "\n"), "policy.yaml:2:18: observation ended at 2026-11-21T23:00:00Z: the mode is enforce") {
		t.Errorf("%q", p.Warnings())
	}
	if p := compiled(t, "observe: {until: 2030-01-01T00:00:00Z}"); p.Mode(noon) != ModeEnforce {
		t.Error("observe without mode: observe does something")
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add([]byte(twoClients))
	f.Add([]byte("mode: observe\nobserve: {hosts: [\"*.a.test\"], until: 2026-12-01T00:00:00Z}"))
	f.Add([]byte("allow: [{url: \"http://a.test/x\", clients: [private]}]\ndeny: [{url: \"https://*.b.test\"}]"))
	cat := pocketCatalog(f)
	request := asking(f, "10.0.0.7", "never.listed.invalid:443")
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Compile("p.yaml", data, cat, noon)
		if err != nil {
			if _, ok := err.(strictyaml.Mistakes); !ok {
				t.Errorf("not a list of mistakes: %T", err)
			}
			return
		}
		again, err := Compile("q.yaml", data, cat, noon)
		if err != nil || again.Revision() != p.Revision() || len(p.Revision()) != 12 {
			t.Errorf("revisions %q and %q of one file", p.Revision(), again.Revision())
		}
		if v := p.Decide(request); v.Reason == "" || v.Allow && v.Reason == ReasonCatalog {
			t.Errorf("a name outside the catalog: %+v", v)
		}
	})
}

func write(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		tb.Fatal(err)
	}
}
