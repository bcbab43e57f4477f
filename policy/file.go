package policy

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/sepproxy/sepproxy/catalog"
	"github.com/sepproxy/sepproxy/internal/strictyaml"
)

// file is policy.yaml. Where a key that is left out means all and [] means none, the field is a
// pointer; a key without a value is refused there, it could mean either.
type file struct {
	Mode        string      `yaml:"mode"`
	Catalog     string      `yaml:"catalog"`
	Groups      *[]string   `yaml:"groups"`
	SEPVersions []string    `yaml:"sep_versions"`
	OnRevoke    string      `yaml:"on_revoke"`
	Clients     *[]who      `yaml:"clients"`
	Allow       []allowRule `yaml:"allow"`
	Deny        []denyRule  `yaml:"deny"`
	Observe     observe     `yaml:"observe"`
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

// Load reads and compiles the policy file at path, with the catalog file that it names; a relative
// name is relative to the policy file. "" as path is the policy without a file: the built-in
// catalog, every group, private clients, enforce. now is what the limit of observe.until is counted from.
//
// The error has a line file:line:column: message for each mistake in either file; it is an
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

	catalogPath string // "" for the built-in catalog
	catalogData []byte
	catalogErr  error // from reading it
}

// read reads the policy file and the catalog file that it names. The error is about the former.
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
	if src.catalogPath = src.file.Catalog; src.catalogPath == "" {
		return src, nil
	}
	if !filepath.IsAbs(src.catalogPath) {
		src.catalogPath = filepath.Join(filepath.Dir(path), src.catalogPath)
	}
	src.catalogData, src.catalogErr = strictyaml.ReadFile(src.catalogPath)
	return src, nil
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
	if s.catalogPath == "" {
		return s.compileWith(catalog.Builtin(), now)
	}
	var cat *catalog.Catalog
	err := s.catalogErr
	if err == nil {
		cat, err = catalog.Parse(s.catalogPath, s.catalogData)
	}
	if err == nil {
		return s.compileWith(cat, now)
	}
	inCatalog, ok := errors.AsType[strictyaml.Mistakes](err)
	if !ok {
		s.doc.Errorf("catalog", "reading the catalog: %v; remove the key for the built-in one", err)
	}
	_, err = s.compileWith(nil, now)
	mistakes, _ := errors.AsType[strictyaml.Mistakes](err)
	return nil, append(mistakes, inCatalog...)
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
