package strictyaml

import (
	"slices"
	"testing"
)

func TestAListMayBeASingleText(t *testing.T) {
	for in, want := range map[string]List{"a: x": {"x"}, "a: ''": {""}, "a: [x, y]": {"x", "y"}, "a: []": {}, "a:": nil, "b: z": nil} {
		var out struct {
			A List   `yaml:"a"`
			B string `yaml:"b"`
		}
		if err := Decode("f", []byte(in), &out).Err(); err != nil || !slices.Equal(out.A, want) {
			t.Errorf("%s: %q, %v, want %q", in, out.A, err, want)
		}
	}
	for _, in := range []string{"a: 1", "a: [1]", "a: {x: y}", "a: [[x]]"} {
		var out struct {
			A List `yaml:"a"`
		}
		if Decode("f", []byte(in), &out).Err() == nil {
			t.Errorf("%s is no mistake: %q", in, out.A)
		}
	}
}
