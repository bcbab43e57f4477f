package policy

import (
	"slices"
	"testing"
)

// TestAllowedIsWhatSomebodyMayReach names every endpoint, by service.
func TestAllowedIsWhatSomebodyMayReach(t *testing.T) {
	all := []string{
		"agent.insight https://insight.example.com", "agent.insight https://both.example.com", "agent.files http://files.example.com/a/b",
		"agent.files https://*.cdn.example.com", "agent.files https://old.example.com", "agent.files https://page.example.com/only/here",
		"sepm.licence https://licence.example.com", "sepm.licence https://both.example.com",
	}
	for name, tc := range map[string]struct {
		policy string
		want   []string
	}{
		"everything":   {"", all},
		"a group":      {"groups: [sepm]", all[6:]},
		"versions":     {"sep_versions: ['14.3 RU1']", slices.Delete(slices.Clone(all), 4, 5)},
		"nobody":       {"clients: []", nil},
		"some clients": {"clients: [{name: m, cidrs: [10.0.0.0/28], groups: [sepm]}]", all[6:]},
		"denied whole": {"deny: [{url: 'https://both.example.com'}, {url: 'https://*.cdn.example.com'}, {url: 'http://files.example.com/a'}]",
			[]string{all[0], all[4], all[5], all[6]}},
		"denied from above":     {"groups: [sepm]\ndeny: [{url: 'https://*.example.com'}]", nil},
		"denied in part":        {"deny: [{url: 'https://x.cdn.example.com'}, {url: 'http://files.example.com/a/b/c'}]", all},
		"denied at another way": {"deny: [{url: 'http://both.example.com'}, {url: 'https://both.example.com:8443'}]", all},
		"local rules": {"groups: []\nallow: [{url: 'https://*.local.example', service: local.b}, {url: 'http://a.local.example:81/x'}]",
			[]string{"local http://a.local.example:81/x", "local.b https://*.local.example"}},
		"brought back":          {"groups: []\nallow: [{url: 'https://both.example.com'}]", []string{all[1], all[7]}},
		"under another name":    {"groups: []\nallow: [{url: 'https://both.example.com', service: local.b}]", []string{"local.b https://both.example.com"}},
		"under the same name":   {"groups: []\nallow: [{url: 'https://both.example.com', service: sepm.licence}]", []string{all[7]}},
		"observed is not there": {"groups: []\nmode: observe\nobserve: {until: 2026-12-01T00:00:00Z}", nil},
	} {
		var got []string
		c := compiled(t, tc.policy).Allowed()
		for s := range c.Services() {
			for _, e := range s.Endpoints {
				got = append(got, s.ID+" "+e.URL())
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q\nwant %q", name, got, tc.want)
		}
		if _, noted := c.HostInfo("both.example.com"); noted != slices.Contains(c.HostNames(), "both.example.com") {
			t.Errorf("%s: what is known of both.example.com is there: %v", name, noted)
		}
	}
	var none *Policy
	if c := none.Allowed(); c == nil || len(c.Groups) > 0 {
		t.Errorf("a nil policy allows %+v", c)
	}
}
