package vendorpage

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// described writes what readLinks gives: URL, * for a mark, releases and note.
func described(links []link) string {
	var all []string
	for _, l := range links {
		s := l.endpoint.URL()
		if l.marked {
			s += " *"
		}
		if l.versions != nil {
			s += fmt.Sprint(" ", l.versions)
		}
		if l.note != "" {
			s += " (" + l.note + ")"
		}
		all = append(all, s)
	}
	return strings.Join(all, " | ")
}

func TestReadLinks(t *testing.T) {
	for in, want := range map[string]string{
		"https://a.example.com":                                "https://a.example.com",
		"HTTPS://A.Example.COM/":                               "https://a.example.com",
		"* https://a.example.com":                              "https://a.example.com *",
		"*https://a.example.com":                               "https://a.example.com *",
		"https://a.example.com*":                               "https://a.example.com *",
		"https://a.example.com/ †":                             "https://a.example.com *",
		"https://a.example.com ²":                              "https://a.example.com *",
		"• https://a.example.com,":                             "https://a.example.com",
		"https://*.example.com":                                "https://*.example.com",
		"https://a.example.com (14.3 RU1 ...)":                 "https://a.example.com [14.3 RU1] (14.3 RU1 ...)",
		"https://a.example.com（14.3RU1 から）":                    "https://a.example.com [14.3 RU1] (14.3RU1 から)",
		"https://a.example.com（14.3 MP 1）":                     "https://a.example.com [14.3 MP1] (14.3 MP 1)",
		"https://a.example.com 14.3 RU1 – 14.3 RU2 MP1":        "https://a.example.com [14.3 RU1 14.3 RU2 MP1] (14.3 RU1 – 14.3 RU2 MP1)",
		"https://a.example.com (solo Linux)":                   "https://a.example.com (solo Linux)",
		"https://a.example.com:8443/x/y":                       "https://a.example.com:8443/x/y",
		"https://a.example.com, https://b.example.com":         "https://a.example.com | https://b.example.com",
		"https://a.example.comhttps://b.example.com":           "https://a.example.com | https://b.example.com",
		"https://a.example.com (14.3) * http://b.example.com;": "https://a.example.com * [14.3] (14.3) | http://b.example.com",
		"Purpose of this 14.3 row.Second sentence":             "",
		"443": "",
		"":    "",
	} {
		links, err := readLinks(line{text: in})
		if got := described(links); err != nil || got != want {
			t.Errorf("%q gives %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestWhatLooksLikeAURLAndIsNotUnderstood(t *testing.T) {
	for in, want := range map[string]string{
		"a.example.com":                          "a host without",
		"*.example.com":                          "a host without",
		"* a.example.com:443/x":                  "a host without",
		"see www.example.com for more":           "neither",
		"wss://a.example.com":                    "neither",
		"https:/a.example.com":                   "neither",
		"for more, https://a.example.com":        "text stands before",
		"https://a.example.com wss://b.org":      "another host",
		"https://a.example.com, b.example.com":   "another host",
		"https://a.example.com/*":                "a star for any path",
		"https://a.example.com?x=1":              "queries",
		"https:// a.example.com":                 "it is empty",
		"https://10.0.0.1":                       "IP address",
		"https://a.example.com https://*.com":    "too broad",
		"https://a.example.com (b.example.org)":  "another host",
		"https://user:secret@a.example.com/path": "user names",
	} {
		if links, err := readLinks(line{text: in}); err == nil || !strings.Contains(err.Error(), want) || links != nil {
			t.Errorf("%q gives %q, %v, want an error with %q", in, described(links), err, want)
		}
	}
}

func TestReadPorts(t *testing.T) {
	for in, want := range map[string][]uint16{
		"443": {443}, "80, 443": {80, 443}, "80/443": {80, 443}, "TCP 443": {443}, "TCP: 443": {443}, "443/tcp": {443}, "443 (TCP)": {443},
		"80 443 80": {80, 443}, "443、8443": {443, 8443}, "70000": nil, "0": nil, "443-445": nil, "port 443": nil, "14.3": nil, "": nil,
	} {
		if got, ok := readPorts(in); ok != (want != nil) || !slices.Equal(got, want) {
			t.Errorf("%q gives %v, %v, want %v", in, got, ok, want)
		}
	}
}

func TestPortsOfARowStandForItsURLs(t *testing.T) {
	for _, test := range []struct{ url, ports, want string }{
		{"https://a.example.com", "", "https://a.example.com"},
		{"https://a.example.com", "443", "https://a.example.com"},
		{"http://a.example.com", "443", "http://a.example.com"},
		{"http://a.example.com", "80, 443", "http://a.example.com"},
		{"https://a.example.com", "80, 443", "https://a.example.com"},
		{"https://a.example.com", "443, 8443", "https://a.example.com https://a.example.com:8443"},
		{"http://a.example.com", "8080", "http://a.example.com:8080"},
		{"https://a.example.com:9443", "443", "https://a.example.com:9443"},
		{"https://a.example.com:443", "8443", "https://a.example.com"},
	} {
		links, err := readLinks(line{text: test.url})
		if err != nil {
			t.Fatal(err)
		}
		links[0].ports, _ = readPorts(test.ports)
		var got []string
		for _, e := range links[0].endpoints() {
			got = append(got, e.URL())
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s with %q is %v, want %s", test.url, test.ports, got, test.want)
		}
	}
}
