package policy

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/sepproxy/sepproxy/catalog"
)

func TestParseAuthorityTakesHostAndPort(t *testing.T) {
	for in, want := range map[string]Target{
		"insight.example.com:443":  {Scheme: "https", Host: "insight.example.com", Port: 443},
		"Insight.Example.COM.:443": {Scheme: "https", Host: "insight.example.com", Port: 443},
		"a:1":                      {Scheme: "https", Host: "a", Port: 1},
		"a:65535":                  {Scheme: "https", Host: "a", Port: 65535},
		"10.0.0.1:443":             {Scheme: "https", Host: "10.0.0.1", Port: 443, Literal: true},
		"10.0.0.1.:443":            {Scheme: "https", Host: "10.0.0.1", Port: 443, Literal: true},
		"[::1]:443":                {Scheme: "https", Host: "::1", Port: 443, Literal: true},
		"[2001:DB8:0::1]:443":      {Scheme: "https", Host: "2001:db8::1", Port: 443, Literal: true},
	} {
		if got, err := ParseAuthority(in); err != nil || got != want {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}

func TestParseAuthorityRefusesWhatIsMerelyClose(t *testing.T) {
	for _, in := range []string{
		"", ":", "a", "a:", ":443", "443:443", "a:443abc", "a:443/", "a:+443", "a:-1", "a:0", "a:0443", "a:65536", "a:99999999999999999999", "a: 443", "a:4 43",
		"a:443:443", "::1:443", "[::1]", "[::1]443", "[::1:443", "::1]:443", "[fe80::1%eth0]:443", "[fe80::1%25eth0]:443", "[10.0.0.1]:443", "[v1.x]:443", "[]:443", "[[::1]]:443",
		"user@a:443", "user:secret@a:443", "a:443@b", "http://a:443", "a/b:443", "a b:443", "a\x00:443", "a\r\n:443", "é.test:443", "a%2eb:443", "a..b:443", "a..:443",
		"127.1:443", "2130706433:443", "0x7f000001:443", "0177.0.0.1:443", "10.0.0.256:443", "*.example.com:443",
	} {
		if got, err := ParseAuthority(in); err == nil || got != (Target{}) {
			t.Errorf("%q was read as %+v", in, got)
		}
	}
}

func TestParseAbsoluteKeepsPathAndQueryByteForByte(t *testing.T) {
	for _, tail := range []string{"/", "/a/$20b", "/%2f%2E", "//x", "/a|b[c]", "/\xff\xc3", "/%zz", `/a\b`, "/../..", "/a;b=c", "/a?x=y?z", "/?", "/a?\xff%zz/../", "/a:b@c"} {
		path, query, found := strings.Cut(tail, "?")
		want := Target{Scheme: "http", Host: "files.example.com", Port: 80, Path: path}
		if found {
			want.Query = "?" + query
		}
		if got, err := ParseAbsolute("http://files.example.com" + tail); err != nil || got != want {
			t.Errorf("%q: %+v, %v", tail, got, err)
		}
	}
	for in, want := range map[string]Target{
		"HTTP://Files.Example.com.:8080": {Scheme: "http", Host: "files.example.com", Port: 8080, Path: "/"},
		"http://a?q":                     {Scheme: "http", Host: "a", Port: 80, Path: "/", Query: "?q"},
		"http://a?q/x:1@":                {Scheme: "http", Host: "a", Port: 80, Path: "/", Query: "?q/x:1@"},
		"http://[::1]/":                  {Scheme: "http", Host: "::1", Port: 80, Path: "/", Literal: true},
		"http://[::1]:81/":               {Scheme: "http", Host: "::1", Port: 81, Path: "/", Literal: true},
		"http://127.0.0.1/":              {Scheme: "http", Host: "127.0.0.1", Port: 80, Path: "/", Literal: true},
	} {
		if got, err := ParseAbsolute(in); err != nil || got != want {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}

func TestParseAbsoluteRefusesAndAdvises(t *testing.T) {
	for in, advice := range map[string]string{
		"https://a/":              "use CONNECT",
		"HTTPS://a/":              "use CONNECT",
		"/x":                      "this is a forward proxy",
		"//a/x":                   "this is a forward proxy",
		"/x?u=http://a":           "this is a forward proxy",
		"":                        "absolute URL",
		"*":                       "absolute URL",
		"a:443":                   "absolute URL",
		"http:/a":                 "absolute URL",
		"ftp://a/":                "the scheme is not proxied",
		"ws://a/":                 "the scheme is not proxied",
		" http://a/":              "the scheme is not proxied",
		"http:///x":               "empty",
		"http://?x":               "empty",
		"http://a:/":              "the port",
		"http://a:80x/":           "the port",
		"http://user:secret@a/":   "remove everything before the @",
		"http://secret@a/":        "remove everything before the @",
		"http://a/x#y":            "fragment",
		"http://a#y":              "fragment",
		"http://a/x y":            "percent-encoded",
		"http://a/\x7f":           "percent-encoded",
		"http://a/\r\nHost: b":    "percent-encoded",
		"http://a\\b/":            "host name",
		"http://a\\@b/":           "remove everything before the @",
		"http://[fe80::1%25lo]/x": "IPv6",
	} {
		got, err := ParseAbsolute(in)
		if err == nil || got != (Target{}) || !strings.Contains(err.Error(), advice) {
			t.Errorf("%q: %+v, %v; want advice on %s", in, got, err, advice)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells the password: %v", in, err)
		}
	}
}

// whole checks what holds for every target that could be parsed.
func whole(t *testing.T, in string, target Target) {
	t.Helper()
	if target.Literal {
		if addr, err := netip.ParseAddr(target.Host); err != nil || addr.String() != target.Host || addr.Zone() != "" {
			t.Errorf("%q: the literal %q is not in normal form", in, target.Host)
		}
	} else if host, err := catalog.ParseHost(target.Host); err != nil || host != target.Host {
		t.Errorf("%q: the host %q is not in normal form: %q, %v", in, target.Host, host, err)
	}
	if target.Port == 0 {
		t.Errorf("%q: no port", in)
	}
}

func FuzzParseAuthority(f *testing.F) {
	for _, in := range []string{"a.test:443", "[::1]:443", "10.0.0.1:80", "443:443", "u@a:1", "a:00443", "xn--bcher-kva.test:1"} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		target, err := ParseAuthority(in)
		if err != nil {
			return
		}
		whole(t, in, target)
		if target.Scheme != "https" || target.Path != "" || target.Query != "" {
			t.Errorf("%q: %+v", in, target)
		}
	})
}

func FuzzParseAbsolute(f *testing.F) {
	for _, in := range []string{"http://a.test/x?y", "http://a.test", "http://[::1]:80?q", "https://a/", "http://u:p@a/", "http://a/\xff%zz", "/x"} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		target, err := ParseAbsolute(in)
		if err != nil {
			return
		}
		whole(t, in, target)
		tail := target.Path + target.Query
		if !strings.HasSuffix(in, tail) && !(target.Path == "/" && strings.HasSuffix(in, target.Query)) {
			t.Errorf("%q: path and query %q are not as sent", in, tail)
		}
		if target.Scheme != "http" || !strings.HasPrefix(target.Path, "/") || strings.ContainsAny(target.Path, "?# \r\n") {
			t.Errorf("%q: %+v", in, target)
		}
	})
}
