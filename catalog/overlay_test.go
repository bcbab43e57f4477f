package catalog

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestOverlayAddsAndOverridesByID(t *testing.T) {
	base := mustParse(t, `{edition: base, groups: [
  {id: a, title: {en: A}, services: [
    {id: a.one, title: {en: One}, endpoints: [{url: "https://one.example.com"}, {url: "https://dropped.example.com"}]},
    {id: a.two, title: {en: Two}, endpoints: [{url: "https://two.example.com"}]}]}],
  hosts: [{name: two.example.com, note: {en: old}}, {name: dropped.example.com, note: {en: gone}}]}`)
	layer := mustParse(t, `{edition: layer, groups: [
  {id: a, title: {en: Other A}, services: [
    {id: a.three, title: {en: Three}, endpoints: [{url: "https://two.example.com"}]},
    {id: a.one, title: {en: Other one}, endpoints: [{url: "https://uno.example.com"}]}]},
  {id: b, title: {en: B}, services: [{id: b.one, title: {en: B one}, endpoints: [{url: "http://b.example.com"}]}]}],
  hosts: [{name: two.example.com, note: {en: new}}, {name: b.example.com, note: {en: b}}]}`)
	want := mustParse(t, `{edition: base, groups: [
  {id: a, title: {en: Other A}, services: [
    {id: a.one, title: {en: Other one}, endpoints: [{url: "https://uno.example.com"}]},
    {id: a.two, title: {en: Two}, endpoints: [{url: "https://two.example.com"}]},
    {id: a.three, title: {en: Three}, endpoints: [{url: "https://two.example.com"}]}]},
  {id: b, title: {en: B}, services: [{id: b.one, title: {en: B one}, endpoints: [{url: "http://b.example.com"}]}]}],
  hosts: [{name: two.example.com, note: {en: new}}, {name: b.example.com, note: {en: b}}]}`)
	var before, after bytes.Buffer
	if err := Export(&before, base, "yaml", Options{}); err != nil {
		t.Fatal(err)
	}
	if got := Overlay(base, layer); !reflect.DeepEqual(got, want) {
		var out bytes.Buffer
		_ = Export(&out, got, "yaml", Options{})
		t.Errorf("got\n%s", out.String())
	}
	if err := Export(&after, base, "yaml", Options{}); err != nil || before.String() != after.String() {
		t.Errorf("the lower catalog has changed: %v\n%s", err, after.String())
	}
	if got := Overlay(base); !reflect.DeepEqual(got, base) {
		t.Error("a catalog alone is not itself")
	}
}

// TestCertificateStatusSaysWhatItIs: the layer is labelled, plain HTTP, apart from the page's groups, in both languages,
// and every service has its source.
func TestCertificateStatusSaysWhatItIs(t *testing.T) {
	layer, err := Load("builtin:certificate-status")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(layer.Source.EN, "not from the vendor's page") || !strings.Contains(layer.Groups[0].Title.EN, "not from the vendor's page") {
		t.Errorf("it does not say where it is from: %+v, %+v", layer.Source, layer.Groups[0].Title)
	}
	want := []string{"cacerts.digicert.com", "crl3.digicert.com", "crl4.digicert.com", "ocsp.digicert.com"}
	if names := layer.HostNames(); !slices.Equal(names, want) {
		t.Errorf("hosts are %v", names)
	}
	for s := range layer.Services() {
		if !strings.Contains(s.Purpose.EN, "Source: ") || !strings.Contains(s.Purpose.ES, "Fuente: ") || s.Title.ES == "" {
			t.Errorf("%s has no source: %+v", s.ID, s)
		}
		for _, e := range s.Endpoints {
			if info, _ := layer.HostInfo(e.Host); e.Scheme != "http" || e.Port != 80 || info.Shared.ES == "" || Builtin().Find(e.Host) != nil {
				t.Errorf("%s: %+v", s.ID, e)
			}
		}
	}
}
