package page

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/sepproxy/sepproxy/report"
)

func TestBothLanguagesSayEverything(t *testing.T) {
	en, es := reflect.ValueOf(english), reflect.ValueOf(spanish)
	for i := range en.NumField() {
		name := en.Type().Field(i).Name
		switch a, b := en.Field(i), es.Field(i); a.Kind() {
		case reflect.String:
			if a.String() == "" || b.String() == "" {
				t.Errorf("%s is %q in English, %q in Spanish", name, a, b)
			}
			if verbs(a.String()) != verbs(b.String()) {
				t.Errorf("%s has other verbs: %q, %q", name, a, b)
			}
		case reflect.Map:
			for _, key := range append(a.MapKeys(), b.MapKeys()...) {
				if !a.MapIndex(key).IsValid() || !b.MapIndex(key).IsValid() || a.MapIndex(key).String() == b.MapIndex(key).String() {
					t.Errorf("%s[%s] is not in both", name, key)
				}
			}
		}
	}
}

func verbs(s string) string {
	return strings.Join(regexp.MustCompile(`%[a-z]`).FindAllString(s, -1), "")
}

// TestEveryReasonIsExplained takes the codes from README.md, which another test holds to the code.
func TestEveryReasonIsExplained(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| ((?:`[a-z_]+`(?:, )?)+) \\|").FindAllStringSubmatch(string(readme), -1)
	found := 0
	for _, row := range rows {
		for _, code := range regexp.MustCompile("[a-z_]+").FindAllString(row[1], -1) {
			found++
			if english.Reasons[code] == "" {
				t.Errorf("%s has no explanation", code)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d codes in README.md", found)
	}
}

func TestReportIsOneFileThatLoadsNothing(t *testing.T) {
	s := newSite(t)
	s.live()
	for _, lang := range []string{"en", "es"} {
		text := written(t, func(w *bytes.Buffer) error { return WriteReport(w, s.report(lang), options(lang)) })
		if !strings.Contains(html.UnescapeString(text), hash(style)) || strings.Contains(text, "<script") {
			t.Errorf("%s: the policy does not fit the style, or there is a script", lang)
		}
		each(t, text, func(n *html.Node) {
			for _, a := range n.Attr {
				if url := strings.TrimSpace(a.Val); (a.Key == "src" || a.Key == "href" || a.Key == "srcset" || a.Key == "action") && url != "data:," || a.Key == "style" || strings.HasPrefix(a.Key, "on") {
					t.Errorf("%s: <%s %s=%q>", lang, n.Data, a.Key, a.Val)
				}
			}
		})
		if strings.Contains(style, "url(") || strings.Contains(style, "@import") {
			t.Error("the style loads something")
		}
		if len(text) > 1<<20 {
			t.Errorf("%s: %d bytes", lang, len(text))
		}
		keep(t, "report-"+lang+".html", text)
	}
}

func TestReportShowsTheNumbers(t *testing.T) {
	s := newSite(t)
	s.live()
	r := s.report("en")
	text := written(t, func(w *bytes.Buffer) error { return WriteReport(w, r, options("en")) })
	v := newView(r, nil, options("en"))
	for _, want := range []string{
		v.N(r.Transactions), v.N(r.Denied), v.Size(r.Bytes.Received), r.Trail.Chain, "c2.evil-exfil.example:443", "File reputation (Insight)",
		"- {url: &#34;https://c2.evil-exfil.example&#34;}", "3f2a9c01d4e7", "looks like the documented usea1.r3.securitycloud.symantec.com",
		"Agents", "intact", "group_not_allowed", "10.20.0.66", "storage.googleapis.com", "2026-11-02 12:00 to 2026-11-16 11:00",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
	for _, id := range r.Unused {
		if !strings.Contains(text, id) {
			t.Errorf("the unused %s is not shown", id)
		}
	}
}

// TestChartsHaveNamesAndTables: who cannot see a drawing hears what it is, and has its numbers.
func TestChartsHaveNamesAndTables(t *testing.T) {
	s := newSite(t)
	s.live()
	r := s.report("en")
	text := written(t, func(w *bytes.Buffer) error { return WriteReport(w, r, options("en")) })
	drawings, cells := 0, 0
	each(t, text, func(n *html.Node) {
		switch n.Data {
		case "svg":
			drawings++
			label, hidden := "", false
			for _, a := range n.Attr {
				if a.Key == "aria-label" {
					label = a.Val
				}
				hidden = hidden || a.Key == "aria-hidden"
			}
			if !hidden && (label == "" || n.FirstChild == nil || n.FirstChild.Data != "title") {
				t.Errorf("an SVG without a name")
			}
		case "details":
			each(t, render(t, n), func(c *html.Node) {
				if c.Data == "td" {
					cells++
				}
			})
		}
	})
	if drawings < 8 || cells < 6*len(r.Timeline.Points)/2 {
		t.Errorf("%d drawings, %d cells in tables", drawings, cells)
	}
}

// TestWhatClientsSendIsText puts markup into everything that a client or an edited trail can.
func TestWhatClientsSendIsText(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'{{.}}</style></title>`
	s := newSite(t)
	s.ask(ask{client: evil, name: evil, host: evil, reason: evil, services: []string{evil}})
	s.ask(ask{client: "10.0.0.1", name: evil, host: evil, reason: "local_rule", services: []string{evil, evil + "2"}, failure: evil})
	s.policy(evil)
	for _, lang := range []string{"en", "es"} {
		r := s.report(lang)
		r.Trail.Problems, r.Warnings = []string{evil}, []string{evil}
		n := now(r)
		n.NotReady, n.Policy.File, n.Policy.Revision, n.Audit.Path = evil, evil, evil, evil
		n.Rejected = &Rejection{At: noon, Message: evil, Current: true}
		n.Filter = Filter{evil, evil, evil}
		n.Failures = []report.Count{{Name: evil, Count: 1}}
		n.Latest = []Request{{At: noon, Client: evil, Name: evil, Method: evil, Target: evil, Verdict: evil, Reason: evil, Services: []string{evil}}}
		n.LangQuery = "lang=es&host=" + evil
		for name, write := range map[string]func(*bytes.Buffer) error{
			"report": func(w *bytes.Buffer) error { return WriteReport(w, r, options(lang)) },
			"live":   func(w *bytes.Buffer) error { return WriteLive(w, n, options(lang)) },
			"part":   func(w *bytes.Buffer) error { return WriteLivePart(w, n, options(lang)) },
		} {
			scripts := 0
			each(t, written(t, write), func(n *html.Node) {
				switch {
				case n.Data == "script":
					scripts++
				case n.Data == "img":
					t.Errorf("%s: an image", name)
				}
				for _, a := range n.Attr {
					if strings.HasPrefix(a.Key, "on") {
						t.Errorf("%s: <%s %s>", name, n.Data, a.Key)
					}
				}
			})
			if want := map[string]int{"live": 1}[name]; scripts != want {
				t.Errorf("%s: %d scripts, want %d", name, scripts, want)
			}
		}
	}
}

func TestABrokenTrailIsSaid(t *testing.T) {
	s := newSite(t)
	s.live()
	data, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	if err := os.WriteFile(s.path, bytes.Join(append(lines[:100:100], lines[101:]...), nil), 0o600); err != nil {
		t.Fatal(err)
	}
	text := written(t, func(w *bytes.Buffer) error { return WriteReport(w, s.report("en"), options("en")) })
	if !strings.Contains(text, `<dd class="text bad">broken</dd>`) || !strings.Contains(text, "audit.jsonl:101: ") || strings.Contains(text, english.TrailFine) {
		t.Error("a record is missing from the trail, and the report does not say so")
	}
}

func TestManyNamesStaySmall(t *testing.T) {
	s := newSite(t)
	for i := range 12_000 {
		s.ask(ask{client: fmt.Sprintf("10.1.%d.%d", i>>8, i&255), host: fmt.Sprintf("a%d.example.net", i), reason: "not_listed"})
	}
	r := s.report("en")
	for name, write := range map[string]func(*bytes.Buffer) error{
		"report": func(w *bytes.Buffer) error { return WriteReport(w, r, options("en")) },
		"live":   func(w *bytes.Buffer) error { return WriteLive(w, now(r), options("en")) },
	} {
		if n := len(written(t, write)); n > 500_000 {
			t.Errorf("%s has %d bytes", name, n)
		}
	}
}

// TestAYearIsStillAPage: every service of the catalog, each day of more than a year.
func TestAYearIsStillAPage(t *testing.T) {
	s := newSite(t)
	for day := range 390 {
		s.now.Store(noon.AddDate(0, 0, day).Unix())
		for _, service := range inForce() {
			s.ask(ask{client: "10.0.0.1", host: service.Endpoints[0].Host, reason: "catalog", documented: true, services: []string{service.ID}})
		}
	}
	text := written(t, func(w *bytes.Buffer) error { return WriteReport(w, s.report("en"), options("en")) })
	if n := len(text); n > 3<<20 {
		t.Errorf("the report of a year has %d bytes", n)
	}
	keep(t, "year.html", text)
}

func TestEmptyReport(t *testing.T) {
	r := newSite(t).report("en")
	for _, write := range []func(*bytes.Buffer) error{
		func(w *bytes.Buffer) error { return WriteReport(w, r, options("en")) },
		func(w *bytes.Buffer) error { return WriteLive(w, &Now{Report: r}, options("en")) },
	} {
		if text := written(t, write); !strings.Contains(text, "Nothing here.") {
			t.Errorf("an empty report says\n%s", text)
		}
	}
}

// TestContrast holds the palettes to WCAG 2.2: 4.5 for text (1.4.3), 3 for drawings (1.4.11).
func TestContrast(t *testing.T) {
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(style, 2)
	if len(blocks) != 2 {
		t.Fatalf("%d palettes", len(blocks))
	}
	for i, block := range blocks {
		color := map[string]float64{}
		for _, m := range regexp.MustCompile(`--(\w+): #([0-9a-f]{6})`).FindAllStringSubmatch(block[1], -1) {
			color[m[1]] = luminance(t, m[2])
		}
		check := func(front, back string, least float64) {
			high, low := max(color[front], color[back]), min(color[front], color[back])
			if ratio := (high + 0.05) / (low + 0.05); ratio < least {
				t.Errorf("palette %d: %s on %s has contrast %.2f, want %g", i, front, back, ratio, least)
			}
		}
		for _, front := range []string{"text", "soft", "link", "good", "bad", "warn"} {
			check(front, "card", 4.5)
			check(front, "back", 4.5)
		}
		check("card", "link", 4.5) // the button
		for _, front := range []string{"allowed", "denied", "sent", "received", "warn", "heat3", "heat4"} {
			check(front, "card", 3)
		}
		for n := range 4 { // each darker, or in the dark brighter, than the one before
			if a, b := color[fmt.Sprint("heat", n)], color[fmt.Sprint("heat", n+1)]; (a > b) != (i == 0) {
				t.Errorf("palette %d: heat%d and heat%d are out of order", i, n, n+1)
			}
		}
	}
}

// luminance is the relative luminance of WCAG 2.2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	linear := func(c uint64) float64 {
		s := float64(c&255) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(n>>16) + 0.7152*linear(n>>8) + 0.0722*linear(n)
}

// each calls f for every element of a page.
func each(t *testing.T, text string, f func(*html.Node)) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			f(n)
		}
	}
}

func render(t *testing.T, n *html.Node) string {
	t.Helper()
	return written(t, func(w *bytes.Buffer) error { return html.Render(w, n) })
}

// keep leaves a page where somebody wants to look at it: KEEP_PAGES names a directory.
func keep(t *testing.T, name, text string) {
	t.Helper()
	if dir := os.Getenv("KEEP_PAGES"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
