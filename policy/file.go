package policy

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/sepproxy/sepproxy/catalog"
	"github.com/sepproxy/sepproxy/internal/strictyaml"
)

// file is policy.yaml. Where a key that is left out means all and [] means none, the field is a
// pointer; a key without a value is refused there, it could mean either.
type file struct {
	Mode        string          `yaml:"mode"`
	Catalog     strictyaml.List `yaml:"catalog"`
	Groups      *[]string       `yaml:"groups"`
	SEPVersions []string        `yaml:"sep_versions"`
	OnRevoke    string          `yaml:"on_revoke"`
	Clients     *[]who          `yaml:"clients"`
	Allow       []allowRule     `yaml:"allow"`
	Deny        []denyRule      `yaml:"deny"`
	Observe     observe         `yaml:"observe"`
}

type who struct {
	Name   string    `yaml:"name"`
	CIDRs  []string  `yaml:"cidrs"`
	Groups *[]string `yaml:"groups"`
}

type allowRule struct {
	URL     string    `yaml:"url"`
	Service string    `yaml:"service"`
	Reason  string    `yaml:"reason"`
	Clients *[]string `yaml:"clients"`
	SNI     string    `yaml:"sni"`
}

type denyRule struct {
	URL    string `yaml:"url"`
	Reason string `yaml:"reason"`
}

type observe struct {
	Hosts *[]string `yaml:"hosts"`
	Until string    `yaml:"until"`
}

// Load reads and compiles the policy file at path, with the catalog files that it names; a relative
// name is relative to the policy file, and catalog.Embedded knows those that are no files. "" as path is the policy without a file: the built-in
// catalog, every group, private clients, enforce. now is what the limit of observe.until is counted from.
//
// The error has a line file:line:column: message for each mistake in any of the files; it is an
// fs.ErrNotExist if there is no policy file.
func Load(path string, now time.Time) (*Policy, error) {
	src, err := read(path)
	if err != nil {
		return nil, err
	}
	return src.compile(now)
}

// Compile makes a policy of the content of a policy file and a catalog, whatever catalog the file
// names; name is what mistakes and warnings begin with. The error is a strictyaml.Mistakes.
func Compile(name string, data []byte, cat *catalog.Catalog, now time.Time) (*Policy, error) {
	return (&source{name: name, data: data}).decode().compileWith(cat, now)
}

// A source is the content of a policy's files, read once, so that what is compared is what is compiled.
type source struct {
	name string // as given; "" for no file
	data []byte
	doc  *strictyaml.Document
	file file

	layers []layer // of the catalog, in the order of the file; none: the built-in catalog
}

// A layer is the content of a catalog file.
type layer struct {
	name string // what its mistakes begin with
	path string // "" for one that comes with the program
	data []byte
	err  error // from reading it
}

// read reads the policy file and the catalog files that it names. The error is about the former.
func read(path string) (*source, error) {
	src := &source{name: path}
	if path == "" {
		return src.decode(), nil
	}
	var err error
	if src.data, err = strictyaml.ReadFile(path); err != nil {
		return nil, fmt.Errorf("reading policy: %w", err)
	}
	src.decode()
	for _, name := range src.file.Catalog {
		src.layers = append(src.layers, readLayer(filepath.Dir(path), name))
	}
	return src, nil
}

func readLayer(dir, name string) layer {
	if data, ok := catalog.Embedded(name); ok {
		return layer{name: name, data: data}
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	l := layer{name: name, path: name}
	l.data, l.err = strictyaml.ReadFile(name)
	return l
}

func (s *source) decode() *source {
	s.file = file{Mode: ModeEnforce, OnRevoke: "close"}
	s.doc = strictyaml.Decode(s.name, s.data, &s.file)
	return s
}

// compile compiles against the catalog that the file names; the error has the mistakes of both files.
// It is to be called once, since it adds mistakes to the source.
func (s *source) compile(now time.Time) (*Policy, error) {
	if s.name != "" && s.doc.Empty() {
		// It would be every default, and it is what a file is for a moment while it is being written.
		s.doc.Errorf("", "the file says nothing: write mode: enforce if you want every default")
	}
	cat, inCatalog := s.catalog()
	p, err := s.compileWith(cat, now)
	if inCatalog == nil {
		return p, err
	}
	mistakes, _ := errors.AsType[strictyaml.Mistakes](err)
	return nil, append(mistakes, inCatalog...)
}

// catalog lays the catalog files over each other. It is nil where one cannot be used; mistakes holds those inside of
// catalog files, and the policy file has one for each that cannot be read.
func (s *source) catalog() (cat *catalog.Catalog, mistakes strictyaml.Mistakes) {
	cats := []*catalog.Catalog{}
	for i, l := range s.layers {
		var c *catalog.Catalog
		err := l.err
		if err == nil {
			c, err = catalog.Parse(l.name, l.data)
		}
		if inFile, ok := errors.AsType[strictyaml.Mistakes](err); ok {
			mistakes = append(mistakes, inFile...)
		} else if err != nil {
			s.doc.Errorf(item("catalog", i), "reading the catalog: %v; remove the key for the built-in one", err)
		}
		cats = append(cats, c)
	}
	switch {
	case len(cats) == 0:
		return catalog.Builtin(), nil
	case slices.Contains(cats, nil):
		return nil, mistakes
	}
	return catalog.Overlay(cats...), nil
}

// compileWith compiles against cat; with a nil cat it only checks, and takes any group for known.
func (s *source) compileWith(cat *catalog.Catalog, now time.Time) (*Policy, error) {
	c := compiler{doc: s.doc, file: &s.file, catalog: cat, now: now, policy: &Policy{catalog: cat}}
	c.run()
	if err := s.doc.Err(); err != nil {
		return nil, err
	}
	return c.policy, nil
}
