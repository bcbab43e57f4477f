//go:build linux

package e2e_test

import (
	"fmt"
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
