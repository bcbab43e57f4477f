package policy

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sepproxy/sepproxy/catalog"
)

const layerText = `groups: [{id: extra, title: {en: E}, services: [{id: extra.one, title: {en: One}, endpoints: [{url: "https://layer.example.net"}]}]}]` + "\n"

func TestACatalogMayHaveLayers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "policy.yaml")
	write(t, filepath.Join(dir, "base.yaml"), pocket)
	write(t, filepath.Join(dir, "sub", "layer.yaml"), layerText)
	write(t, path, "catalog: [base.yaml, sub/layer.yaml]\n")
	p, err := Load(path, noon)
	if err != nil {
		t.Fatal(err)
	}
	if p.Catalog().Edition != "pocket" || p.Catalog().Service("extra.one") == nil || p.Catalog().Find("layer.example.net") == nil {
		t.Errorf("the catalog is %+v", p.Catalog())
	}
	// With the layer first, it is the same rules, and so the same policy.
	write(t, path, "catalog: [sub/layer.yaml, base.yaml]\n")
	if again, err := Load(path, noon); err != nil || again.Revision() != p.Revision() {
		t.Errorf("%v, %v", again, err)
	}
}

func TestCertificateStatusIsOffUnlessNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	for text, want := range map[string]Reason{
		"mode: enforce\n":    ReasonNotListed,
		"catalog: builtin\n": ReasonNotListed,
		"catalog: ['']\n":    ReasonNotListed,
		"catalog: [builtin, 'builtin:certificate-status']\n":                               ReasonCatalog,
		"catalog: ['', 'builtin:certificate-status']\ngroups: [agent]\n":                   ReasonNotListed,
		"catalog: ['', 'builtin:certificate-status']\ngroups: [agent, certificate-status]": ReasonCatalog,
	} {
		write(t, path, text)
		p, err := Load(path, noon)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		target, err := ParseAbsolute("http://ocsp.digicert.com/x")
		if err != nil {
			t.Fatal(err)
		}
		if v := p.Decide(Request{Method: "GET", Target: target, Client: netip.MustParseAddr("10.0.0.1"), Time: noon}); v.Reason != want {
			t.Errorf("%s: %s, want %s", text, v.Reason, want)
		}
		if p.Catalog().Edition != catalog.Builtin().Edition {
			t.Errorf("%s: the edition is %q", text, p.Catalog().Edition)
		}
	}
}

func TestMistakesInLayersNameTheirFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "policy.yaml")
	write(t, filepath.Join(dir, "bad.yaml"), "groups: oops\n")
	write(t, filepath.Join(dir, "worse.yaml"), "nokey: 1\n")
	write(t, path, "catalog: [builtin, bad.yaml, none.yaml, worse.yaml]\nmode: watch\n")
	_, err := Load(path, noon)
	if err == nil {
		t.Fatal("no mistake was found")
	}
	for _, want := range []string{"policy.yaml:1:30: reading the catalog: ", "policy.yaml:2:7: unknown mode", "bad.yaml:1:9: ", "worse.yaml:1:1: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("there is no %q in\n%v", want, err)
		}
	}
	write(t, path, "catalog: [builtin, 7]\n")
	if _, err := Load(path, noon); err == nil || !strings.Contains(err.Error(), ":1:20: want text here") {
		t.Errorf("a number: %v", err)
	}
	write(t, path, "catalog: {a: b}\n")
	if _, err := Load(path, noon); err == nil || !strings.Contains(err.Error(), ":1:10: want a list here") {
		t.Errorf("a mapping: %v", err)
	}
}

func TestWatchFollowsEveryLayer(t *testing.T) {
	dir := t.TempDir()
	path, layer := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "sub", "layer.yaml")
	with := func(name string) string {
		return strings.ReplaceAll(layerText, "layer.example.net", name+".example.net")
	}
	write(t, path, allowing("zero"))
	write(t, filepath.Join(dir, "base.yaml"), pocket)
	s := watching(t, path)
	write(t, layer, with("first"))
	write(t, path, "catalog: [base.yaml, sub/layer.yaml]\n")
	s.becomes("first")
	write(t, layer, with("second"))
	s.becomes("second")
	must(t, os.Remove(layer))
	s.complains("policy.yaml:1:22: reading the catalog")
	write(t, layer, with("third"))
	s.becomes("third")
}
