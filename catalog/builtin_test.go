package catalog

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestBuiltinHasTheShapeOfThePage(t *testing.T) {
	c := Builtin()
	services := map[string][]string{}
	for s := range c.Services() {
		services[s.Group] = append(services[s.Group], s.ID)
	}
	var groups []string
	for _, g := range c.Groups {
		groups = append(groups, g.ID)
	}
	if want := []string{"agent", "agent-cloud", "sepm", "sepm-cloud", "icdm"}; !slices.Equal(groups, want) {
		t.Errorf("groups are %v, want %v", groups, want)
	}
	// Stable: audit records and reports hold these names.
	want := map[string][]string{
		"agent": {"agent.liveupdate", "agent.insight", "agent.telemetry", "agent.samples", "agent.pings",
			"agent.pulse", "agent.tokens", "agent.symqual", "agent.linux"},
		"agent-cloud": {"agent-cloud.gateway", "agent-cloud.spoc", "agent-cloud.storage", "agent-cloud.liveshell"},
		"sepm":        {"sepm.telemetry", "sepm.licensing", "sepm.liveupdate", "sepm.news"},
		"sepm-cloud":  {"sepm-cloud.gateway", "sepm-cloud.storage", "sepm-cloud.spoc"},
		"icdm":        {"icdm.console", "icdm.downloads", "icdm.liveshell"},
	}
	if !maps.EqualFunc(services, want, slices.Equal) {
		t.Errorf("services are %v, want %v", services, want)
	}
	if names := c.HostNames(); len(names) != 35 {
		t.Errorf("%d distinct hosts, want 35: %v", len(names), names)
	}
}

func TestBuiltinHoldsExactNamesOnTheDefaultPorts(t *testing.T) {
	for s := range Builtin().Services() {
		for _, e := range s.Endpoints {
			if strings.HasPrefix(e.Host, "*") || e.Port != schemePort(e.Scheme) {
				t.Errorf("%s has %s", s.ID, e.URL())
			}
			if e.Scheme == "http" && s.ID != "sepm.liveupdate" {
				t.Errorf("%s has plain HTTP: %s", s.ID, e.URL())
			}
		}
	}
}

func TestBuiltinSpeaksBothLanguages(t *testing.T) {
	say := func(where string, texts ...Text) {
		for _, text := range texts {
			if text.EN == "" || text.ES == "" || text.EN == text.ES {
				t.Errorf("%s: %+v", where, text)
			}
		}
	}
	given := func(where string, texts ...Text) {
		for _, text := range texts {
			if text != (Text{}) {
				say(where, text)
			}
		}
	}
	c := Builtin()
	say("source", c.Source)
	for _, g := range c.Groups {
		say(g.ID, g.Title, g.Purpose)
	}
	for s := range c.Services() {
		say(s.ID, s.Title, s.Purpose)
		given(s.ID, s.Breaks)
		for _, e := range s.Endpoints {
			given(s.ID, e.Note)
		}
	}
	for _, h := range c.Hosts {
		given(h.Name, h.Shared, h.Note)
	}
}

func TestBuiltinClaimsNoMoreThanThePage(t *testing.T) {
	var pinned, breaks []string
	for s := range Builtin().Services() {
		if s.Pinned {
			pinned = append(pinned, s.ID)
		}
		if s.Breaks != (Text{}) {
			breaks = append(breaks, s.ID)
		}
	}
	if want := []string{"agent.insight"}; !slices.Equal(pinned, want) {
		t.Errorf("pinned are %v, want %v", pinned, want)
	}
	want := []string{"agent.insight", "agent-cloud.gateway", "sepm.licensing", "sepm-cloud.gateway", "sepm-cloud.storage", "sepm-cloud.spoc"}
	if !slices.Equal(breaks, want) {
		t.Errorf("what breaks is told of %v, want %v", breaks, want)
	}
}

func TestBuiltinBoundsVersions(t *testing.T) {
	bounded := map[string]string{}
	for s := range Builtin().Services() {
		for _, e := range s.Endpoints {
			if e.Versions != (Versions{}) {
				bounded[s.ID+" "+e.URL()] = e.Versions.String()
			}
		}
	}
	want := map[string]string{
		"agent.pulse https://sp.cwfservice.net":                        ">= 14.3 MP1",
		"agent.symqual https://faults.qalabs.symantec.com":             "<= 14.3 MP1",
		"agent.symqual https://faults.symantec.com":                    ">= 14.3 RU1",
		"agent.linux https://linux-repo.us.securitycloud.symantec.com": ">= 14.3 RU1",
		"sepm.liveupdate http://liveupdate.symantec.com":               "< 14.3 RU1",
		"sepm.liveupdate http://liveupdate.symantecliveupdate.com":     "< 14.3 RU1",
	}
	if !maps.Equal(bounded, want) {
		t.Errorf("bounded are %v\nwant %v", bounded, want)
	}
}

func TestBuiltinTellsWhichHostsAreShared(t *testing.T) {
	c := Builtin()
	for _, name := range c.HostNames() {
		info, _ := c.HostInfo(name)
		tenants := strings.HasSuffix(name, ".amazonaws.com") || strings.HasSuffix(name, ".googleapis.com") || strings.HasSuffix(name, ".okta.com")
		if (info.Shared != Text{}) != tenants {
			t.Errorf("%s: shared is %+v", name, info.Shared)
		}
		if (info.Note != Text{}) != (name == "storage.googleapis.com") {
			t.Errorf("%s: note is %+v", name, info.Note)
		}
	}
}

func TestFindNamesEveryUseInPageOrder(t *testing.T) {
	c := Builtin()
	uses := func(host string) (ids []string) {
		for _, use := range c.Find(host) {
			for _, e := range use.Endpoints {
				ids = append(ids, use.Service.ID+" "+e.Scheme)
			}
		}
		return ids
	}
	want := []string{"agent.liveupdate https", "sepm.liveupdate https", "sepm.liveupdate http"}
	if got := uses("liveupdate.symantec.com"); !slices.Equal(got, want) {
		t.Errorf("liveupdate.symantec.com is used by %v, want %v", got, want)
	}
	if got := uses("symantec.com"); got != nil {
		t.Errorf("symantec.com is used by %v", got)
	}
	if c.Service("agent.insight") == nil || c.Service("agent") != nil || c.Service("") != nil {
		t.Error("Service does not find by ID alone")
	}
	if _, ok := c.HostInfo("liveupdate.symantec.com"); ok {
		t.Error("there is something to say of an ordinary host")
	}
}

func TestFindSeesThroughWildcards(t *testing.T) {
	c := mustParse(t, "groups: [{id: a, title: {en: A}, services: [{id: a.b, title: {en: B}, endpoints: [{url: 'https://*.example.com'}]}]}]")
	for name, want := range map[string]int{"x.example.com": 1, "*.example.com": 1, "example.com": 0} {
		if got := len(c.Find(name)); got != want {
			t.Errorf("%s is used %d times, want %d", name, got, want)
		}
	}
}

func TestCatalogSurvivesJSON(t *testing.T) {
	data, err := json.Marshal(Builtin())
	if err != nil {
		t.Fatal(err)
	}
	var back Catalog
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	for i := range back.Groups {
		for j := range back.Groups[i].Services {
			back.Groups[i].Services[j].Group = back.Groups[i].ID
		}
	}
	if !reflect.DeepEqual(&back, Builtin()) {
		t.Error("what JSON says is not the catalog")
	}
}
