//go:build linux

package e2e_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sepproxy/sepproxy/audit"
)

const (
	tracker = "tracker.example" // nothing documents it
	secret  = "only the origin knows this"
)

// A stage is a proxy and two origins for one program.
type stage struct {
	program
	t       *testing.T
	proxy   *proxy
	visit   visit // with the pin of the right certificate
	mistake visit // with that of another
	file    []byte
}

func newStage(t *testing.T, p program) *stage {
	s := &stage{program: p, t: t, file: random(200_003)}
	trust := newAuthority(t)
	cert := trust.issue(always)
	hosts := map[string]string{
		always:    webOrigin(t, http.HandlerFunc(s.page), cert),
		plainHost: webOrigin(t, http.HandlerFunc(s.page)),
		tracker:   webOrigin(t, http.HandlerFunc(s.page)), // would answer, if the proxy let anybody through
	}
	s.proxy = start(t, settings{hosts: hosts})
	s.visit = visit{proxy: s.proxy.address, authority: trust.file()}.pinning(cert)
	s.mistake = s.visit.pinning(trust.issue(always))
	return s
}

// shown makes a browser load the file and write it into its page, before the page counts as loaded.
const shown = `<!doctype html><link rel="icon" href="data:,"><pre id="file"></pre><script>
const request = new XMLHttpRequest();
request.open('GET', '/file', false);
request.overrideMimeType('text/plain; charset=x-user-defined');
request.send();
const bytes = Array.from(request.responseText, (c) => String.fromCharCode(c.charCodeAt(0) & 0xff));
document.getElementById('file').textContent = 'file:' + btoa(bytes.join('')) + ':file';
</script>`

func (s *stage) page(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/file":
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(s.file)
	case "/page":
		_, _ = fmt.Fprint(w, shown)
	default:
		_, _ = fmt.Fprintf(w, `<!doctype html><link rel="icon" href="data:,"><p>%s</p>`, secret)
	}
}

func (v visit) to(url string) visit {
	v.url = url
	return v
}

var inPage = regexp.MustCompile(`file:([A-Za-z0-9+/=]*):file`)

// download gives the file as the program got it.
func (s *stage) download() []byte {
	s.t.Helper()
	if !s.browser {
		out, _ := s.run(s.t, s.visit.to("http://"+plainHost+"/file"))
		return out
	}
	out, all := s.run(s.t, s.visit.to("http://"+plainHost+"/page"))
	found := inPage.FindSubmatch(out)
	if found == nil {
		s.t.Errorf("the page shows no file: %s", all)
		return nil
	}
	content, err := base64.StdEncoding.DecodeString(string(found[1]))
	if err != nil {
		s.t.Error(err)
	}
	return content
}

// says asserts that the program failed in its way, and did not get anything.
func (s *stage) says(url string, want []string) {
	s.t.Helper()
	_, all := s.run(s.t, s.visit.to(url))
	for _, text := range want {
		if !strings.Contains(all, text) {
			s.t.Errorf("%s: the program does not say %q, it says %s", url, text, all)
		}
	}
	if strings.Contains(all, secret) {
		s.t.Errorf("%s: the program got through", url)
	}
}

// TestClients lets programs that others wrote use the proxy.
func TestClients(t *testing.T) {
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			if _, err := exec.LookPath(p.command); err != nil {
				missing(t, "%s is not installed: apt-get install %s", p.command, p.debian)
			}
			newStage(t, p).play()
		})
	}
}

func (s *stage) play() {
	s.t.Helper()
	if out, all := s.run(s.t, s.visit.to("https://"+always+"/hello")); !bytes.Contains(out, []byte(secret)) {
		s.t.Errorf("an allowed host: %s", all)
	}
	if _, all := s.run(s.t, s.mistake.to("https://"+always+"/hello")); strings.Contains(all, secret) {
		s.t.Errorf("with a wrong pin the program should have stopped: %s", all)
	}
	if got := s.download(); !bytes.Equal(got, s.file) {
		s.t.Errorf("of a file with %d bytes others came: %d", len(s.file), len(got))
	}
	s.says("https://"+tracker+"/hello", s.refused)
	s.says("http://"+tracker+"/hello?secret", s.plainly)
	s.proxy.quiet()
	s.proxy.compareMetrics()
	s.proxy.stop()
	s.proxy.sound()
	named(s.t, s.proxy.records())
	s.compareTrail(s.proxy.records())
}

// compareTrail holds the trail against what the program was told to do, in that order. A browser
// may have asked for more by itself, all of which has to be denied.
func (s *stage) compareTrail(all []*audit.Record) {
	s.t.Helper()
	want := []string{
		"CONNECT https://" + always + ":443 allow catalog",
		"CONNECT https://" + always + ":443 allow catalog",
		"GET http://" + plainHost + ":80/file allow catalog",
		"CONNECT https://" + tracker + ":443 deny not_listed",
		"GET http://" + tracker + ":80/hello deny not_listed",
	}
	if s.browser {
		want = append(want[:2:2], append([]string{"GET http://" + plainHost + ":80/page allow catalog"}, want[2:]...)...)
	}
	var got []string
	for _, e := range entriesOf(all) {
		ours := e.host == tracker && e.path != "/favicon.ico" || e.host == always || e.host == plainHost
		if s.browser && !ours && !e.documented && e.verdict == "deny" {
			s.t.Logf("the browser asked for %s by itself", e.address())
			continue
		}
		got = append(got, fmt.Sprintf("%s %s://%s%s %s %s", e.method, e.scheme, e.address(), e.path, e.verdict, e.reason))
		if e.path == "/file" && (e.status != 200 || e.received != int64(len(s.file)) || e.failure != "") {
			s.t.Errorf("the trail has the download as %v", e)
		}
	}
	if s.browser { // which tries again what failed
		got, want = slices.Compact(got), slices.Compact(want)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		s.t.Errorf("the trail has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
