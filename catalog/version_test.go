package catalog

import (
	"slices"
	"strings"
	"testing"
)

// inOrder is releases of SEP, the oldest first.
var inOrder = []string{"12.1", "14.0", "14.2", "14.2 MP1", "14.2 RU2 MP1", "14.3", "14.3 MP1", "14.3 MP10", "14.3 RU1",
	"14.3 RU1 MP1", "14.3 RU2", "14.3 RU9", "14.3 RU10", "14.10", "15.0"}

func version(t testing.TB, s string) Version {
	t.Helper()
	v, err := ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVersionsAreOrderedAsTheyWereReleased(t *testing.T) {
	for i, a := range inOrder {
		if s := version(t, a).String(); s != a {
			t.Errorf("%q is written %q", a, s)
		}
		for j, b := range inOrder {
			if got := version(t, a).Compare(version(t, b)); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%q compared with %q is %d", a, b, got)
			}
		}
	}
}

func TestParseVersionIsStrict(t *testing.T) {
	for _, s := range []string{"", "14", "14.", ".3", "14.3.1", "0.0", "0.1", "014.3", "14.03", "+14.3", "14.3 ", " 14.3", "14.3 RU", "14.3 RU0", "14.3 RU01",
		"14.3 ru1", "14.3RU1", "14.3  RU1", "14.3 RU1 ", "14.3 RU1  MP1", "14.3 RU1 MP", "14.3 RU1 MP0", "14.3 MP1 RU1", "14.3 RU1 RU2", "14.3 MP1 MP2",
		"14.3 X1", "14.3 RU65536", "14.3 RU1 MP1 ", "14.3\tRU1", "١٤.3"} {
		if v, err := ParseVersion(s); err == nil || v != (Version{}) {
			t.Errorf("ParseVersion(%q) = %v, %v, want an error", s, v, err)
		}
	}
}

func TestRangesHoldWhatTheySay(t *testing.T) {
	for _, tc := range []struct {
		in          string
		first, last string
	}{
		{"", "12.1", "15.0"},
		{">= 14.3 MP1", "14.3 MP1", "15.0"},
		{"<= 14.3 MP1", "12.1", "14.3 MP1"},
		{"< 14.3 RU1", "12.1", "14.3 MP10"},
		{">= 14.3, < 14.3 RU2", "14.3", "14.3 RU1 MP1"},
		{">= 14.3, <= 14.3", "14.3", "14.3"},
	} {
		v, err := ParseVersions(tc.in)
		if err != nil || v.String() != tc.in {
			t.Errorf("ParseVersions(%q) = %q, %v", tc.in, v, err)
		}
		for i, release := range inOrder {
			want := slices.Index(inOrder, tc.first) <= i && i <= slices.Index(inOrder, tc.last)
			if got := v.Contains(version(t, release)); got != want {
				t.Errorf("%q contains %q: %v", tc.in, release, got)
			}
		}
	}
}

func TestAFleetUsesWhatAnyOfItsReleasesUses(t *testing.T) {
	v, err := ParseVersions("< 14.3 RU1")
	if err != nil {
		t.Fatal(err)
	}
	mixed := []Version{version(t, "14.3 RU10"), version(t, "14.3 MP1")}
	if !v.UsedByAny(mixed) || v.UsedByAny(mixed[:1]) || !v.UsedByAny(nil) {
		t.Error("the union over the fleet is wrong")
	}
}

func TestParseVersionsIsStrict(t *testing.T) {
	for in, why := range map[string]string{
		"14.3":                      "want",
		"> 14.3":                    "want",
		">=14.3":                    "want",
		"<= 14.3 MP1,>= 14.2":       "invalid SEP version",
		"<= ":                       "invalid SEP version",
		">= 14.3, ":                 "want",
		">= 14.3, >= 14.2":          "same side",
		"<= 14.3, < 14.4":           "same side",
		">= 14.3 RU1, < 14.3 RU1":   "no release",
		">= 14.3 RU1, <= 14.3":      "no release",
		">= 14.2, <= 14.3, < 14.10": "same side",
	} {
		if v, err := ParseVersions(in); err == nil || !strings.Contains(err.Error(), why) || v != (Versions{}) {
			t.Errorf("ParseVersions(%q) = %q, %v, want an error with %q", in, v, err, why)
		}
	}
}

func FuzzParseVersions(f *testing.F) {
	for _, s := range []string{"", ">= 14.3 MP1", "< 14.3 RU1", ">= 14.2 RU2 MP1, <= 14.3 RU10", "<= 14.2, >= 14.0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVersions(s)
		if err != nil {
			return
		}
		if again, err := ParseVersions(v.String()); again != v || err != nil {
			t.Fatalf("%q is %q, which is %q, %v", s, v, again, err)
		}
	})
}
