//go:build linux

package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sepproxy/sepproxy/audit"
)

// TestLivePageInChromium watches the page while traffic flows: it changes by itself, its numbers become
// those of the trail, and it loads nothing but itself and its events.
func TestLivePageInChromium(t *testing.T) {
	p := start(t, settings{hosts: everyHost(echoOrigin(t))})
	b := openBrowser(t)
	home := "http://" + p.admin + "/"
	b.open(home)
	held := openPipe(p, always)
	for range 12 {
		p.passes(always)
		p.refuses(unlisted, http.StatusForbidden, "not_listed")
	}
	eventually(t, "the page shows one open tunnel", func() bool { return b.text(`[data-count=tunnels]`) == "1" })
	held.finish()
	p.shows(b)
	if got := b.text(`tr[data-host="` + unlisted + `"]`); !strings.Contains(got, `- {url: "https://`+unlisted+`"}`) || !strings.Contains(got, "12") {
		t.Errorf("the undocumented host is shown as %q", got)
	}
	if got := b.text(`[data-count=revision]`); got != p.records()[1].Sepproxy.Policy {
		t.Errorf("revision %q", got)
	}
	b.quiet(home, home+"events")
	p.replacePolicy("mode: enforec\n")
	eventually(t, "the page shows the rejected policy", func() bool {
		return strings.Contains(b.text("#notices"), `unknown mode "enforec"`)
	})
	p.replacePolicy("mode: enforce\n# right again\n")
	eventually(t, "the notice goes", func() bool { return !strings.Contains(b.text("#notices"), "enforec") })
	p.shows(b)
	for _, width := range []int64{390, 1280} {
		b.fits("live", width, 1600)
	}
}

// shows waits until the page's numbers are those of the trail.
func (p *proxy) shows(b *browser) {
	p.t.Helper()
	var want, got string
	defer func() {
		if p.t.Failed() {
			p.t.Logf("the page has %s, the trail %s", got, want)
		}
	}()
	eventually(p.t, "the page has the numbers of the trail", func() bool {
		all := p.records()
		denied := 0
		for _, r := range all {
			if r.Event.Action != audit.ActionLifecycle && r.Sepproxy.Verdict == "deny" {
				denied++
			}
		}
		want = fmt.Sprintf("%d requests, %d denied, sequence %d", len(ofAction(all, "decision")), denied, all[len(all)-1].Event.Sequence)
		got = fmt.Sprintf("%s requests, %s denied, sequence %s", b.text(`[data-count=requests]`), b.text(`[data-count=denied]`), b.text(`[data-count=sequence]`))
		return got == want
	})
}

func TestLivePageFilters(t *testing.T) {
	p := start(t, settings{hosts: everyHost(echoOrigin(t)),
		policy: "clients: [{name: here, cidrs: [127.0.0.1/32]}, {name: there, cidrs: [127.0.0.2/32]}]\n"})
	for _, ip := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.2"} {
		m := visitor(p)
		m.ip = ip
		for _, host := range []string{always, unlisted} {
			c, err := m.connect(host + ":443")
			if err == nil {
				_ = c.Close()
			}
		}
	}
	b := openBrowser(t)
	for query, want := range map[string]string{
		"": "6 1 1", "client=127.0.0.2": "4 1 1", "client=there": "4 1 1", "client=127.0.0.0/31": "2 1 1",
		"service=agent": "3 1 0", "host=nobody": "3 0 1", "client=127.0.0.1&host=nobody": "1 0 1", "client=10.0.0.1": "0 0 0",
	} {
		b.open("http://" + p.admin + "/?" + query)
		var got string
		eventually(t, "the numbers of "+query, func() bool {
			got = fmt.Sprintf("%s %d %d", b.text(`[data-count=requests]`), b.count("#used tr[data-service]"), b.count("#undocumented tr[data-host]"))
			return got == want
		})
		if set := b.count("#notices .good") > 0; set != (query != "") {
			t.Errorf("%q: the page says that it is filtered: %v", query, set)
		}
	}
	b.open("http://" + p.admin + "/?lang=es")
	if got := b.text("#used"); !strings.Contains(got, "Reputación de archivos (Insight)") || b.text("h1") != "sepproxy ahora" {
		t.Errorf("in Spanish the services are %q", got)
	}
	// The form asks for the same.
	b.open("http://" + p.admin + "/")
	value[bool](b, `(document.querySelector("[name=host]").value = "nobody", document.querySelector("form").submit(), true)`)
	eventually(t, "the form's page", func() bool { return b.text(`[data-count=requests]`) == "3" })
	if got := value[string](b, "location.search"); !strings.Contains(got, "host=nobody") {
		t.Errorf("the form asks for %q", got)
	}
}

// TestHostileNamesAreTextInChromium lets clients send markup where they can, and looks at both pages.
func TestHostileNamesAreTextInChromium(t *testing.T) {
	hosts := everyHost(echoOrigin(t))
	hosts[plainHost] = webOrigin(t, http.HandlerFunc(serveStatus))
	p := start(t, settings{hosts: hosts})
	const evil = `<script>document.title='owned'</script><img/src=x/onerror=document.title='owned'>`
	for _, line := range []string{
		"GET http://" + plainHost + "/" + evil + " HTTP/1.1\r\nHost: " + plainHost + "\r\nConnection: close\r\n\r\n",
		"GET http://" + unlisted + "/" + evil + " HTTP/1.1\r\nHost: " + unlisted + "\r\nConnection: close\r\n\r\n",
		"CONNECT " + evil + ":443 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /" + evil + " HTTP/1.1\r\nHost: " + evil + "\r\n\r\n",
	} {
		c, err := visitor(p).dial()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 16)
		_, _ = c.Read(buf) // answered: it is recorded
		_ = c.Close()
	}
	b := openBrowser(t)
	home := "http://" + p.admin + "/?" + url.Values{"host": {evil}, "client": {`"><b>`}}.Encode()
	for _, page := range []string{"http://" + p.admin + "/", home, "file://" + p.htmlReport("en")} {
		b.open(page)
		eventually(t, "the page is there", func() bool { return b.count("section") > 3 })
		if strings.Contains(page, "/?") {
			eventually(t, "nothing matches", func() bool { return b.text(`[data-count=requests]`) == "0" })
		}
		if got := value[string](b, "document.title"); got == "owned" || b.count("img") > 0 || b.count("b") > 0 {
			t.Errorf("%s: title %q, %d images", page, got, b.count("img"))
		}
	}
	b.open("http://" + p.admin + "/")
	eventually(t, "the path is shown as it is", func() bool { return strings.Contains(b.text("#latest"), "document.title") })
}

// htmlReport makes a report and gives its file.
func (p *proxy) htmlReport(lang string) string {
	p.t.Helper()
	file := filepath.Join(p.dir, "report-"+lang+".html")
	if _, code := sepproxy(p.t, "report", p.config(), "--format", "html", "--lang", lang, "--output", file); code != 0 {
		p.t.Fatalf("report ended with %d", code)
	}
	return file
}

func TestHTMLReportInChromium(t *testing.T) {
	p := start(t, settings{hosts: everyHost(echoOrigin(t))})
	for range 5 {
		p.passes(always)
		p.refuses(unlisted, http.StatusForbidden, "not_listed")
	}
	p.refuses(strings.Repeat(strings.Repeat("long", 15)+".", 4)+"example", http.StatusForbidden, "not_listed")
	p.stop()
	b := openBrowser(t)
	for lang, want := range map[string]string{"en": "What passed through sepproxy", "es": "Lo que pasó por sepproxy"} {
		file := "file://" + p.htmlReport(lang)
		b.open(file)
		if got := b.text("h1"); got != want {
			t.Errorf("the heading is %q, want %q", got, want)
		}
		if got := b.text(".tile dd"); got != "11" {
			t.Errorf("%s requests, want 11", got)
		}
		if got := value[string](b, `getComputedStyle(document.querySelector("section")).borderRadius`); got == "0px" {
			t.Error("the page's own style does not take effect")
		}
		for _, width := range []int64{360, 1280} {
			b.fits("report-"+lang, width, 1600)
		}
		b.quiet(file)
	}
}
