package catalog

import (
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for in, want := range map[string]Endpoint{
		"https://example.com":               {Scheme: "https", Host: "example.com", Port: 443},
		"https://Example.COM./":             {Scheme: "https", Host: "example.com", Port: 443},
		"HTTP://example.com":                {Scheme: "http", Host: "example.com", Port: 80},
		"https://example.com:443":           {Scheme: "https", Host: "example.com", Port: 443},
		"http://example.com:443/a":          {Scheme: "http", Host: "example.com", Port: 443, Path: "/a"},
		"https://*.example.com:8443/a/b/":   {Scheme: "https", Host: "*.example.com", Port: 8443, Path: "/a/b"},
		"http://example.com/a$20b|[c]/@x:y": {Scheme: "http", Host: "example.com", Port: 80, Path: "/a$20b|[c]/@x:y"},
		"http://example.com/...":            {Scheme: "http", Host: "example.com", Port: 80, Path: "/..."},
		"https://münchen.example/x":         {Scheme: "https", Host: "xn--mnchen-3ya.example", Port: 443, Path: "/x"},
	} {
		if got, err := ParseURL(in); got != want || err != nil {
			t.Errorf("ParseURL(%q) = %+v, %v, want %+v", in, got, err, want)
		}
	}
}

func TestParseURLSaysWhatIsWrong(t *testing.T) {
	for why, urls := range map[string][]string{
		"begin with https:// or http://": {"", "example.com", "ftp://example.com", "https:/example.com", "://example.com"},
		"queries and fragments":          {"https://example.com/?q", "https://example.com#f", "https://example.com?"},
		"user names and passwords":       {"https://u:p@example.com", "https://u@example.com/a"},
		"an IP address":                  {"https://10.0.0.1", "https://10.0.0.1:443", "https://[::1]", "https://[::1]:443", "https://::1", "https://1:2:3"},
		"IPv4 address in disguise":       {"https://127.1", "https://0x7f000001", "https://2130706433/"},
		"port has to be a number":        {"https://example.com:", "https://example.com:0", "https://example.com:65536", "https://example.com:+1", "https://example.com:0443", "https://example.com:https"},
		"invalid host name":              {"https://", "https:///a", "https://:443", "https://*", "https://*.com", "https://a b.com"},
		"does not belong in a path": {"http://a.b/a b", "http://a.b/\x7f", "http://a.b/\x00", "http://a.b/ü", `http://a.b/a\b`, "http://a.b/..",
			"http://a.b/a/../b", "http://a.b/./b", "http://a.b//", "http://a.b//a", "http://a.b/a//", "http://a.b/%2e", "http://a.b/%2E%2e/x", "http://a.b/a%2Fb"},
	} {
		for _, u := range urls {
			got, err := ParseURL(u)
			if err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("ParseURL(%q) = %+v, %v, want an error with %q", u, got, err, why)
			}
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"https://example.com", "http://a.b:443/x/", "https://*.example.com:8443/a/b", "http://a.b/a%2Fb", "https://[::1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := ParseURL(s)
		if err != nil {
			if e != (Endpoint{}) || !ascii(err.Error()) {
				t.Fatalf("%q: %+v, %v", s, e, err)
			}
			return
		}
		if again, err := ParseURL(e.URL()); again != e || err != nil {
			t.Fatalf("%q is %+v, whose URL %q is %+v, %v", s, e, e.URL(), again, err)
		}
	})
}
