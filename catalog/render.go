package catalog

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What List and Show say themselves.
var (
	wordEdition  = Text{"edition", "edición"}
	wordGroup    = Text{"group", "grupo"}
	wordPurpose  = Text{"purpose", "para qué"}
	wordBreaks   = Text{"if blocked", "si se bloquea"}
	wordPinned   = Text{"pinned", "anclado"}
	wordShared   = Text{"shared", "compartido"}
	wordNote     = Text{"note", "nota"}
	wordReview   = Text{"to review", "por revisar"}
	wordVersions = Text{"only SEP", "solo SEP"}
	pinnedMeans  = Text{
		"the certificates are pinned: TLS must reach the server untouched",
		"certificados anclados: TLS debe llegar intacto al servidor",
	}
)

// List writes groups, services and endpoints as text for a terminal.
func List(w io.Writer, c *Catalog, o Options) error {
	c, err := c.only(o.Group)
	if err != nil {
		return err
	}
	p := page{lang: o.Lang}
	if c.Source != (Text{}) {
		p.line(0, c.Source.In(o.Lang))
	}
	if c.Edition != "" {
		p.line(0, wordEdition.In(o.Lang)+" "+c.Edition)
	}
	for _, g := range c.Groups {
		p.line(0, "")
		p.line(0, g.ID+": "+g.Title.In(o.Lang))
		for _, s := range g.Services {
			p.line(1, s.ID+": "+s.Title.In(o.Lang))
			p.field(2, wordReview, s.Review)
			for _, e := range s.Endpoints {
				p.endpoint(2, e)
			}
		}
	}
	return p.writeTo(w)
}

// Show writes all that is known of one service or one host as text for a terminal. what is a
// service's ID or a host name; an error for an unknown one suggests names that are near.
func Show(w io.Writer, c *Catalog, what string, o Options) error {
	c, err := c.only(o.Group)
	if err != nil {
		return err
	}
	p := page{lang: o.Lang}
	if s := c.Service(what); s != nil {
		p.service(c, s)
		return p.writeTo(w)
	}
	name, err := ParsePattern(what)
	uses := c.Find(name)
	if err != nil || len(uses) == 0 {
		return fmt.Errorf("the catalog has no service or host %s%s", quote(what), c.near(what))
	}
	p.host(c, name, uses)
	return p.writeTo(w)
}

// near suggests what someone who wrote what may have meant.
func (c *Catalog) near(what string) string {
	names := c.HostNames()
	for s := range c.Services() {
		names = append(names, s.ID)
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return what == "" || !strings.Contains(name, strings.ToLower(what))
	})
	if len(names) == 0 {
		return `; "catalog list" shows what there is`
	}
	return "; did you mean " + printable(strings.Join(names[:min(len(names), 5)], ", ")) + "?"
}

// A page gathers lines of text. Whatever it is given, what it writes has no control characters:
// the catalog may come from somebody else's file.
type page struct {
	lang string
	text strings.Builder
}

func (p *page) service(c *Catalog, s *Service) {
	p.line(0, s.ID+": "+s.Title.In(p.lang))
	if i := slices.IndexFunc(c.Groups, func(g Group) bool { return g.ID == s.Group }); i >= 0 {
		p.field(1, wordGroup, s.Group+": "+c.Groups[i].Title.In(p.lang))
	}
	p.field(1, wordPurpose, s.Purpose.In(p.lang))
	p.field(1, wordBreaks, s.Breaks.In(p.lang))
	p.field(1, wordReview, s.Review)
	if s.Pinned {
		p.field(1, wordPinned, pinnedMeans.In(p.lang))
	}
	for _, e := range s.Endpoints {
		p.endpoint(1, e)
		p.hostInfo(2, c, e.Host)
	}
}

func (p *page) host(c *Catalog, name string, uses []Use) {
	p.line(0, name)
	p.hostInfo(1, c, name)
	for _, use := range uses {
		p.line(1, use.Service.ID+": "+use.Service.Title.In(p.lang))
		for _, e := range use.Endpoints {
			p.endpoint(2, e)
			if e.Host != name { // a wildcard, which has an entry of its own
				p.hostInfo(3, c, e.Host)
			}
		}
	}
}

func (p *page) hostInfo(depth int, c *Catalog, name string) {
	info, _ := c.HostInfo(name)
	p.field(depth, wordShared, info.Shared.In(p.lang))
	p.field(depth, wordNote, info.Note.In(p.lang))
}

func (p *page) endpoint(depth int, e Endpoint) {
	line := e.URL()
	if e.Versions != (Versions{}) {
		line += "  (" + wordVersions.In(p.lang) + " " + e.Versions.String() + ")"
	}
	p.line(depth, line)
	p.field(depth+1, wordNote, e.Note.In(p.lang))
	p.field(depth+1, wordReview, e.Review)
}

// field writes a named value, and nothing where there is none.
func (p *page) field(depth int, name Text, value string) {
	if value != "" {
		p.line(depth, name.In(p.lang)+": "+value)
	}
}

func (p *page) line(depth int, s string) {
	p.text.WriteString(strings.Repeat("  ", depth) + printable(s) + "\n")
}

func (p *page) writeTo(w io.Writer) error {
	_, err := io.WriteString(w, p.text.String())
	return err
}

// printable escapes what is not visible, as Go strings do.
func printable(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsGraphic(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}
