package catalog

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// where is what a PAC file says of hosts; Node plays the interpreter.
func where(t *testing.T, pac string, hosts ...string) []string {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("node, of Debian's nodejs, is not there")
	}
	asked, err := json.Marshal(hosts)
	if err != nil {
		t.Fatal(err)
	}
	const script = `const vm = require("vm"), input = JSON.parse(require("fs").readFileSync(0));
const context = vm.createContext(Object.create(null));
vm.runInContext(input.pac, context);
console.log(JSON.stringify(input.hosts.map(h => vm.runInContext(
  "FindProxyForURL(" + JSON.stringify("https://" + h + "/") + "," + JSON.stringify(h) + ")", context))));`
	cmd := exec.CommandContext(t.Context(), "node", "-e", script)
	cmd.Stdin = strings.NewReader(`{"pac":` + literal(pac) + `,"hosts":` + string(asked) + `}`)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, errs.String(), pac)
	}
	var answers []string
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatal(err)
	}
	return answers
}

func TestPACSendsListedHostsToTheProxy(t *testing.T) {
	const proxy, rest = "PROXY proxy.example.com:3128", "DIRECT"
	pac := PAC([]string{"one.example.com", "*.wild.example.com", "one.example.com"}, proxy, rest)
	wants := map[string]string{
		"one.example.com": proxy, "ONE.Example.COM": proxy, "one.example.com.": proxy,
		"a.wild.example.com": proxy, "a.b.wild.example.com": proxy, "A.wild.EXAMPLE.com.": proxy,
		"wild.example.com": rest, ".wild.example.com": rest, "awild.example.com": rest, "two.example.com": rest,
		"one.example.com.evil.org": rest, "one.example.com..": rest, "example.com": rest, "com": rest, "": rest,
		"constructor": rest, "__proto__": rest, "toString": rest, "10.0.0.1": rest, "::1": rest,
	}
	hosts := slices.Sorted(maps.Keys(wants))
	for i, got := range where(t, pac, hosts...) {
		if want := wants[hosts[i]]; got != want {
			t.Errorf("%q goes to %q, want %q", hosts[i], got, want)
		}
	}
}

// TestPACOfTheCatalogSendsAllOfItsHosts asks for every host and for one beside each.
func TestPACOfTheCatalogSendsAllOfItsHosts(t *testing.T) {
	hosts := Builtin().HostNames()
	var asked []string
	for _, h := range hosts {
		asked = append(asked, strings.Replace(h, "*.", "any.", 1), "not-"+h+".org")
	}
	for i, got := range where(t, PAC(hosts, "PROXY p:1", "PROXY q:2; DIRECT"), asked...) {
		if want := []string{"PROXY p:1", "PROXY q:2; DIRECT"}[i%2]; got != want {
			t.Errorf("%s goes to %s, want %s", asked[i], got, want)
		}
	}
}

// TestPACIsOldJavaScript: interpreters inside of operating systems know nothing newer.
func TestPACIsOldJavaScript(t *testing.T) {
	pac := PAC([]string{"a.example.com"}, "PROXY p:1", "DIRECT")
	for _, word := range []string{"let ", "const ", "=>", "`", "isInNet", "dnsResolve", ",\n}"} {
		if strings.Contains(pac, word) {
			t.Errorf("there is %q in\n%s", word, pac)
		}
	}
}

func TestParsePACResult(t *testing.T) {
	for in, want := range map[string]string{
		"DIRECT": "DIRECT", "direct": "DIRECT", "proxy P.example.com:8080": "PROXY p.example.com:8080",
		"p.example.com:8080": "PROXY p.example.com:8080", "10.0.0.1:3128": "PROXY 10.0.0.1:3128", "[::1]:3128": "PROXY [::1]:3128",
		" HTTPS a.b:443 ;DIRECT": "HTTPS a.b:443; DIRECT", "SOCKS5 a:1; SOCKS4 b:2; SOCKS c:3; HTTP d:4": "SOCKS5 a:1; SOCKS4 b:2; SOCKS c:3; HTTP d:4",
	} {
		if got, err := ParsePACResult(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", ";", "DIRECT;", "PROXY", "PROXY a", "PROXY a:0", "PROXY a:70000", "DIRECT a:1", "PROXY a:1 b:2",
		"FTP a:1", "a", `PROXY a":1`, "PROXY a\n:1", "PROXY [fe80::1%eth0]:1", strings.Repeat("a:1;", 1000)} {
		if got, err := ParsePACResult(in); err == nil {
			t.Errorf("%q gives %q, want an error", in, got)
		}
	}
}

// FuzzParsePACResult: nothing that it lets through can leave the string it stands in, and its normal
// form is one.
func FuzzParsePACResult(f *testing.F) {
	for _, s := range []string{"DIRECT", "PROXY a.example.com:8080; DIRECT", `PROXY a":1`, "[::1]:3128"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParsePACResult(s)
		if err != nil {
			return
		}
		if again, err := ParsePACResult(got); err != nil || again != got {
			t.Errorf("%q gives %q, and that %q, %v", s, got, again, err)
		}
		if strings.ContainsAny(got, "\"'\\\n\r<>&") {
			t.Errorf("%q gives %q", s, got)
		}
	})
}
