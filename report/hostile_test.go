package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/sepproxy/sepproxy/audit"
)

// hostile is what a client, or whoever edited the trail, may put where a name belongs.
var hostile = []string{
	"\x1b[2J\x1b]0;owned\x07evil.example.net", // clears the screen, sets the window's title
	"\u009b31mred",            // CSI in one character
	"\u202egro.elpmaxe\u2066", // shown backwards
	"bad\xff\xfebytes",        // not UTF-8
	"two\r\nlines  forged 443",
	"=HYPERLINK(\"http://evil.example.net\",\"x\")",
	"+1+cmd|' /C calc'!A0",
	"-2+3",
	"@SUM(1)",
	"\t=1+1",
	"\r=1+1",
	" =1+1",
	"＝1+1",
	"x;=1+1",
	"a,b\"c",
	"cell | cell | `code` | <img src=x onerror=alert(1)> [text](http://evil.example.net) ![i](//x)",
	"``` \n# heading",
	"http://www.evil.example.net",
	"x\"}\nmode: observe\nallow: [{url: \"https://*.com\"}]",
	"- {url: x} # &anchor *alias !!tag",
	"evil.example.net\x00",
	"a\u2028b\u00a0c\u200bd\U000e0041e",
	strings.Repeat("long.", 20_000) + "com",
}

// attacked is a report in which every string of every record is s.
func attacked(t *testing.T, s string) *Report {
	t.Helper()
	return buildOf(t, Options{}, func(tr *trail) {
		for _, deny := range []string{"", "not_listed", s} {
			a := ask{at: noon, client: s, host: s, deny: deny, unlisted: true, services: []string{s, "agent.insight"}, policy: s}
			tr.decision(a)
			tr.outcome(a, 1, 1, 1, s)
		}
		r := ask{at: noon, client: s, deny: "malformed_request"}.record(audit.ActionDecision)
		r.URL = &audit.URL{Original: s, Scheme: s}
		tr.add(r)
	})
}

// each runs a test for every hostile string, with the report in the given format.
func each(t *testing.T, format string, check func(t *testing.T, s, out string)) {
	for i, s := range hostile {
		t.Run(fmt.Sprint(i), func(t *testing.T) { check(t, s, attacked(t, s).as(t, format)) })
	}
}

// steers finds what could steer a terminal or hide from its reader.
func steers(out string) int {
	return strings.IndexFunc(out, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) })
}

func TestNoFormatSteersATerminal(t *testing.T) {
	for _, format := range Formats() {
		each(t, format, func(t *testing.T, s, out string) {
			if i := steers(out); i >= 0 || !utf8.ValidString(out) {
				t.Errorf("%s of %q has %q", format, s, out[max(0, i-20):])
			}
		})
	}
}

// A forged line would be one more than the same report has with a harmless name.
func TestTextHasNoForgedLines(t *testing.T) {
	harmless := strings.Count(attacked(t, "192.0.2.1").as(t, "text"), "\n")
	each(t, "text", func(t *testing.T, _, out string) {
		if got := strings.Count(out, "\n"); got != harmless {
			t.Errorf("%d lines, want %d:\n%s", got, harmless, out)
		}
		if strings.Contains(out, "policy.yaml") {
			t.Errorf("a rule is suggested:\n%s", out)
		}
	})
}

func TestJSONKeepsWhatWasSaid(t *testing.T) {
	each(t, "json", func(t *testing.T, s, out string) {
		var got documented
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		want := strings.NewReplacer("\xff", "\ufffd", "\xfe", "\ufffd").Replace(s)
		if len(s) > 255 {
			want = Other
		}
		if got.Undocumented[0].Host != want {
			t.Errorf("host is %q, want %q", got.Undocumented[0].Host, want)
		}
	})
}

// Whatever the spreadsheet takes for a separator, no cell begins like a formula.
func TestCSVHasNoFormulas(t *testing.T) {
	for _, comma := range []rune{',', ';', '\t'} {
		each(t, "csv", func(t *testing.T, s, out string) {
			r := csv.NewReader(strings.NewReader(out))
			r.Comma, r.LazyQuotes, r.FieldsPerRecord = comma, true, -1
			for {
				row, err := r.Read()
				if err == io.EOF {
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, cell := range row {
					if strings.IndexAny(strings.TrimLeftFunc(cell, unicode.IsSpace), "=+-@＝＋－＠\t\r") == 0 {
						t.Errorf("a cell of %q, with separator %q: %q", s, comma, cell)
					}
				}
			}
		})
	}
}

var (
	codeSpan  = regexp.MustCompile("`[^`\n]*`")
	fence     = regexp.MustCompile("(?s)\n```yaml\n.*?\n```\n")
	reference = regexp.MustCompile("&#[0-9]+;")
)

// Outside of code spans nothing is left that Markdown, HTML or GitHub's autolinks would read, and
// every row has the cells of its table: GitHub splits rows at a | in a code span, too.
func TestMarkdownHasNoMarkup(t *testing.T) {
	each(t, "md", func(t *testing.T, _, out string) {
		cells := 0
		for line := range strings.Lines(out) {
			if !strings.Contains(line, "|") {
				cells = 0
				continue
			}
			got := strings.Count(line, "|")
			if cells == 0 {
				cells = got
			}
			if got != cells || !strings.HasPrefix(line, "| ") || !strings.HasSuffix(line, " |\n") {
				t.Errorf("not a row of %d cells: %s", cells-1, line)
			}
		}
		text := codeSpan.ReplaceAllString(fence.ReplaceAllString(out, ""), "CODE")
		text = reference.ReplaceAllString(text, "")
		if strings.ContainsAny(text, "`<>[]!*_~\\&@") || strings.Contains(text, "://") || strings.Contains(text, "www.") {
			t.Errorf("markup in\n%s", text)
		}
	})
}

func TestSuggestionsAreOnlyForHostNames(t *testing.T) {
	for _, s := range hostile {
		for _, u := range attacked(t, s).Undocumented {
			if u.Suggest != "" {
				t.Errorf("%q: suggested %q", s, u.Suggest)
			}
		}
	}
	for _, s := range []string{"192.0.2.1", "[::1]", "*.example.net", "a..b", "Upper.example.net", "user@example.net",
		"a.example.net.", "example.net/path", "example.net:444", "127.1", Other, ""} {
		for _, scheme := range []string{"https", "http"} {
			if got := suggestion(scheme, address{s, 443}); got != "" {
				t.Errorf("%q: suggested %q", s, got)
			}
		}
	}
	if got := suggestion("javascript", address{"a.example.net", 443}); got != "" {
		t.Errorf("suggested %q", got)
	}
	if got := suggestion("https", address{"a.example.net", 0}); got != "" {
		t.Errorf("port 0: suggested %q", got)
	}
}

// What is copied into policy.yaml is one rule with one URL.
func TestCopiedSuggestionIsOneRule(t *testing.T) {
	for _, host := range []string{"a.example.net", "xn--bcher-kva.example", "under_score.example.net"} {
		r := buildOf(t, Options{}, func(tr *trail) {
			tr.decision(ask{at: noon, host: host, deny: "not_listed", unlisted: true})
		})
		_, lines, found := strings.Cut(r.as(t, "text"), "for each):\n")
		line, _, _ := strings.Cut(lines, "\n\n")
		var rules []map[string]string
		if err := yaml.Unmarshal([]byte(line), &rules); err != nil || !found {
			t.Fatalf("%s: %v", line, err)
		}
		if len(rules) != 1 || len(rules[0]) != 1 || rules[0]["url"] != "https://"+host {
			t.Errorf("got %v", rules)
		}
	}
}
