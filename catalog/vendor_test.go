package catalog

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// vendorPage is the page as published. It is not part of the project; where it lies beside the
// project's directory, the built-in catalog is held against it.
func vendorPage(t *testing.T) string {
	t.Helper()
	path := filepath.Join("..", "..", "shared", "vendor", "sep-ses-urls.es.txt")
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skip("the vendor's page is not beside the project")
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A vendorRow is one row of a table: what it says, and its URLs with port, versions and star.
type vendorRow struct {
	text      string
	endpoints []string
}

func describeEndpoint(url string, port uint16, versions string, starred bool) string {
	return fmt.Sprintf("%s port %d versions %q starred %v", url, port, versions, starred)
}

var (
	vendorURL = regexp.MustCompile(`^(\* )?(https?://[^ ]+?)/?( \(.*\))?$`)
	// How the page writes versions: beside a URL, or in the text of the row for all that follow.
	vendorVersions = []struct {
		pattern *regexp.Regexp
		bound   string
	}{
		{regexp.MustCompile(`\((14\.\d[^()]*) y versiones anteriores\)`), "<= "},
		{regexp.MustCompile(`a partir de la versión (14\.\d[^()]*)\)`), ">= "},
		{regexp.MustCompile(`Para la versión (14\.\d.*) o posteriores`), ">= "},
		{regexp.MustCompile(`ya no se requiere en (14\.\d[^()]*)\)`), "< "},
	}
)

func versionsIn(line string) string {
	for _, v := range vendorVersions {
		if m := v.pattern.FindStringSubmatch(line); m != nil {
			return v.bound + m[1]
		}
	}
	return ""
}

// readTables gives the rows of each table. A row is text, then URLs, then a port line; one row has
// no port line and ends where new text begins, and text that ends in a colon goes on with URLs.
func readTables(page string) (tables [][]vendorRow) {
	var row vendorRow
	versions := ""
	end := func() {
		if row.endpoints != nil {
			last := len(tables) - 1
			tables[last] = append(tables[last], row)
		}
		row, versions = vendorRow{}, ""
	}
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		url := vendorURL.FindStringSubmatch(line)
		switch {
		case line == "Port (Puerto)":
			end()
			tables = append(tables, nil)
		case line == "443":
			end()
		case url != nil:
			port := uint16(443)
			if strings.HasPrefix(url[2], "http://") {
				port = 80
			}
			v := versionsIn(url[3])
			if v == "" {
				v = versions
			}
			row.endpoints = append(row.endpoints, describeEndpoint(url[2], port, v, url[1] != ""))
		default:
			if row.endpoints != nil && !strings.HasSuffix(line, ":") {
				end()
			}
			row.text += line + "\n"
			if v := versionsIn(line); v != "" {
				versions = v
			}
		}
	}
	return tables
}

func TestBuiltinIsTheVendorsPage(t *testing.T) {
	tables := readTables(vendorPage(t))
	c := Builtin()
	if len(tables) != len(c.Groups) {
		t.Fatalf("%d tables, %d groups", len(tables), len(c.Groups))
	}
	for i, rows := range tables {
		g := c.Groups[i]
		if len(rows) != len(g.Services) {
			t.Errorf("%s: %d rows, %d services", g.ID, len(rows), len(g.Services))
			continue
		}
		for j, row := range rows {
			compareRow(t, c, row, g.Services[j])
		}
	}
}

func compareRow(t *testing.T, c *Catalog, row vendorRow, s Service) {
	var ours []string
	for _, e := range s.Endpoints {
		info, _ := c.HostInfo(e.Host)
		ours = append(ours, describeEndpoint(e.URL(), e.Port, e.Versions.String(), info.Note != Text{}))
	}
	if !slices.Equal(row.endpoints, ours) {
		t.Errorf("%s: the page has\n%s\nwe have\n%s", s.ID, strings.Join(row.endpoints, "\n"), strings.Join(ours, "\n"))
	}
	if strings.Contains(row.text, "bloqueada") && s.Breaks == (Text{}) {
		t.Errorf("%s: the page says what breaks, we do not", s.ID)
	}
}

func TestBuiltinListsEveryURLOfThePage(t *testing.T) {
	// Without any idea of tables: a row that readTables lost would be missed by it alone.
	inPage := regexp.MustCompile(`https?://[^\s]+`).FindAllString(vendorPage(t), -1)
	for i, url := range inPage {
		inPage[i] = strings.TrimSuffix(url, "/")
	}
	var ours []string
	for s := range Builtin().Services() {
		for _, e := range s.Endpoints {
			ours = append(ours, e.URL())
		}
	}
	if !slices.Equal(inPage, ours) {
		t.Errorf("the page has %d URLs, we have %d:\n%v\n%v", len(inPage), len(ours), inPage, ours)
	}
}

// words gives the words of s in lower case, without punctuation.
func words(s string) []string {
	return regexp.MustCompile(`[\p{L}\p{N}]+`).FindAllString(strings.ToLower(s), -1)
}

func TestBuiltinIsWrittenInOurOwnWords(t *testing.T) {
	const most = 8
	page := " " + strings.Join(words(vendorPage(t)), " ") + " "
	if !strings.Contains(page, " se utiliza para la carga segura de archivos ") {
		t.Fatal("the page's sentences are not found in it")
	}
	own := func(where string, text Text) {
		for _, s := range []string{text.EN, text.ES} {
			w := words(s)
			for i := 0; i+most <= len(w); i++ {
				if run := strings.Join(w[i:i+most], " "); strings.Contains(page, " "+run+" ") {
					t.Errorf("%s: %q stands on the page", where, run)
				}
			}
		}
	}
	c := Builtin() // Source is left out: it is the title of the page, by which people find it
	for _, g := range c.Groups {
		own(g.ID, g.Title)
		own(g.ID, g.Purpose)
	}
	for s := range c.Services() {
		own(s.ID, s.Title)
		own(s.ID, s.Purpose)
		own(s.ID, s.Breaks)
		for _, e := range s.Endpoints {
			own(s.ID, e.Note)
		}
	}
	for _, h := range c.Hosts {
		own(h.Name, h.Shared)
		own(h.Name, h.Note)
	}
}
