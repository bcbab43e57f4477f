package catalog

import (
	"fmt"
	"strings"
	"testing"
)

// changes writes what Diff gives, a line for each change.
func changes(a, b *Catalog) string {
	var all strings.Builder
	for _, c := range Diff(a, b) {
		fmt.Fprintln(&all, strings.Join(strings.Fields(fmt.Sprint(c.Kind, " ", c.Service, " ", c.URL, " ", c.Was, " ", c.Now, " ", c.Still)), " "))
	}
	return all.String()
}

func TestDiff(t *testing.T) {
	const head = "groups: [{id: g, title: {en: G}, services: ["
	a := mustParse(t, head+`
  {id: g.a, title: {en: A}, endpoints: [{url: "https://same.example.com"}, {url: "https://port.example.com"}, {url: "https://moved.example.com", versions: ">= 14.3"}]},
  {id: g.b, title: {en: B}, endpoints: [{url: "https://range.example.com", versions: "< 14.3"}, {url: "https://gone.example.com"}]},
  {id: g.c, title: {en: C}, endpoints: [{url: "https://same.example.com"}, {url: "http://x.example.com/a"}]}]}]`)
	b := mustParse(t, head+`
  {id: g.a, title: {en: Another title}, review: "", endpoints: [{url: "https://port.example.com:8443"}, {url: "https://same.example.com"}]},
  {id: g.b, title: {en: B}, endpoints: [{url: "https://moved.example.com"}, {url: "https://range.example.com"}, {url: "https://new.example.com"}]},
  {id: g.d, title: {en: D}, endpoints: [{url: "http://x.example.com/b"}]}]}]`)
	want := `port g.a https://port.example.com:8443 https://port.example.com []
moved g.b https://moved.example.com g.a []
versions g.b https://moved.example.com >= 14.3 all []
versions g.b https://range.example.com < 14.3 all []
added g.b https://new.example.com []
added g.d http://x.example.com/b []
removed g.b https://gone.example.com []
removed g.c https://same.example.com [g.a]
removed g.c http://x.example.com/a [g.d]
`
	if got := changes(a, b); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for _, c := range []*Catalog{a, b, Builtin()} {
		if got := changes(c, c); got != "" {
			t.Errorf("a catalog differs from itself:\n%s", got)
		}
	}
}

// TestDiffThereAndBack: what is added one way is removed the other way, and nothing changes unseen.
func TestDiffThereAndBack(t *testing.T) {
	a := Builtin()
	b, err := a.only("agent")
	if err != nil {
		t.Fatal(err)
	}
	forth, back := Diff(a, b), Diff(b, a)
	if len(forth) != len(back) || len(forth) == 0 {
		t.Fatalf("%d changes, back %d", len(forth), len(back))
	}
	for i := range forth {
		if forth[i].Kind != ChangeRemoved || back[i].Kind != ChangeAdded || forth[i].URL != back[i].URL {
			t.Errorf("%+v and back %+v", forth[i], back[i])
		}
	}
}

func TestCovers(t *testing.T) {
	e := mustParse(t, "groups: [{id: g, title: {en: G}, services: [{id: g.a, title: {en: A}, endpoints: [{url: 'http://*.example.com/x'}]}]}]").Groups[0].Services[0].Endpoints[0]
	if !e.Covers("http", "a.example.com", 80) {
		t.Error("it does not cover a name that it stands for")
	}
	if e.Covers("https", "a.example.com", 80) || e.Covers("http", "example.com", 80) || e.Covers("http", "a.example.com", 8080) {
		t.Error("it covers too much")
	}
}
