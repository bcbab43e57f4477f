package catalog

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func show(t testing.TB, c *Catalog, what string, o Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := Show(&out, c, what, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func list(t testing.TB, c *Catalog, o Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := List(&out, c, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestListNamesEverything(t *testing.T) {
	text := list(t, Builtin(), Options{Lang: "es"})
	for s := range Builtin().Services() {
		if !strings.Contains(text, s.ID+": "+s.Title.ES+"\n") {
			t.Errorf("%s is missing", s.ID)
		}
		for _, e := range s.Endpoints {
			if !strings.Contains(text, e.URL()) {
				t.Errorf("%s is missing", e.URL())
			}
		}
	}
	part := list(t, Builtin(), Options{Group: "icdm"})
	if !strings.Contains(part, "icdm.console") || strings.Contains(part, "sepm.") {
		t.Errorf("the list of one group is\n%s", part)
	}
}

func TestShowService(t *testing.T) {
	want := `sepm.liveupdate: LiveUpdate for the manager
  group: sepm: Manager on premises (SEPM)
  purpose: Brings the manager new engines and content.
  https://liveupdate.symantec.com
  https://liveupdate.symantecliveupdate.com
  http://liveupdate.symantec.com  (only SEP < 14.3 RU1)
    note: Only behind a proxy, and only while the manager keeps its default LiveUpdate servers.
  http://liveupdate.symantecliveupdate.com  (only SEP < 14.3 RU1)
    note: Only behind a proxy, and only while the manager keeps its default LiveUpdate servers.
`
	if got := show(t, Builtin(), "sepm.liveupdate", Options{}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	insight := show(t, Builtin(), "agent.insight", Options{Lang: "es"})
	for _, want := range []string{"anclado: ", "si se bloquea: ", "grupo: agent: Agentes"} {
		if !strings.Contains(insight, want) {
			t.Errorf("there is no %q in\n%s", want, insight)
		}
	}
}

func TestShowHost(t *testing.T) {
	got := show(t, Builtin(), "Storage.GoogleAPIs.com.", Options{})
	for _, want := range []string{"storage.googleapis.com\n", "  shared: ", "  note: ", "  agent-cloud.storage: ", "  icdm.liveshell: "} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}
	if got := show(t, Builtin(), "storage.googleapis.com", Options{Group: "icdm"}); strings.Contains(got, "agent-cloud") {
		t.Errorf("limited to icdm, other groups stand there:\n%s", got)
	}
}

func TestShowTellsOfTheEntryOfAWildcard(t *testing.T) {
	c := mustParse(t, strings.NewReplacer("https://one.example.com", "https://*.cloud.example", "name: ONE.example.com", "name: '*.cloud.example'").Replace(good))
	if got := show(t, c, "a.cloud.example", Options{}); !strings.Contains(got, "https://*.cloud.example") || !strings.Contains(got, "shared: everybody") {
		t.Errorf("got\n%s", got)
	}
}

func TestShowSuggestsWhatIsNear(t *testing.T) {
	for what, want := range map[string]string{
		"Insight":     `the catalog has no service or host "Insight"; did you mean agent.insight?`,
		"telemetry":   "did you mean telemetry.broadcom.com, agent.telemetry, sepm.telemetry?",
		"":            `the catalog has no service or host ""; "catalog list" shows what there is`,
		"zzz.example": `"catalog list" shows`,
		"\x1b[2J":     `no service or host "\x1b[2J"`,
		"*.com":       `no service or host "*.com"`,
	} {
		err := Show(&bytes.Buffer{}, Builtin(), what, Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", what, err, want)
		}
	}
	if err := Show(&bytes.Buffer{}, Builtin(), "agent.insight", Options{Group: "nobody"}); err == nil {
		t.Error("an unknown group is taken")
	}
}

func TestTerminalsGetNothingToObey(t *testing.T) {
	evil := "a\x1b[2Jb\r\nc\u202ed\u0085\x9b\xff\u2028"
	text := Text{EN: evil}
	c := &Catalog{Edition: evil, Source: text, Hosts: []Host{{Name: "x.example", Shared: text, Note: text}},
		Groups: []Group{{ID: "g", Title: text, Services: []Service{{ID: "g.s", Group: "g", Title: text, Purpose: text, Breaks: text,
			Endpoints: []Endpoint{{Scheme: "https", Host: "x.example", Port: 443, Path: "/" + evil, Note: text}}}}}}}
	all := list(t, c, Options{}) + show(t, c, "g.s", Options{}) + show(t, c, "x.example", Options{})
	if strings.ContainsAny(all, "\x1b\r\u202e\u0085\u2028") || strings.ContainsAny(all, "\x9b\xff") {
		t.Errorf("control characters pass: %q", all)
	}
	if !strings.Contains(all, `a\x1b[2Jb\r\nc\u202ed\u0085\x9b\xff\u2028`) {
		t.Errorf("they are not told as what they are: %q", all)
	}
}

func TestPrintableLeavesTextAlone(t *testing.T) {
	for _, s := range []string{"", "plain", `it's "so" \n`, "Reputación — ñ\u00a0漢字 \uFFFD"} {
		if got := printable(s); got != s {
			t.Errorf("%q becomes %q", s, got)
		}
	}
}

func TestListErrors(t *testing.T) {
	if err := List(brokenPipe{}, Builtin(), Options{}); !errors.Is(err, errBroken) {
		t.Errorf("to a broken pipe: %v", err)
	}
	if err := List(&bytes.Buffer{}, Builtin(), Options{Group: "nobody"}); err == nil {
		t.Error("an unknown group is taken")
	}
}
