package catalog

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// need skips the test where a program is missing, and fails it where CI is set.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		} else if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(program + " is not there: ./test programs says what to install")
	}
}

// devices has whole hosts, a wildcard, paths, and a port of its own.
const devices = `groups:
  - id: one
    title: {en: One, es: Uno}
    services:
      - id: one.all
        title: {en: All}
        endpoints:
          - url: https://b.example.com:%[1]s
          - url: https://a.example.com:%[1]s
          - url: https://*.wild.example.com:%[1]s
          - url: http://a.example.com:%[2]s/lists
          - url: http://plain.example.com:%[2]s
          - url: http://plain.example.com:%[2]s/needless
          - url: http://*.parts.example.com:%[2]s/x+y
`

func TestSquidAllowsWhatIsListedAndNothingBeside(t *testing.T) {
	need(t, "squid")
	tls := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "tls") }))
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "plain") }))
	t.Cleanup(tls.Close)
	t.Cleanup(plain.Close)
	_, tlsPort, _ := net.SplitHostPort(tls.Listener.Addr().String())
	_, plainPort, _ := net.SplitHostPort(plain.Listener.Addr().String())
	c := mustParse(t, fmt.Sprintf(devices, tlsPort, plainPort))
	transport := &http.Transport{TLSClientConfig: tls.Client().Transport.(*http.Transport).TLSClientConfig.Clone(),
		Proxy: http.ProxyURL(startSquid(t, export(t, c, "squid", Options{})))}
	transport.TLSClientConfig.ServerName = "example.com" // of the server's own certificate, which nobody replaced
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	for target, allowed := range map[string]bool{
		"https://a.example.com:T/":              true,
		"https://A.Example.com:T/":              true,
		"https://x.wild.example.com:T/":         true,
		"https://wild.example.com:T/":           false,
		"https://other.example.com:T/":          false,
		"https://a.example.com.evil.example:T/": false,
		"https://a.example.com:P/":              false,
		"http://plain.example.com:P/any":        true,
		"http://a.example.com:P/lists":          true,
		"http://a.example.com:P/lists/one?x":    true,
		"http://a.example.com:P/listsandmore":   false,
		"http://a.example.com:P/":               false,
		"http://q.parts.example.com:P/x+y":      true,
		"http://q.parts.example.com:P/xxy":      false,
		"http://parts.example.com:P/x+y":        false,
		"http://plain.example.com:T/":           false,
	} {
		resp, err := client.Get(strings.NewReplacer(":T/", ":"+tlsPort+"/", ":P/", ":"+plainPort+"/").Replace(target))
		if err == nil {
			resp.Body.Close()
		}
		if got := err == nil && resp.StatusCode == http.StatusOK; got != allowed {
			t.Errorf("%s: allowed is %v, want %v (%v)", target, got, allowed, err)
		}
		if err != nil && !strings.Contains(err.Error(), "Forbidden") {
			t.Errorf("%s: %v, want it to be forbidden", target, err)
		}
	}
}

// startSquid lets Squid check a configuration with the snippet, and run it until the test ends. Squid knows the
// hosts of the test by a file of its own, and has no port 0.
func startSquid(t *testing.T, snippet string) *url.URL {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // started by root, Squid becomes another user
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	var names strings.Builder
	for _, name := range []string{"a", "b", "x.wild", "wild", "other", "plain", "q.parts", "parts"} {
		fmt.Fprintf(&names, "127.0.0.1 %s.example.com\n", name)
	}
	for file, text := range map[string]string{"hosts": names.String(), "sep.conf": snippet,
		"squid.conf": strings.NewReplacer("ADDRESS", address, "DIR", dir).Replace(squidConf)} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "squid.conf")
	out, err := exec.CommandContext(t.Context(), "squid", "-k", "parse", "-f", config).CombinedOutput()
	said := strings.ReplaceAll(string(out), "ERROR: 'ssl_bump' requires --with-openssl", "")
	if err != nil || strings.Contains(said, "ERROR") || strings.Contains(said, "WARNING") {
		t.Fatalf("squid -k parse: %v\n%s", err, out)
	}
	_, port, _ := net.SplitHostPort(address)
	// Its shared memory has the name of the service; a Squid that is asked to end removes it.
	runUntilListening(t, exec.Command("squid", "-N", "-d", "1", "-n", "sep"+port, "-f", config), address)
	return &url.URL{Scheme: "http", Host: address}
}

const squidConf = `http_port ADDRESS
acl localnet src 127.0.0.1
include DIR/sep.conf
http_access deny all
hosts_file DIR/hosts
access_log none
cache_log DIR/cache.log
cache_store_log none
cache deny all
pid_filename none
netdb_filename none
coredump_dir DIR
pinger_enable off
shutdown_lifetime 0 seconds
`

// runUntilListening returns when the program accepts at address; it ends with the test.
func runUntilListening(t *testing.T, cmd *exec.Cmd, address string) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		<-ended
		kill.Stop()
	})
	for deadline := time.Now().Add(20 * time.Second); ; {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("%s ended:\n%s", cmd.Path, out.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody listens at %s", address)
		}
	}
}

// TestDnsmasqFillsTheSets looks listed and other names up through dnsmasq, in a network of the test's own.
func TestDnsmasqFillsTheSets(t *testing.T) {
	need(t, "dnsmasq", "nft", "ipset", "ip", "dig", "unshare")
	if out, err := exec.CommandContext(t.Context(), "unshare", "--net", "--pid", "--fork", "true").CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%v: %s", err, out)
		}
		t.Skipf("no network of its own for the test, which root can make: %s", out)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "sep.conf")
	if err := os.WriteFile(config, []byte(export(t, Builtin(), "dnsmasq", Options{Lang: "es"})), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "dnsmasq", "--test", "--conf-file="+config).CombinedOutput(); err != nil {
		t.Fatalf("dnsmasq --test: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "--net", "--pid", "--fork", "--kill-child", "sh", "-ec", lookups)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for member, want := range map[string]int{"192.0.2.7": 2, "2001:db8::7": 2, "192.0.2.8": 0} {
		_, sets, _ := strings.Cut(string(out), "SETS")
		if got := strings.Count(sets, member); got != want {
			t.Errorf("%s is in %d sets, want %d:\n%s", member, got, want, out)
		}
	}
	if !strings.Contains(string(out), "192.0.2.8") {
		t.Errorf("www.example.com was not looked up:\n%s", out)
	}
}

// lookups makes the sets as the file says. The first dnsmasq is the name server that the second one asks; both
// return when they listen, and end with the namespace.
const lookups = `ip link set lo up
sed -n 's/^#   //p' sep.conf > sets.sh
. ./sets.sh
run() { dnsmasq --user=root --group=root --listen-address=127.0.0.1 --bind-interfaces --no-resolv --no-hosts --pid-file= "$@"; }
: > empty.conf
run --conf-file=empty.conf --port=5301 --address=/symantec.com/192.0.2.7 --address=/symantec.com/2001:db8::7 --address=/example.com/192.0.2.8
run --conf-file=sep.conf --port=5302 --server=127.0.0.1#5301
dig +short @127.0.0.1 -p 5302 ent-shasta-rrs.symantec.com A ent-shasta-rrs.symantec.com AAAA www.example.com A
echo SETS
nft list table inet sepproxy
ipset save
`

func TestListsForFirewalls(t *testing.T) {
	c := mustParse(t, fmt.Sprintf(devices, "443", "8080"))
	for format, want := range map[string]string{
		"edl": `*.parts.example.com/x+y/
*.wild.example.com/
a.example.com/
b.example.com/
plain.example.com/
`,
		"zscaler": `.parts.example.com/x+y
.wild.example.com
a.example.com
b.example.com
plain.example.com
`,
	} {
		if got := export(t, c, format, Options{}); got != want {
			t.Errorf("%s is\n%s, want\n%s", format, got, want)
		}
	}
	got := export(t, c, "fortigate", Options{})
	for _, want := range []string{
		"  edit \"sep-*.wild.example.com\"\n    set type fqdn\n    set fqdn \"*.wild.example.com\"\n  next\n",
		"  edit \"sep-tcp-443\"\n    set member \"sep-*.wild.example.com\" \"sep-a.example.com\" \"sep-b.example.com\"\n  next\n",
		"  edit \"sep-tcp-8080\"\n    set member \"sep-*.parts.example.com\" \"sep-a.example.com\" \"sep-plain.example.com\"\n  next\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no\n%s in\n%s", want, got)
		}
	}
}

func TestFortigateNamesAreShortAndDistinct(t *testing.T) {
	long := strings.Repeat("a", 60)
	one, two := fortigateName(long+".one.example.com"), fortigateName(long+".two.example.com")
	if len(one) != 63 || len(two) != 63 || one == two {
		t.Errorf("got %s and %s", one, two)
	}
}

func TestHeadingsAreCommentsInTheLanguageAskedFor(t *testing.T) {
	for _, format := range []string{"squid", "dnsmasq", "fortigate"} {
		for lang, want := range map[string]string{"en": "# edition 2020-11\n", "es": "# edición 2020-11\n"} {
			if got := export(t, Builtin(), format, Options{Lang: lang}); !strings.Contains(got, want) {
				t.Errorf("%s in %s has no %q", format, lang, want)
			}
		}
		hostile := *Builtin()
		hostile.Edition = "1\nhttp_access allow all"
		if got := export(t, &hostile, format, Options{}); strings.Contains(got, "\nhttp_access allow all") {
			t.Errorf("%s: the edition leaves its comment", format)
		}
	}
}

func TestExportedPACNamesTheProxy(t *testing.T) {
	if got := export(t, Builtin(), "pac", Options{Proxy: "p.example.com:8080"}); !strings.Contains(got, `"PROXY p.example.com:8080"`) {
		t.Errorf("got %.200s", got)
	}
	if err := Export(&bytes.Buffer{}, Builtin(), "pac", Options{Proxy: "nowhere"}); err == nil {
		t.Error("a proxy without a port is no error")
	}
}
