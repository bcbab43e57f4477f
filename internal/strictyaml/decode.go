package strictyaml

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// syntax records what the YAML parser could not read, at the parser's position.
func (d *Document) syntax(err error) {
	if le, ok := errors.AsType[*yaml.LoadError](err); ok {
		d.add(le.Mark.Line, le.Mark.Column, "not valid YAML: "+le.Message)
		return
	}
	d.add(0, 0, "not valid YAML: "+err.Error())
}

func (d *Document) mistake(n *yaml.Node, format string, args ...any) {
	d.add(n.Line, n.Column, fmt.Sprintf(format, args...))
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// plain refuses what a reader of the file could overlook: aliases, merges and tags of its own.
func (d *Document) plain(n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		d.mistake(n, "aliases (*%s) are not read here: write the value out", n.Value)
		return false
	case n.Style&yaml.TaggedStyle != 0:
		d.mistake(n, "tags (%s) are not read here: remove it", n.Tag)
		return false
	}
	return true
}

func (d *Document) decodeInto(path string, n *yaml.Node, out any) {
	d.value(path, n, reflect.ValueOf(out).Elem())
}

// value decodes n into v; a null leaves v as it is.
func (d *Document) value(path string, n *yaml.Node, v reflect.Value) {
	if !d.plain(n) {
		return
	}
	d.positions[path] = n
	if isNull(n) {
		return
	}
	if v.Kind() == reflect.Pointer {
		fresh := reflect.New(v.Type().Elem())
		d.value(path, n, fresh.Elem())
		v.Set(fresh)
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(n, u)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(path, n, v)
	case reflect.Map:
		d.mapping(path, n, v)
	case reflect.Slice:
		d.sequence(path, n, v)
	default:
		d.scalar(n, v)
	}
}

// each calls f for every key and value of a mapping, after refusing keys that are repeated.
func (d *Document) each(n *yaml.Node, f func(key, val *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.mistake(n, "want keys with values here (key: value), not %s", describe(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || !d.plain(key) {
			d.mistake(key, "a key has to be a plain word")
			continue
		}
		if line, again := seen[key.Value]; again {
			d.mistake(key, "key %q stands here a second time, first on line %d", key.Value, line)
			continue
		}
		seen[key.Value] = key.Line
		f(key, val)
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (d *Document) structure(path string, n *yaml.Node, v reflect.Value) {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("yaml"); name != "" && name != "-" {
			fields[name] = v.Field(i)
		}
	}
	d.each(n, func(key, val *yaml.Node) {
		field, ok := fields[key.Value]
		if !ok {
			d.mistake(key, "unknown key %q%s; known here: %s", key.Value, inside(path),
				strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
			return
		}
		d.value(join(path, key.Value), val, field)
	})
}

func inside(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}

func (d *Document) mapping(path string, n *yaml.Node, v reflect.Value) {
	fresh := reflect.MakeMap(v.Type())
	d.each(n, func(key, val *yaml.Node) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(join(path, key.Value), val, item)
		fresh.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), item)
	})
	v.Set(fresh)
}

func (d *Document) sequence(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.ScalarNode && v.Type() == reflect.TypeFor[List]() {
		var one string
		d.scalar(n, reflect.ValueOf(&one).Elem())
		v.Set(reflect.ValueOf(List{one}))
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.mistake(n, "want a list here (- item, or [a, b]), not %s", describe(n))
		return
	}
	fresh := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(fmt.Sprintf("%s[%d]", path, i), item, fresh.Index(i))
	}
	v.Set(fresh)
}

func (d *Document) text(n *yaml.Node, u encoding.TextUnmarshaler) {
	if n.Kind != yaml.ScalarNode {
		d.mistake(n, "want a single value here, not %s", describe(n))
		return
	}
	if err := u.UnmarshalText([]byte(n.Value)); err != nil {
		d.mistake(n, "%v", err)
	}
}

func (d *Document) scalar(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.mistake(n, "want a single value here, not %s", describe(n))
		return
	}
	switch v.Kind() {
	case reflect.String:
		// 14.3 unquoted is a number to YAML; refusing it beats reading 14.30 as 14.3.
		if n.Tag != "!!str" && n.Tag != "!!timestamp" {
			d.mistake(n, "want text here, not %s: put it in quotes", describe(n))
			return
		}
		v.SetString(n.Value)
	case reflect.Bool:
		if n.Tag != "!!bool" {
			d.mistake(n, "want true or false here, not %s", describe(n))
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case reflect.Int, reflect.Int64:
		d.integer(n, v)
	default:
		panic("strictyaml: cannot decode into " + v.Type().String())
	}
}

func (d *Document) integer(n *yaml.Node, v reflect.Value) {
	i, err := strconv.ParseInt(n.Value, 10, v.Type().Bits())
	if n.Tag != "!!int" || err != nil {
		d.mistake(n, "want a whole number here, not %s", describe(n))
		return
	}
	v.SetInt(i)
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return "the truth value " + n.Value
	}
	return strconv.Quote(n.Value)
}
