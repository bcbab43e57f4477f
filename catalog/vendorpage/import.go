// Package vendorpage reads the vendor's page "URLs that allow SEP and SES to connect to Symantec servers", saved as
// HTML or as text in any of its languages, and makes a catalog of it. The structure carries it (tables, URLs, ports,
// marks), not the words: what only words tell, such as whether a release is the first or the last that needs a host,
// comes from the known catalog or is left for a person to review.
package vendorpage

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sepproxy/sepproxy/catalog"
)

// A Result is what an import made of a page.
type Result struct {
	Catalog   *catalog.Catalog // never nil; what needs a person has a Review
	Gone      []string         // IDs of services of the known catalog that the page has no longer
	Leftovers []Leftover       // lines that look like URLs or ports and are not in the catalog, in their order
}

// Import makes a catalog of page, which is HTML or text. What known, which is not changed, has already keeps its ID,
// texts and attributes: tables and rows are recognised by their hosts, or by the neighbours they stand between. The
// rest gets an ID from where it stands ("table-6", "agent.row-10"), the page's own text and a Review. Edition and
// Source are those of known. An error says that there is no table to read.
func Import(page []byte, known *catalog.Catalog) (*Result, error) {
	lines, err := readLines(page)
	if err != nil {
		return nil, err
	}
	s := scanTables(lines)
	b := builder{known: known, footnote: s.footnote, catalog: &catalog.Catalog{Edition: known.Edition, Source: known.Source}}
	b.tables(s.tables)
	if len(b.catalog.Groups) == 0 {
		return nil, errors.New("there is no table with a column \"URL\" and URLs in it: save the vendor's page as HTML, or copy its text, headings included")
	}
	b.hosts()
	return &Result{b.catalog, b.gone(), s.leftovers}, nil
}

// A builder makes a catalog of tables.
type builder struct {
	known    *catalog.Catalog
	footnote string
	catalog  *catalog.Catalog
	marked   []string // hosts with a mark, of which known has no note
}

func (b *builder) tables(tables []table) {
	tables = slices.DeleteFunc(tables, func(t table) bool { return t.rows == nil })
	matched := match(len(tables), len(b.known.Groups), func(i, j int) float64 {
		return alike(tables[i].hosts(), groupHosts(&b.known.Groups[j]))
	})
	for i, t := range tables {
		g := catalog.Group{Title: catalog.Text{EN: cmp.Or(t.title, fmt.Sprintf("Table %d", i+1))}}
		var known []catalog.Service
		if m := matched[i]; m.to >= 0 {
			g = b.known.Groups[m.to]
			known = g.Services
		} else {
			g.ID = b.free(fmt.Sprintf("table-%d", i+1))
		}
		g.Services = b.rows(g.ID, t.rows, known)
		b.catalog.Groups = append(b.catalog.Groups, g)
	}
}

func (b *builder) rows(group string, rows []entry, known []catalog.Service) []catalog.Service {
	matched := match(len(rows), len(known), func(i, j int) float64 {
		return alike(rows[i].hosts(), serviceHosts(&known[j]))
	})
	var services []catalog.Service
	for i, row := range rows {
		s := catalog.Service{Group: group}
		if m := matched[i]; m.to >= 0 {
			s = known[m.to]
			if m.byPlace {
				s.Review = fmt.Sprintf("none of its hosts is known; taken for %s because of where it stands, line %d", s.ID, row.line)
			}
		} else {
			s.ID = b.free(fmt.Sprintf("%s.row-%d", group, i+1))
			s.Title.EN, s.Purpose.EN = row.describe(i + 1)
			s.Review = fmt.Sprintf("new, line %d; title and purpose are the page's own", row.line)
		}
		s.Endpoints = b.endpoints(row.links, s.Endpoints)
		services = append(services, s)
	}
	return services
}

func (e *entry) describe(row int) (title, purpose string) {
	if len(e.text) == 0 {
		return fmt.Sprintf("Row %d", row), ""
	}
	return e.text[0], strings.Join(e.text[1:], " ")
}

// free gives an ID that the known catalog does not have; earlier imports may have given the one wanted.
func (b *builder) free(id string) string {
	taken := func(id string) bool {
		return b.known.Service(id) != nil || slices.ContainsFunc(b.known.Groups, func(g catalog.Group) bool { return g.ID == id })
	}
	wanted := id
	for n := 2; taken(id); n++ {
		id = fmt.Sprintf("%s-%d", wanted, n)
	}
	return id
}

func (b *builder) endpoints(links []link, known []catalog.Endpoint) []catalog.Endpoint {
	var all []catalog.Endpoint
	for _, l := range links {
		for _, e := range l.endpoints() {
			if find(all, e) == nil {
				all = append(all, b.endpoint(l, e, known))
			}
		}
		if info, _ := b.known.HostInfo(l.endpoint.Host); l.marked && info.Note == (catalog.Text{}) {
			b.marked = append(b.marked, l.endpoint.Host)
		}
	}
	return all
}

// endpoint gives e with what the known ones of its service, nil for a new service, say of it, as far as the page
// still says that. A release that is not the known one leaves the range open: too much passes then, and the Review says so.
func (b *builder) endpoint(l link, e catalog.Endpoint, service []catalog.Endpoint) catalog.Endpoint {
	var review []string
	known := find(service, e)
	switch {
	case known == nil && service != nil:
		review = append(review, fmt.Sprintf("new, line %d", l.line))
	case known != nil && known.Review != "":
		review = append(review, known.Review)
	}
	if known == nil {
		known = &catalog.Endpoint{}
	}
	e.Note = known.Note
	switch {
	case slices.Equal(l.versions, releasesIn(known.Versions.String())):
		e.Versions = known.Versions
	case l.versions == nil:
		review = append(review, "the page names no release any more, it was "+known.Versions.String())
	default:
		review = append(review, fmt.Sprintf("the page names %v, set versions", l.versions))
	}
	if l.note != "" && (l.versions == nil || e.Versions == catalog.Versions{}) && e.Note == (catalog.Text{}) {
		review = append(review, fmt.Sprintf("the page adds %q", l.note))
	}
	if info, _ := b.known.HostInfo(e.Host); l.marked && info.Note == (catalog.Text{}) {
		review = append(review, "it has the mark of a footnote")
	}
	e.Review = strings.Join(slices.Compact(review), "; ")
	return e
}

// find gives the endpoint of list with scheme, host, port and path of e, or nil.
func find(list []catalog.Endpoint, e catalog.Endpoint) *catalog.Endpoint {
	i := slices.IndexFunc(list, func(k catalog.Endpoint) bool { return k.URL() == e.URL() })
	if i < 0 {
		return nil
	}
	return &list[i]
}

// hosts keeps what is known of hosts, and gives those with a mark the text of the footnote.
func (b *builder) hosts() {
	names := b.catalog.HostNames()
	for _, h := range b.known.Hosts {
		if !slices.Contains(names, h.Name) {
			continue
		}
		if slices.Contains(b.marked, h.Name) {
			h.Note.EN = b.footnote
		}
		b.catalog.Hosts = append(b.catalog.Hosts, h)
	}
	slices.Sort(b.marked)
	for _, name := range slices.Compact(b.marked) {
		if _, known := b.catalog.HostInfo(name); !known && b.footnote != "" {
			b.catalog.Hosts = append(b.catalog.Hosts, catalog.Host{Name: name, Note: catalog.Text{EN: b.footnote}})
		}
	}
}

func (b *builder) gone() []string {
	var ids []string
	for s := range b.known.Services() {
		if b.catalog.Service(s.ID) == nil {
			ids = append(ids, s.ID)
		}
	}
	return ids
}
