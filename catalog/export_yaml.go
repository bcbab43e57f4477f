package catalog

import (
	"io"

	"go.yaml.in/yaml/v4"
)

func exportYAML(w io.Writer, c *Catalog, _ Options) error {
	var root yaml.Node
	if err := root.Encode(c.file()); err != nil {
		return err
	}
	prune(&root)
	data, err := yaml.Dump(&root, yaml.WithV4Defaults(), yaml.WithLineWidth(-1))
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// file is the inverse of parser.catalog.
func (c *Catalog) file() fileCatalog {
	out := fileCatalog{Edition: c.Edition, Source: c.Source}
	for _, g := range c.Groups {
		group := fileGroup{ID: g.ID, Title: g.Title, Purpose: g.Purpose}
		for _, s := range g.Services {
			group.Services = append(group.Services, s.file())
		}
		out.Groups = append(out.Groups, group)
	}
	for _, h := range c.Hosts {
		out.Hosts = append(out.Hosts, fileHost(h))
	}
	return out
}

func (s Service) file() fileService {
	out := fileService{ID: s.ID, Title: s.Title, Purpose: s.Purpose, Breaks: s.Breaks, Pinned: s.Pinned, Review: s.Review}
	for _, e := range s.Endpoints {
		out.Endpoints = append(out.Endpoints, fileEndpoint{URL: e.URL(), Versions: e.Versions, Note: e.Note, Review: e.Review})
	}
	return out
}

// prune removes the keys whose values say nothing.
func prune(n *yaml.Node) {
	for _, child := range n.Content {
		prune(child)
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	var kept []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key, value := n.Content[i], n.Content[i+1]; !blank(value) {
			kept = append(kept, key, value)
		}
	}
	n.Content = kept
}

func blank(n *yaml.Node) bool {
	if n.Kind == yaml.ScalarNode {
		return n.Value == "" || n.Tag == "!!bool" && n.Value == "false"
	}
	return len(n.Content) == 0
}
