package strictyaml

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

type sample struct {
	Mode    string            `yaml:"mode"`
	Count   int               `yaml:"count"`
	On      bool              `yaml:"on"`
	Groups  *[]string         `yaml:"groups"`
	Items   []item            `yaml:"items"`
	Names   map[string]string `yaml:"names"`
	Address netip.Addr        `yaml:"address"`
	Until   *time.Time        `yaml:"until"`
}

type item struct {
	URL string `yaml:"url"`
}

func TestDecodeReadsWhatTheFileGivesAndKeepsDefaults(t *testing.T) {
	s := sample{Mode: "enforce", Count: 7}
	doc := Decode("a.yaml", []byte("on: true\ngroups: []\nitems:\n  - url: x\n  - {url: y}\nnames: {a: b}\naddress: 10.0.0.1\nuntil: 2026-12-31T00:00:00Z\n"), &s)
	if err := doc.Err(); err != nil {
		t.Fatal(err)
	}
	if s.Mode != "enforce" || s.Count != 7 || !s.On || s.Groups == nil || len(*s.Groups) != 0 ||
		len(s.Items) != 2 || s.Items[1].URL != "y" || s.Names["a"] != "b" ||
		s.Address != netip.MustParseAddr("10.0.0.1") || s.Until.Year() != 2026 {
		t.Errorf("got %+v", s)
	}
	if !doc.Has("groups") || doc.Has("mode") {
		t.Error("Has does not tell given from absent")
	}
	if line, column := doc.Position("items[1].url"); line != 5 || column != 11 {
		t.Errorf("items[1].url is at %d:%d, want 5:11", line, column)
	}
	if line, _ := doc.Position("items[1].absent"); line != 5 {
		t.Errorf("an absent key is at line %d, want that of the item around it, 5", line)
	}
}

func TestDecodeTellsWhereAndWhatIsWrong(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"unknown key", "mode: x\nmood: y\n", `f:2:1: unknown key "mood"; known here: address, count, groups, items, mode, names, on, until`},
		{"nested unknown key", "items:\n  - ulr: x\n", `f:2:5: unknown key "ulr" in items[0]; known here: url`},
		{"wrong type", "count: many\n", `f:1:8: want a whole number here, not "many"`},
		{"number for text", "mode: 14.3\n", "f:1:7: want text here, not the number 14.3: put it in quotes"},
		{"list for text", "mode: [a]\n", "f:1:7: want a single value here, not a list"},
		{"text for list", "items: x\n", `f:1:8: want a list here (- item, or [a, b]), not "x"`},
		{"key twice", "mode: a\nmode: b\n", `f:2:1: key "mode" stands here a second time, first on line 1`},
		{"second document", "mode: a\n---\nmode: b\n", "a second document: a file holds one"},
		{"alias", "mode: &a x\nnames: {k: *a}\n", "f:2:12: aliases (*a) are not read here"},
		{"tag", "mode: !!str x\n", "f:1:7: tags (!!str) are not read here"},
		{"yaml syntax", "mode: [a\n", "f:2:1: not valid YAML"},
		{"text unmarshaler", "address: 10.0.0\n", "f:1:10: "},
		{"list as whole", "- a\n", "f:1:1: want keys with values here"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var s sample
			err := Decode("f", []byte(tc.in), &s).Err()
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestDecodeFindsEveryMistakeInOnePassInOrder(t *testing.T) {
	var s sample
	doc := Decode("f", []byte("mood: x\ncount: many\nitems: [{url: bad}]\n"), &s)
	doc.Errorf("items[0].url", "not a URL")
	got := doc.Err().Error()
	want := []string{"f:1:1:", "f:2:8:", "f:3:15: not a URL"}
	lines := strings.Split(got, "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d mistakes:\n%s", len(lines), got)
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], want[i]) {
			t.Errorf("line %d is %q, want it to begin with %q", i, lines[i], want[i])
		}
	}
}

func TestDecodeTakesAnEmptyFile(t *testing.T) {
	for _, in := range []string{"", "# only a comment\n", "---\n"} {
		var s sample
		if err := Decode("f", []byte(in), &s).Err(); err != nil {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("mode: a\nitems: [{url: x}]\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s sample
		if err := Decode("f", data, &s).Err(); err != nil && err.Error() == "" {
			t.Error("an error that says nothing")
		}
	})
}
