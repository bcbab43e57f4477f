package vendorpage

import (
	"strings"
	"testing"

	"github.com/sepproxy/sepproxy/catalog"
)

// rowsOf writes the rows of a page's tables: their title, "=" and the URLs; "/" between tables.
func rowsOf(t *testing.T, page string) string {
	t.Helper()
	r := mustImport(t, []byte(page), &catalog.Catalog{})
	var tables []string
	for _, g := range r.Catalog.Groups {
		var rows []string
		for _, s := range g.Services {
			row := s.Title.EN + "="
			for _, e := range s.Endpoints {
				row += " " + e.URL()
			}
			rows = append(rows, row)
		}
		tables = append(tables, g.Title.EN+": "+strings.Join(rows, "; "))
	}
	for _, l := range r.Leftovers {
		tables = append(tables, "left "+l.Text)
	}
	return strings.Join(tables, " / ")
}

func TestRowsOfText(t *testing.T) {
	const head = "Titel\nZweck\nURL\nPort\n"
	for in, want := range map[string]string{
		head + "eins\nhttps://a.example.com\n443\nzwei\nhttps://b.example.com\n443\n":             "Titel: eins= https://a.example.com; zwei= https://b.example.com",
		head + "eins\nhttps://a.example.com\nzwei\nhttps://b.example.com\n443\n":                  "Titel: eins= https://a.example.com; zwei= https://b.example.com",
		head + "eins\nhttps://a.example.com\nauch:\nhttp://b.example.com\n443\n":                  "Titel: eins= https://a.example.com http://b.example.com",
		head + "eins\nhttps://a.example.com\nまた：\nhttp://b.example.com\n443\n":                    "Titel: eins= https://a.example.com http://b.example.com",
		head + "eins\nhttps://a.example.com\n443\nhttps://b.example.com\n8443\n":                  "Titel: eins= https://a.example.com https://b.example.com:8443",
		head + "eins\nhttps://a.example.com\n443\n" + head + "zwei\nhttps://b.example.com\n443\n": "Titel: eins= https://a.example.com / Titel: zwei= https://b.example.com",
		"Titel\nZweck\tURL\tPort\neins\thttps://a.example.com\t443\n":                             "Titel: eins= https://a.example.com",
		head + "443\neins\nhttps://a.example.com\n443-445\n":                                      "Titel: eins= https://a.example.com / left 443 / left 443-445",
	} {
		if got := rowsOf(t, in); got != want {
			t.Errorf("%q gives\n%s\nwant\n%s", in, got, want)
		}
	}
}

func TestRowsOfHTML(t *testing.T) {
	const head = "<h2>Titel</h2><table><tr><th>Zweck</th><th>URL</th><th>Port</th></tr>"
	row := func(cells ...string) string { return "<tr><td>" + strings.Join(cells, "</td><td>") + "</td></tr>" }
	for in, want := range map[string]string{
		head + row("eins", "https://a.example.com", "443") + "</table>": "Titel: eins= https://a.example.com",
		// Text after URLs and a missing port end no row here.
		head + row("eins", "https://a.example.com<p>Hinweis</p>https://b.example.com", "") + row("zwei", "https://c.example.com", "443"): "Titel: eins= https://a.example.com https://b.example.com; zwei= https://c.example.com",
		// Tables inside of a cell, of one column or two.
		head + row("eins", "<table>"+row("https://a.example.com")+row("https://b.example.com")+"</table>", "8443"):                             "Titel: eins= https://a.example.com:8443 https://b.example.com:8443",
		head + row("eins", "<table>"+row("URL", "Port")+row("https://a.example.com", "443")+"</table>") + row("zwei", "https://b.example.com"): "Titel: eins= https://a.example.com; zwei= https://b.example.com",
		// A table for the layout around it.
		"<table><tr><td>Menü<td>" + head + row("eins", "https://a.example.com", "443") + "</table><p>https://out.example.com</table>": "Titel: eins= https://a.example.com / left https://out.example.com",
		// A cell over two rows, each with its ports.
		head + "<tr><td rowspan=2>eins<td>https://a.example.com<td>443<tr><td>https://b.example.com<td>8443</table>": "Titel: eins= https://a.example.com https://b.example.com:8443",
		// Without end tags, and the port first.
		"<html><h2>Titel<table><tr><th>Port<th>URL<th>Zweck<tr><td>8443<td>https://a.example.com<td>eins</table>": "Titel: eins= https://a.example.com:8443",
		// No tables at all.
		"<div>Titel</div><div>Zweck</div><div>URL</div><div>Port</div><div>eins</div><div>https://a.example.com</div><div>443</div>": "Titel: eins= https://a.example.com",
	} {
		if got := rowsOf(t, in); got != want {
			t.Errorf("%s gives\n%s\nwant\n%s", in, got, want)
		}
	}
}
