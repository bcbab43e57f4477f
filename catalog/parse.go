package catalog

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/sepproxy/sepproxy/internal/strictyaml"
)

// id is what the name of a group, and that of a service after its group's, looks like.
var id = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)

// A parser turns the decoded file into a Catalog. What is wrong goes to doc, with its place; what
// it returns is good only if nothing did.
type parser struct {
	doc    *strictyaml.Document
	ids    map[string]int  // of groups and services: the line where it stood first
	hosts  map[string]int  // of the entries under hosts: the same
	listed map[string]bool // the hosts of all endpoints
}

func (p *parser) catalog(in fileCatalog) *Catalog {
	p.visible("edition", in.Edition)
	p.text("source", in.Source)
	p.atLeastOne("", "groups", len(in.Groups))
	c := &Catalog{Edition: in.Edition, Source: in.Source}
	for i, g := range in.Groups {
		c.Groups = append(c.Groups, p.group(fmt.Sprintf("groups[%d]", i), g))
	}
	for i, h := range in.Hosts {
		c.Hosts = append(c.Hosts, p.host(fmt.Sprintf("hosts[%d]", i), h))
	}
	return c
}

func (p *parser) group(at string, in fileGroup) Group {
	p.once(p.ids, at+".id", in.ID)
	if !id.MatchString(in.ID) {
		p.doc.Errorf(at+".id", "invalid id %s: want lower-case letters, digits and hyphens", quote(in.ID))
	}
	p.title(at, in.Title)
	p.text(at+".purpose", in.Purpose)
	p.atLeastOne(at, "services", len(in.Services))
	g := Group{ID: in.ID, Title: in.Title, Purpose: in.Purpose}
	for i, s := range in.Services {
		g.Services = append(g.Services, p.service(fmt.Sprintf("%s.services[%d]", at, i), in.ID, s))
	}
	return g
}

func (p *parser) service(at, group string, in fileService) Service {
	p.once(p.ids, at+".id", in.ID)
	if name, ok := strings.CutPrefix(in.ID, group+"."); !ok || !id.MatchString(name) {
		p.doc.Errorf(at+".id", "invalid id %s: want %s.NAME, the name in lower-case letters, digits and hyphens",
			quote(in.ID), printable(group))
	}
	p.title(at, in.Title)
	p.text(at+".purpose", in.Purpose)
	p.text(at+".breaks", in.Breaks)
	p.visible(at+".review", in.Review)
	p.atLeastOne(at, "endpoints", len(in.Endpoints))
	s := Service{ID: in.ID, Group: group, Title: in.Title, Purpose: in.Purpose, Breaks: in.Breaks, Pinned: in.Pinned, Review: in.Review}
	urls := map[string]int{}
	for i, e := range in.Endpoints {
		s.Endpoints = append(s.Endpoints, p.endpoint(fmt.Sprintf("%s.endpoints[%d]", at, i), e, urls))
	}
	return s
}

func (p *parser) endpoint(at string, in fileEndpoint, urls map[string]int) Endpoint {
	p.text(at+".note", in.Note)
	p.visible(at+".review", in.Review)
	e, err := ParseURL(in.URL)
	if err != nil {
		p.doc.Errorf(at+".url", "%v", err)
		return e
	}
	p.once(urls, at+".url", e.URL())
	p.listed[e.Host] = true
	e.Versions, e.Note, e.Review = in.Versions, in.Note, in.Review
	return e
}

func (p *parser) host(at string, in fileHost) Host {
	p.text(at+".shared", in.Shared)
	p.text(at+".note", in.Note)
	if in.Shared == (Text{}) && in.Note == (Text{}) {
		p.doc.Errorf(at, "the entry says nothing: give shared or note, or leave it out")
	}
	name, err := ParsePattern(in.Name)
	switch {
	case err != nil:
		p.doc.Errorf(at+".name", "%v", err)
	case !p.listed[name]:
		p.doc.Errorf(at+".name", "%s is the host of no endpoint", name)
	default:
		p.once(p.hosts, at+".name", name)
	}
	return Host{Name: name, Shared: in.Shared, Note: in.Note}
}

// once records name, which stands at path, and refuses it the second time.
func (p *parser) once(seen map[string]int, path, name string) {
	line, _ := p.doc.Position(path)
	if first, again := seen[name]; again {
		p.doc.Errorf(path, "%s stands here a second time, first on line %d", quote(name), first)
		return
	}
	seen[name] = line
}

func (p *parser) atLeastOne(at, key string, n int) {
	if n > 0 {
		return
	}
	path := strings.TrimPrefix(at+"."+key, ".")
	p.doc.Errorf(path, "there are no %s: give at least one", key)
}

func (p *parser) title(at string, t Text) {
	if t.EN == "" {
		p.doc.Errorf(at+".title.en", "the English title (title: {en: ...}) is missing")
	}
	p.text(at+".title", t)
}

func (p *parser) text(path string, t Text) {
	p.visible(path+".en", t.EN)
	p.visible(path+".es", t.ES)
}

// visible refuses what a reader would not see, line breaks among it: terminals, spreadsheets and
// logs act on such characters.
func (p *parser) visible(path, s string) {
	for _, r := range s {
		if !unicode.IsGraphic(r) {
			p.doc.Errorf(path, "the character %U cannot be seen: write visible text on one line (or fold it with >-)", r)
			return
		}
	}
}
