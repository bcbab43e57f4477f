package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/sepproxy/sepproxy/policy"
)

const (
	exampleConfig = "../../config.example.yaml"
	examplePolicy = "../../policy.example.yaml"
)

func TestExampleConfigChangesNothing(t *testing.T) {
	got, err := loadConfig(exampleConfig)
	if err != nil {
		t.Fatal(err)
	}
	// A path in a file counts from the file, the default from where the process was started.
	got.Audit.Path = filepath.Base(got.Audit.Path)
	sameValues(t, "", reflect.ValueOf(*got), reflect.ValueOf(*defaultConfig()))
}

func TestExampleConfigNamesEveryKey(t *testing.T) {
	var file map[string]any
	readYAML(t, exampleConfig, &file)
	namesEveryKey(t, "", reflect.TypeFor[config](), file)
}

// sameValues compares what the yaml tags name, key by key; an empty list or map is the same as none.
func sameValues(t *testing.T, path string, got, want reflect.Value) {
	t.Helper()
	for i := range got.NumField() {
		tag := got.Type().Field(i).Tag.Get("yaml")
		if tag == "" {
			continue
		}
		g, w, at := got.Field(i), want.Field(i), path+tag
		switch {
		case g.Kind() == reflect.Struct:
			sameValues(t, at+".", g, w)
		case (g.Kind() == reflect.Slice || g.Kind() == reflect.Map) && g.Len() == 0 && w.Len() == 0:
		case !reflect.DeepEqual(g.Interface(), w.Interface()):
			t.Errorf("%s is %v, and the default is %v", at, g.Interface(), w.Interface())
		}
	}
}

// namesEveryKey wants every key of typ in file, lists by their first item.
func namesEveryKey(t *testing.T, path string, typ reflect.Type, file map[string]any) {
	t.Helper()
	for i := range typ.NumField() {
		field := typ.Field(i)
		key := field.Tag.Get("yaml")
		if key == "" {
			continue
		}
		value, given := file[key]
		if !given {
			t.Errorf("%s does not stand in the example", path+key)
			continue
		}
		inner := field.Type
		if list, ok := value.([]any); ok && len(list) > 0 && inner.Elem().Kind() == reflect.Struct {
			inner, value = inner.Elem(), list[0]
		}
		if below, ok := value.(map[string]any); ok && inner.Kind() == reflect.Struct {
			namesEveryKey(t, path+key+".", inner, below)
		}
	}
}

func TestExamplePolicyChangesNothing(t *testing.T) {
	example, builtin := loadPolicy(t, examplePolicy), loadPolicy(t, "")
	if example.Revision() != builtin.Revision() {
		t.Errorf("revision %s, and the policy without a file is %s", example.Revision(), builtin.Revision())
	}
}

func TestExamplePolicyCanBeUncommented(t *testing.T) {
	without, with := loadPolicy(t, examplePolicy), loadPolicy(t, uncommented(t))
	for _, host := range []string{"ocsp", "cacerts", "crl3", "crl4"} {
		target, err := policy.ParseAbsolute("http://" + host + ".digicert.com/x")
		if err != nil {
			t.Fatal(err)
		}
		r := policy.Request{Target: target, Client: netip.MustParseAddr("10.1.1.1"), Time: time.Now()}
		if v := without.Decide(r); v.Allow {
			t.Errorf("%s is allowed by the file as it is (%s)", host, v.Reason)
		}
		if v := with.Decide(r); v.Reason != policy.ReasonLocalRule {
			t.Errorf("%s: %s with its rule uncommented", host, v.Reason)
		}
	}
}

// TestExamplePolicyNamesEveryKey asks the reader itself which keys there are, by a key that is none.
func TestExamplePolicyNamesEveryKey(t *testing.T) {
	var file any
	readYAML(t, uncommented(t), &file)
	for _, at := range []string{"", "clients", "allow", "deny", "observe"} {
		known := knownKeys(t, at)
		if len(known) == 0 {
			t.Fatalf("no keys known at %q", at)
		}
		given := keysBelow(file, at)
		for _, key := range known {
			if !given[key] {
				t.Errorf("%s %s does not stand in the example", at, key)
			}
		}
	}
}

func knownKeys(t *testing.T, at string) []string {
	t.Helper()
	content := map[string]string{
		"": "nokey: 1\n", "clients": "clients: [{nokey: 1}]\n", "allow": "allow: [{nokey: 1}]\n",
		"deny": "deny: [{nokey: 1}]\n", "observe": "observe: {nokey: 1}\n",
	}[at]
	_, err := policy.Load(writeFile(t, content), time.Now())
	if err == nil {
		t.Fatalf("%q is no mistake", content)
	}
	m := regexp.MustCompile(`known here: (.*)`).FindStringSubmatch(err.Error())
	if m == nil {
		t.Fatalf("no keys in %v", err)
	}
	return strings.Split(m[1], ", ")
}

// keysBelow gives the keys at a path, those of all items of a list together.
func keysBelow(file any, at string) map[string]bool {
	if at != "" {
		file = file.(map[string]any)[at]
	}
	items, ok := file.([]any)
	if !ok {
		items = []any{file}
	}
	keys := map[string]bool{}
	for _, item := range items {
		for key := range item.(map[string]any) {
			keys[key] = true
		}
	}
	return keys
}

// commented is YAML behind a #; text for people has exactly one space there.
var commented = regexp.MustCompile(`(?m)^#(  )`)

func uncommented(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(examplePolicy)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, commented.ReplaceAllString(string(data), "$1"))
}

func loadPolicy(t *testing.T, path string) *policy.Policy {
	t.Helper()
	p, err := policy.Load(path, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func readYAML(t *testing.T, path string, out any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, out); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), strconv.Itoa(len(content))+".yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
