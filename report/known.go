package report

import (
	"embed"
	"sync"

	"github.com/sepproxy/sepproxy/catalog"
	"github.com/sepproxy/sepproxy/internal/strictyaml"
)

//go:embed data/pki.yaml data/platform.yaml
var data embed.FS

// A knownHost says whose a host is and where that can be read.
type knownHost struct {
	Who    text     `yaml:"who"`
	Source string   `yaml:"source"`
	Names  []string `yaml:"names"`
}

type text struct {
	EN string `yaml:"en"`
	ES string `yaml:"es"`
}

// knownHosts finds what a data file says of a host, by its name or a "*." name that covers it.
type knownHosts map[string]*knownHost

func (k knownHosts) find(host string) *knownHost {
	return underPattern(k, host)
}

var (
	pki      = sync.OnceValue(func() knownHosts { return mustKnow("data/pki.yaml") })
	platform = sync.OnceValue(func() knownHosts { return mustKnow("data/platform.yaml") })
)

// mustKnow reads a file that is part of the program; a test reads it too.
func mustKnow(name string) knownHosts {
	content, err := data.ReadFile(name)
	if err == nil {
		var known knownHosts
		if known, err = parseKnown(name, content); err == nil {
			return known
		}
	}
	panic(err)
}

func parseKnown(name string, content []byte) (knownHosts, error) {
	var in struct {
		Hosts []knownHost `yaml:"hosts"`
	}
	doc := strictyaml.Decode(name, content, &in)
	known := knownHosts{}
	for i := range in.Hosts {
		at := index("hosts", i)
		h := &in.Hosts[i]
		if h.Who.EN == "" || h.Who.ES == "" || h.Source == "" {
			doc.Errorf(at, "an entry needs who, in both languages, and its source")
		}
		for j, written := range h.Names {
			pattern, err := catalog.ParsePattern(written)
			if err != nil {
				doc.Errorf(index(at+".names", j), "%v", err)
			} else if pattern != written || known[pattern] != nil {
				doc.Errorf(index(at+".names", j), "%q stands here already, or is not in normal form", written)
			}
			known[pattern] = h
		}
	}
	return known, doc.Err()
}
