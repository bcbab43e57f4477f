package catalog

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sepproxy/sepproxy/internal/strictyaml"
)

func mustParse(t testing.TB, data string) *Catalog {
	t.Helper()
	c, err := Parse("test.yaml", []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// good is a small catalog; the tests below break it in one place each.
const good = `edition: mine
groups:
  - id: a
    title: {en: A}
    services:
      - id: a.one
        title: {en: One}
        endpoints:
          - url: https://one.example.com
          - {url: "http://One.example.com./x/", versions: "< 14.3 RU1", note: {es: nota}}
hosts:
  - name: ONE.example.com
    shared: {en: everybody}
`

func TestParseReadsACatalog(t *testing.T) {
	want := &Catalog{
		Edition: "mine",
		Groups: []Group{{ID: "a", Title: Text{EN: "A"}, Services: []Service{{
			ID: "a.one", Group: "a", Title: Text{EN: "One"}, Endpoints: []Endpoint{
				{Scheme: "https", Host: "one.example.com", Port: 443},
				{Scheme: "http", Host: "one.example.com", Port: 80, Path: "/x", Note: Text{ES: "nota"},
					Versions: Versions{high: version(t, "14.3 RU1"), before: true}},
			},
		}}}},
		Hosts: []Host{{Name: "one.example.com", Shared: Text{EN: "everybody"}}},
	}
	if got := mustParse(t, good); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestParseSaysWhereAndWhatIsWrong(t *testing.T) {
	for _, tc := range []struct{ name, old, new, want string }{
		{"unknown key", "edition:", "editoin:", `f:1:1: unknown key "editoin"`},
		{"unknown key in a service", "endpoints:", "endpoint:", `f:8:9: unknown key "endpoint" in groups[0].services[0]`},
		{"no endpoints", good[strings.Index(good, "endpoints:"):strings.Index(good, "hosts:")], "endpoints: []\n", `f:8:20: there are no endpoints: give at least one`},
		{"no services", good[strings.Index(good, "    services:"):], "", `f:3:5: there are no services: give at least one`},
		{"group id", "- id: a\n", "- id: A\n", `f:3:9: invalid id "A": want lower-case`},
		{"service id of another group", "id: a.one", "id: b.one", `f:6:13: invalid id "b.one": want a.NAME`},
		{"service id is the group's", "id: a.one", "id: a", `f:6:13: invalid id "a": want a.NAME`},
		{"service id with more", "id: a.one", "id: a.one.two", `f:6:13: invalid id "a.one.two": want a.NAME`},
		{"missing title", "{en: One}", "{es: Uno}", `f:7:16: the English title (title: {en: ...}) is missing`},
		{"no title at all", "        title: {en: One}\n", "", `f:6:9: the English title`},
		{"bad URL", "https://one.example.com", "https://10.0.0.1", `f:9:18: invalid URL "https://10.0.0.1": an IP address`},
		{"unknown scheme", "https://one.example.com", "ftp://one.example.com", `f:9:18: invalid URL "ftp://one.example.com": it has to begin with`},
		{"missing URL", "url: https://one.example.com", "note: {en: x}", `f:9:13: invalid URL ""`},
		{"bad range", "< 14.3 RU1", "before RU1", `invalid range of SEP versions "before RU1"`},
		{"range as a number", `"< 14.3 RU1"`, "14.3", `f:10:59: invalid range of SEP versions "14.3"`},
		{"endpoint twice", "http://One.example.com./x/", "https://ONE.example.com:443/", `f:10:19: "https://one.example.com" stands here a second time, first on line 9`},
		{"host of no endpoint", "name: ONE", "name: two", `f:12:11: two.example.com is the host of no endpoint`},
		{"host says nothing", "    shared: {en: everybody}\n", "", `f:12:5: the entry says nothing`},
		{"host twice", "hosts:\n", "hosts:\n  - {name: one.example.com, note: {en: x}}\n", `f:13:11: "one.example.com" stands here a second time, first on line 12`},
		{"bad host", "name: ONE", "name: -", `f:12:11: invalid host name "-.example.com"`},
		{"escape in a title", "{en: A}", `{en: "\e[2J"}`, `f:4:17: the character U+001B cannot be seen`},
		{"reordering in a title", "{en: A}", `{en: "\u202Ea"}`, `f:4:17: the character U+202E cannot be seen`},
		{"text of several lines", "{en: A}", "\n      en: |\n        a\n        b", `the character U+000A cannot be seen`},
		{"title as a word", "{en: A}", "A", `f:4:12: want keys with values here`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if strings.Count(good, tc.old) < 1 {
				t.Fatalf("the good catalog has no %q", tc.old)
			}
			c, err := Parse("f", []byte(strings.Replace(good, tc.old, tc.new, 1)))
			if err == nil || c != nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, %v\nwant %s", c, err, tc.want)
			}
		})
	}
}

func TestParseRefusesIdsGivenTwice(t *testing.T) {
	service := func(id string) string {
		return "{id: " + id + ", title: {en: T}, endpoints: [{url: 'https://x.example'}]}"
	}
	_, err := Parse("f", []byte("groups:\n- {id: a, title: {en: A}, services: ["+service("a.x")+",\n "+service("a.x")+"]}\n"+
		"- {id: a, title: {en: A}, services: ["+service("a.y")+"]}\n"))
	var mistakes strictyaml.Mistakes
	if !errors.As(err, &mistakes) || len(mistakes) != 2 || mistakes[0].Line != 3 || mistakes[1].Line != 4 {
		t.Errorf("got %v, want two mistakes, on lines 3 and 4", err)
	}
}

func TestParseRefusesEmptyCatalogs(t *testing.T) {
	for in, want := range map[string]string{
		"":                "f: the file is empty",
		"# nothing\n":     "f: the file is empty",
		"edition: x\n":    "f:1:1: there are no groups",
		"groups: []\n":    "f:1:9: there are no groups",
		"groups:\n":       "there are no groups",
		"groups: [{}]\n":  "there are no services",
		"groups: [a\n":    "not valid YAML",
		"[]\n":            "f:1:1: want keys",
		"a: b\n---\nc: d": "a second document",
	} {
		if c, err := Parse("f", []byte(in)); err == nil || c != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

func TestParseFindsEveryMistakeAtOnce(t *testing.T) {
	in := strings.NewReplacer("{en: A}", "{es: A}", "https://one", "https://-", "name: ONE", "name: two", "edition", "editon").Replace(good)
	_, err := Parse("f", []byte(in))
	var mistakes strictyaml.Mistakes
	if !errors.As(err, &mistakes) || len(mistakes) != 4 {
		t.Errorf("got %d mistakes, want 4:\n%v", len(mistakes), err)
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.yaml")
	if _, err := Load(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an absent file: %v", err)
	}
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := Load(path); err != nil || c.Edition != "mine" {
		t.Errorf("got %+v, %v", c, err)
	}
	if err := os.WriteFile(path, []byte("x: y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.HasPrefix(err.Error(), path+":1:1: ") {
		t.Errorf("a bad file: %v, want it to begin with the path", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("groups: [{id: a, title: {en: ' =1+1\u00a0'}, services: [{id: a.b, title: {en: 'null'}, endpoints: [{url: 'https://*.x.y:1/z'}]}]}]"))
	f.Add([]byte("edition: 2020-11-01\ngroups: [{}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("a mistake without its file: %v", err)
			}
			return
		}
		var out bytes.Buffer
		if err := Export(&out, c, "yaml", Options{}); err != nil {
			t.Fatal(err)
		}
		back, err := Parse("f", out.Bytes())
		if err != nil || !reflect.DeepEqual(back, c) {
			t.Fatalf("exported it is %+v, %v\nwant %+v\n%s", back, err, c, &out)
		}
	})
}
