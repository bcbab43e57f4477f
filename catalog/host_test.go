package catalog

import (
	"errors"
	"strings"
	"testing"
)

func TestParseHostNormalises(t *testing.T) {
	long := strings.Repeat("a", 63)
	for in, want := range map[string]string{
		"liveupdate.symantec.com":        "liveupdate.symantec.com",
		"LiveUpdate.Symantec.COM":        "liveupdate.symantec.com",
		"liveupdate.symantec.com.":       "liveupdate.symantec.com",
		"localhost":                      "localhost",
		"_dmarc.example.com":             "_dmarc.example.com",
		"r3---sn-abc.example.com":        "r3---sn-abc.example.com",
		"XN--MNCHEN-3YA.example":         "xn--mnchen-3ya.example",
		"1.2.3.4.example":                "1.2.3.4.example",
		"0xg":                            "0xg",
		"a.0xfg":                         "a.0xfg",
		long + ".example":                long + ".example",
		strings.Repeat("a.", 126) + "a.": strings.Repeat("a.", 126) + "a",
	} {
		if got, err := ParseHost(in); got != want || err != nil {
			t.Errorf("ParseHost(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestParseHostRefusesWhatIsMerelyClose(t *testing.T) {
	for what, names := range map[string][]string{
		"nothing":            {"", "."},
		"empty labels":       {"a..b", ".a", "a..", "a.b.."},
		"length":             {strings.Repeat("a", 64) + ".b", strings.Repeat("a.", 127) + "b", strings.Repeat("a", 1<<20)},
		"hyphens":            {"-a.b", "a-.b", "a.-"},
		"characters":         {"a b", "a%2eb", "a/b", "a:443", "u@a", "*.a.b", "a\x00.b", "a\n", "[::1]", "a,b", "a\\b"},
		"look-alikes":        {"ѕymantec.com", "symantec。com", "ｓymantec.com", "\u212Aa.com", "münchen.de", "a\x80.b", "a\u00ad.b"},
		"IPv4":               {"127.0.0.1", "127.1", "2130706433", "0177.0.0.1", "0x7f.0.0.0x1", "0x7F000001", "1.2.3.4.", "a.1", "a.0x", "256.1.1.1"},
		"punycode":           {"xn--", "xn--a", "xn--abc-.com", "xn--symantec-.com", "xn--zzzzzzzzzz99999999.com", "xn--\x00.com"},
		"punycode not as is": {"xn--Mnchen-3YA-.com", "xn--fiqs8s-.com"},
	} {
		for _, name := range names {
			if got, err := ParseHost(name); !errors.Is(err, ErrHost) || got != "" {
				t.Errorf("%s: ParseHost(%.40q) = %q, %v, want ErrHost", what, name, got, err)
			}
		}
	}
}

func TestHostErrorsAreSafeToPrint(t *testing.T) {
	for _, in := range []string{"\x1b[2J\r\n.evil", "\u202eevil", strings.Repeat("\xff", 5000)} {
		for name, parse := range map[string]func(string) (string, error){"host": ParseHost, "pattern": ParsePattern} {
			_, err := parse(in)
			if err == nil {
				t.Fatalf("%s %.20q was taken", name, in)
			}
			if msg := err.Error(); len(msg) > 600 || printable(msg) != msg || !ascii(msg) {
				t.Errorf("%s: the error is %d bytes: %.200q", name, len(msg), msg)
			}
		}
	}
}

func TestParseHostDoesNotAllocateForANormalName(t *testing.T) {
	for _, name := range []string{"us-east-1-s3-symc-prod-saep-cis.s3.amazonaws.com", "liveupdate.symantec.com."} {
		if n := testing.AllocsPerRun(100, func() { _, _ = ParseHost(name) }); n != 0 {
			t.Errorf("%s costs %v allocations", name, n)
		}
	}
}

func TestParsePattern(t *testing.T) {
	for in, want := range map[string]string{
		"Example.COM.":       "example.com",
		"*.example.com":      "*.example.com",
		"*.Sub.Example.com.": "*.sub.example.com",
		"münchen.example":    "xn--mnchen-3ya.example",
		"*.MÜNCHEN.example":  "*.xn--mnchen-3ya.example",
		"straße.example":     "xn--strae-oqa.example",
	} {
		if got, err := ParsePattern(in); got != want || err != nil {
			t.Errorf("ParsePattern(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "*", "*.", "*.com", "*.com.", "*.*.example.com", "a.*.example.com", "*example.com",
		"a*.example.com", "１２７.0.0.1", "*.10.0.0.1", "*.рф", "a\u200bb..com", "\u202e.example.com"} {
		if got, err := ParsePattern(in); !errors.Is(err, ErrHost) {
			t.Errorf("ParsePattern(%q) = %q, %v, want ErrHost", in, got, err)
		}
	}
}

func TestAPatternCoversWholeLabelsOnlyAndNeverTheBareDomain(t *testing.T) {
	covered := func(pattern, name string) {
		t.Helper()
		if !covers(pattern, name) {
			t.Errorf("%s does not cover %s", pattern, name)
		}
	}
	not := func(pattern, name string) {
		t.Helper()
		if covers(pattern, name) {
			t.Errorf("%s covers %s", pattern, name)
		}
	}
	covered("example.com", "example.com")
	covered("*.example.com", "a.example.com")
	covered("*.example.com", "a.b.example.com")
	covered("*.example.com", "*.example.com")
	not("*.example.com", "example.com")
	not("*.example.com", ".example.com")
	not("*.example.com", "badexample.com")
	not("example.com", "a.example.com")
}

func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"a.b", "A.b.", "xn--mnchen-3ya.example", "127.1", "*.example.com", "münchen.de", "xn--abc-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (string, error){ParseHost, ParsePattern} {
			name, err := parse(s)
			if err != nil {
				if name != "" || !errors.Is(err, ErrHost) || !ascii(err.Error()) {
					t.Fatalf("%q: %q, %v", s, name, err)
				}
				continue
			}
			if again, err := parse(name); again != name || err != nil {
				t.Fatalf("%q is %q, which is %q, %v", s, name, again, err)
			}
		}
		if name, err := ParseHost(s); err == nil {
			if pattern, err := ParsePattern(s); pattern != name || err != nil {
				t.Fatalf("host %q, pattern %q, %v", name, pattern, err)
			}
		}
	})
}

func BenchmarkParseHost(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = ParseHost("us-east-1-s3-symc-prod-saep-cis.s3.amazonaws.com")
	}
}
