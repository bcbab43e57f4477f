package catalog

import (
	_ "embed"
	"fmt"
	"sync"

	"github.com/sepproxy/sepproxy/internal/strictyaml"
)

// The YAML form of a catalog; builtin.yaml explains it to people. Texts that say nothing are left out.
type (
	fileCatalog struct {
		Edition string      `yaml:"edition"`
		Source  Text        `yaml:"source"`
		Groups  []fileGroup `yaml:"groups"`
		Hosts   []fileHost  `yaml:"hosts"`
	}
	fileGroup struct {
		ID       string        `yaml:"id"`
		Title    Text          `yaml:"title"`
		Purpose  Text          `yaml:"purpose"`
		Services []fileService `yaml:"services"`
	}
	fileService struct {
		ID        string         `yaml:"id"`
		Title     Text           `yaml:"title"`
		Purpose   Text           `yaml:"purpose"`
		Breaks    Text           `yaml:"breaks"`
		Pinned    bool           `yaml:"pinned"`
		Review    string         `yaml:"review"`
		Endpoints []fileEndpoint `yaml:"endpoints"`
	}
	fileEndpoint struct {
		URL      string   `yaml:"url"`
		Versions Versions `yaml:"versions"`
		Note     Text     `yaml:"note"`
		Review   string   `yaml:"review"`
	}
	fileHost struct {
		Name   string `yaml:"name"`
		Shared Text   `yaml:"shared"`
		Note   Text   `yaml:"note"`
	}
)

//go:embed builtin.yaml
var builtinYAML []byte

//go:embed certificate-status.yaml
var certificateStatusYAML []byte

// Embedded gives the catalog file of this name that comes with the program: "builtin", for which "" stands too, or
// "builtin:certificate-status", a layer that is not from the vendor's page. The content belongs to the program: read only.
func Embedded(name string) (data []byte, ok bool) {
	switch name {
	case "", "builtin":
		return builtinYAML, true
	case "builtin:certificate-status":
		return certificateStatusYAML, true
	}
	return nil, false
}

var builtin = sync.OnceValue(func() *Catalog {
	c, err := Parse("builtin.yaml", builtinYAML)
	if err != nil {
		panic(err) // the file is part of the program, and a test reads it
	}
	return c
})

// Builtin is the catalog that comes with the program. It is one value for all callers: read only.
func Builtin() *Catalog { return builtin() }

// Load reads a catalog file, or one that Embedded knows: "" is the built-in catalog.
func Load(path string) (*Catalog, error) {
	if data, ok := Embedded(path); ok {
		return Parse(path, data)
	}
	data, err := strictyaml.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading catalog: %w", err)
	}
	return Parse(path, data)
}

// Parse reads the YAML form of a catalog. The error holds every mistake, as strictyaml.Mistakes;
// file is the name that they begin with.
func Parse(file string, data []byte) (*Catalog, error) {
	var in fileCatalog
	p := parser{
		doc:    strictyaml.Decode(file, data, &in),
		ids:    map[string]int{},
		listed: map[string]bool{},
		hosts:  map[string]int{},
	}
	if !p.doc.Has("") && p.doc.Err() == nil {
		p.doc.Errorf("", "the file is empty: a catalog has groups")
	}
	var c *Catalog
	if p.doc.Has("") {
		c = p.catalog(in)
	}
	if err := p.doc.Err(); err != nil {
		return nil, err
	}
	return c, nil
}
