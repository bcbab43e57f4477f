//go:build linux

package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestPACInChromium: with /proxy.pac a browser asks the proxy for what the policy allows, and
// whatever ?default= names for the rest.
func TestPACInChromium(t *testing.T) {
	i := slices.IndexFunc(programs, func(p program) bool { return p.name == "chromium" })
	browser := programs[i]
	if _, err := exec.LookPath(browser.command); err != nil {
		missing(t, "%v: install Debian's %s", err, browser.debian)
	}
	arguments := browser.arguments
	browser.arguments = func(v visit) []string {
		args := arguments(v)
		for i, arg := range args {
			if strings.HasPrefix(arg, "--proxy-server=") {
				args[i] = "--proxy-pac-url=" + v.proxy
			}
		}
		return args
	}
	page := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `<!doctype html><link rel="icon" href="data:,"><p>%s %s</p>`, text, r.Host)
		}
	}
	other := webOrigin(t, page("the other proxy for"))
	p := start(t, settings{hosts: map[string]string{plainHost: webOrigin(t, page("the origin of"))}})
	v := visit{proxy: "http://" + p.admin + "/proxy.pac?default=" + url.QueryEscape("PROXY "+other), spki: "none"}
	for host, want := range map[string]string{
		plainHost: "the origin of " + plainHost,
		unlisted:  "the other proxy for " + unlisted,
	} {
		if out, all := browser.run(t, v.to("http://"+host+"/")); !strings.Contains(string(out), want) {
			t.Errorf("%s shows %q, want %q", host, all, want)
		}
	}
	p.awaitOutcome(plainHost)
	for _, r := range ofAction(p.records(), "decision") {
		if r.URL.Domain != plainHost {
			t.Errorf("the proxy was asked for %s", r.URL.Domain)
		}
	}
}

func TestPACNamesTheProxyAndThePolicyInForce(t *testing.T) {
	p := start(t, settings{policy: "groups: [sepm-cloud]\nallow: [{url: \"https://*.local.example\"}]\n"})
	_, pac := p.ask("/proxy.pac")
	for _, want := range []string{`var proxy = "PROXY ` + p.address + `";`, `var rest = "DIRECT";`, `"local.example": 1`} {
		if !strings.Contains(pac, want) {
			t.Errorf("there is no %s in\n%s", want, pac)
		}
	}
	if strings.Contains(pac, always) {
		t.Errorf("%s is in it, and its group is left out", always)
	}
	p.replacePolicy("groups: [agent]\n")
	eventually(t, "a PAC file of the new policy", func() bool {
		_, pac := p.ask("/proxy.pac")
		return strings.Contains(pac, always) && !strings.Contains(pac, "local.example")
	})
	if status, text := p.ask("/proxy.pac?default=" + url.QueryEscape(`DIRECT"; alert(1); "`)); status != 400 || strings.Contains(text, "FindProxyForURL") {
		t.Errorf("a default that is none: %d %s", status, text)
	}
}

func TestTheProxyThatThePACNamesIsConfigured(t *testing.T) {
	p := start(t, settings{admin: ", pac_proxy: proxy.example.com:8080"})
	if _, pac := p.ask("/proxy.pac"); !strings.Contains(pac, `"PROXY proxy.example.com:8080"`) {
		t.Errorf("another proxy in\n%s", pac)
	}
}

// TestLivePageWithATokenAndARestart reads the page as programs do, before and after a restart.
func TestLivePageWithATokenAndARestart(t *testing.T) {
	const token = "0123456789abcdef0123"
	s := settings{hosts: everyHost(echoOrigin(t)), admin: ", token_file: admin.token"}
	p := prepare(t, t.TempDir(), s)
	p.writeFile("admin.token", token+"\n")
	p.run()
	p.passes(always)
	p.refuses(unlisted, http.StatusForbidden, "not_listed")
	if status, text := p.ask("/"); status != http.StatusUnauthorized || strings.Contains(text, unlisted) {
		t.Errorf("without the token: %d %s", status, text)
	}
	p.stop()
	again := startIn(t, p.dir, s)
	again.refuses(unlisted, http.StatusForbidden, "not_listed")
	var page string
	eventually(t, "three requests on the page", func() bool {
		page = again.withToken("/", token)
		return strings.Contains(page, `<dd data-count="requests">3</dd>`)
	})
	for _, want := range []string{`<tr data-host="` + unlisted + `">`, `<tr data-service="agent.insight">`} {
		if !strings.Contains(page, want) {
			t.Errorf("there is no %s on the page", want)
		}
	}
}

func (p *proxy) withToken(path, token string) string {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+p.admin+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		p.t.Fatalf("%s with the token: %d, %v", path, resp.StatusCode, err)
	}
	return string(body)
}
