// Package strictyaml reads the project's YAML files the way a security control has to: an unknown
// key, a wrong type, a second document, a repeated key, an alias or a tag is a mistake, every
// mistake is found in one pass, and each names file, line and column.
//
// It is the one package below the six rooms, because catalog, policy and cmd/sepproxy each read a
// format of their own and a misspelt key must mean the same in all of them.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// MaxSize is the largest file that Decode reads, in bytes.
const MaxSize = 64 << 20

// A Mistake is one thing wrong with a file. Line and Column count from 1; they are 0 where the
// mistake belongs to the file as a whole.
type Mistake struct {
	File         string
	Line, Column int
	Message      string
}

// Error is "file:line:column: message".
func (m Mistake) Error() string {
	if m.Line == 0 {
		return m.File + ": " + m.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, m.Column, m.Message)
}

// Mistakes is everything wrong with a file, in the order of its lines. An empty Mistakes is not
// an error: return Document.Err, which knows.
type Mistakes []Mistake

// Error has a line for each mistake.
func (ms Mistakes) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.Error()
	}
	return strings.Join(lines, "\n")
}

// A List is texts, of which a file may write a single one without the brackets of a list.
type List []string

// A Document remembers where each value of a decoded file stood, so that whoever checks meaning
// after Decode can say where a mistake is. The zero value is not useful; Decode makes it.
type Document struct {
	file      string
	positions map[string]*yaml.Node // by path: "allow[2].url"
	mistakes  Mistakes
	empty     bool
}

// File is the name that mistakes begin with.
func (d *Document) File() string { return d.file }

// Has tells whether the file gives a value at path, e.g. "clients" or "clients[0].groups". A key
// that is present with a null value counts as given.
func (d *Document) Has(path string) bool {
	_, ok := d.positions[path]
	return ok
}

// Empty tells whether the file says nothing at all: it has no bytes, or only comments, or a null.
func (d *Document) Empty() bool { return d.empty }

// Position gives line and column of the value at path, or of the nearest enclosing value that the
// file does give; 0, 0 for an empty file.
func (d *Document) Position(path string) (line, column int) {
	for {
		if n, ok := d.positions[path]; ok {
			return n.Line, n.Column
		}
		if path == "" {
			return 0, 0
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

// Errorf records a mistake at the value that stands at path ("" is the whole document).
func (d *Document) Errorf(path, format string, args ...any) {
	line, column := d.Position(path)
	d.add(line, column, fmt.Sprintf(format, args...))
}

// Err is nil when nothing is wrong so far, and a Mistakes, sorted by line, otherwise.
func (d *Document) Err() error {
	if len(d.mistakes) == 0 {
		return nil
	}
	ms := slices.Clone(d.mistakes)
	slices.SortStableFunc(ms, func(a, b Mistake) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return ms
}

func (d *Document) add(line, column int, message string) {
	d.mistakes = append(d.mistakes, Mistake{d.file, line, column, message})
}

// Decode reads the one YAML document in data into out, a pointer to a struct whose fields carry
// `yaml:"name"` tags, and keeps what out already holds where the file says nothing (defaults).
// A slice or map that the file gives replaces the one in out. Fields may be structs, slices,
// map[string]T, pointers, strings, bools, integers and anything with UnmarshalText.
//
// The Document is never nil. The mistakes found so far are in its Err; a caller that checks more adds its
// own with Errorf and asks Err once. An empty file is fine and changes nothing.
func Decode(file string, data []byte, out any) *Document {
	d := &Document{file: file, positions: map[string]*yaml.Node{}}
	if len(data) > MaxSize {
		d.add(0, 0, fmt.Sprintf("the file has %d bytes, more than the %d that are read", len(data), MaxSize))
		return d
	}
	root, ok := d.parse(data)
	d.empty = ok && root == nil
	if ok && root != nil {
		d.decodeInto("", root, out)
	}
	return d
}

// parse gives the root value of the only document; nil and true for an empty file.
func (d *Document) parse(data []byte) (*yaml.Node, bool) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	switch err := dec.Decode(&first); {
	case errors.Is(err, io.EOF):
		return nil, true
	case err != nil:
		d.syntax(err)
		return nil, false
	}
	switch err := dec.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		d.syntax(err)
		return nil, false
	default:
		d.add(second.Line, second.Column, "a second document: a file holds one; remove the line ---")
		return nil, false
	}
	if len(first.Content) == 0 || isNull(first.Content[0]) {
		return nil, true
	}
	return first.Content[0], true
}
