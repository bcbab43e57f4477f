package vendorpage

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sepproxy/sepproxy/catalog"
)

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func mustImport(t *testing.T, page []byte, known *catalog.Catalog) *Result {
	t.Helper()
	r, err := Import(page, known)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func asYAML(t *testing.T, c *catalog.Catalog) string {
	t.Helper()
	var b bytes.Buffer
	if err := catalog.Export(&b, c, "yaml", catalog.Options{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func known(t *testing.T) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Load("testdata/known.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestBuiltinIsWhatAnImportMakesOfThePage: the vendor's page is not part of the project; it is read where it lies
// beside the project's directory.
func TestBuiltinIsWhatAnImportMakesOfThePage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "vendor", "sep-ses-urls.es.txt"))
	if os.IsNotExist(err) {
		t.Skip("the vendor's page is not beside the project")
	}
	if err != nil {
		t.Fatal(err)
	}
	r := mustImport(t, page, catalog.Builtin())
	if !reflect.DeepEqual(r.Catalog, catalog.Builtin()) || r.Gone != nil || r.Leftovers != nil {
		t.Errorf("import makes\n%s\nand leaves %v, %v", asYAML(t, r.Catalog), r.Gone, r.Leftovers)
	}
	// Without anything known, the hosts, ports and rows are the same.
	fresh := mustImport(t, page, &catalog.Catalog{})
	if got, want := urls(fresh.Catalog), urls(catalog.Builtin()); !reflect.DeepEqual(got, want) || fresh.Leftovers != nil {
		t.Errorf("the page has\n%v\nwe have\n%v", got, want)
	}
}

// urls gives the URLs of each service, in order.
func urls(c *catalog.Catalog) (all [][]string) {
	for s := range c.Services() {
		var row []string
		for _, e := range s.Endpoints {
			row = append(row, e.URL())
		}
		all = append(all, row)
	}
	return all
}

// TestImportOfTheFixture holds the whole of a page, as text and as HTML, against what was known and what has become of it.
func TestImportOfTheFixture(t *testing.T) {
	for _, form := range []string{"txt", "html"} {
		r := mustImport(t, readFile(t, "testdata/page."+form), known(t))
		want := "testdata/imported." + form + ".yaml"
		if os.Getenv("UPDATE_FIXTURES") != "" {
			if err := os.WriteFile(want, []byte(asYAML(t, r.Catalog)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := asYAML(t, r.Catalog); got != string(readFile(t, want)) {
			t.Errorf("%s gives\n%s\nwant what is in %s", form, got, want)
		}
		if want := []string{"station.old"}; !reflect.DeepEqual(r.Gone, want) {
			t.Errorf("%s: gone are %v, want %v", form, r.Gone, want)
		}
		var left []string
		for _, l := range r.Leftovers {
			left = append(left, l.Text+": "+l.Why)
		}
		wantLeft := []string{
			"www.example.com/antes: a host without https:// or http://",
			"ftp://fix.example.org: neither https:// nor http://",
			"bare.example.org: a host without https:// or http://",
			"Vea https://help.example.org: text stands before the URL",
		}
		if !reflect.DeepEqual(left, wantLeft) {
			t.Errorf("%s leaves\n%s", form, strings.Join(left, "\n"))
		}
	}
}

func TestTextAndHTMLSayTheSame(t *testing.T) {
	text, html := mustImport(t, readFile(t, "testdata/page.txt"), known(t)), mustImport(t, readFile(t, "testdata/page.html"), known(t))
	if a, b := urls(text.Catalog), urls(html.Catalog); !reflect.DeepEqual(a, b) {
		t.Errorf("text has\n%v\nHTML has\n%v", a, b)
	}
}

// TestAnImportOfItsOwnResultChangesNothing: what was imported is what is known next time.
func TestAnImportOfItsOwnResultChangesNothing(t *testing.T) {
	page := readFile(t, "testdata/page.txt")
	first := mustImport(t, page, known(t))
	second := mustImport(t, page, first.Catalog)
	if len(second.Gone) > 0 || !reflect.DeepEqual(urls(first.Catalog), urls(second.Catalog)) {
		t.Errorf("first\n%s\nthen\n%s", asYAML(t, first.Catalog), asYAML(t, second.Catalog))
	}
	a, b := first.Catalog, second.Catalog
	for s := range a.Services() {
		if again := b.Service(s.ID); again == nil || again.Title != s.Title {
			t.Errorf("%s has become %+v", s.ID, again)
		}
	}
}

func TestImportDoesNotChangeWhatIsKnown(t *testing.T) {
	before, after := known(t), known(t)
	mustImport(t, readFile(t, "testdata/page.txt"), after)
	if !reflect.DeepEqual(before, after) {
		t.Errorf("it is now\n%s", asYAML(t, after))
	}
}

func TestImportOfNoPage(t *testing.T) {
	for _, page := range []string{"", "hello", "https://a.example.com", "Purpose\nURL\nPort\n", "<table><tr><td>https://a.example.com</td></tr></table>"} {
		if r, err := Import([]byte(page), catalog.Builtin()); err == nil || !strings.Contains(err.Error(), "no table") {
			t.Errorf("%q gives %v, %v", page, r, err)
		}
	}
}

// FuzzImport: whatever the page, what comes out can be read back, and each line with a URL is in the catalog or left over.
func FuzzImport(f *testing.F) {
	for _, path := range []string{"testdata/page.txt", "testdata/page.html"} {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("a\nURL\nb\nx\nhttps://a.example.com:1 (14.3)* http://b.example.com\n443, 8443\n"))
	f.Add([]byte("<table><tr><td>URL<tr><td>x<td>https://a.example.com<table><tr><td>http://b.example.com</table><td>80</table>"))
	f.Fuzz(func(t *testing.T, page []byte) {
		r, err := Import(page, catalog.Builtin())
		if err != nil {
			return
		}
		text := asYAML(t, r.Catalog)
		again, err := catalog.Parse("fuzz", []byte(text))
		if err != nil || !reflect.DeepEqual(again, r.Catalog) {
			t.Fatalf("%q: reading it back: %v\n%s", page, err, text)
		}
		lines, err := readLines(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if !accounted(l, r) {
				t.Errorf("line %d, %q, is lost", l.number, l.text)
			}
		}
	})
}

// accounted tells whether every URL of a line is in the catalog, or the line is left over.
func accounted(l line, r *Result) bool {
	for _, left := range r.Leftovers {
		if left.Line == l.number && left.Text == l.text {
			return true
		}
	}
	hosts := strings.Join(r.Catalog.HostNames(), " ")
	for _, after := range webScheme.Split(l.text, -1)[1:] {
		host := strings.ToLower(afterURL.Split(after, 2)[0])
		host = strings.TrimRight(strings.FieldsFunc(host+" ", func(r rune) bool { return strings.ContainsRune("/: "+marks, r) })[0], ".")
		if ascii := strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.*") == ""; ascii && !strings.Contains(hosts, host) {
			return false
		}
	}
	return true
}
