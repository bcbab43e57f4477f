// Package sepproxy_test holds the rules of the house that a program can check: which room may use
// which, that every exported name is documented, and how long files and functions may grow.
package sepproxy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sepproxy/sepproxy"

// arrows gives, for each package, the packages of ours that it may import. A package that is not
// here does not belong to the house: give it its place first, in DEVELOPERS.md too.
var arrows = map[string][]string{
	"internal/strictyaml": {},
	"catalog":             {"internal/strictyaml"},
	"catalog/vendorpage":  {"catalog"},
	"audit":               {},
	"policy":              {"catalog", "internal/strictyaml"},
	"proxy":               {"audit", "catalog", "policy", "proxy/hello", "proxy/tunnel", "proxy/upstream"},
	"proxy/hello":         {},
	"proxy/tunnel":        {},
	"proxy/upstream":      {},
	"report":              {"audit", "catalog", "internal/strictyaml"},
	"report/live":         {"audit", "report"},
	"report/page":         {"catalog", "report"},
	"admin":               {},
	"e2e":                 {},
	"bench":               {"bench/figure", "bench/load", "bench/origin", "bench/program", "catalog", "policy"},
	"bench/figure":        {},
	"bench/load":          {"bench/origin"},
	"bench/origin":        {},
	"bench/program":       {"bench/load", "bench/origin"},
	"bench/report":        {"audit", "bench/figure", "catalog"},
	"cmd/sepproxy":        {"admin", "audit", "catalog", "catalog/vendorpage", "internal/strictyaml", "policy", "proxy", "proxy/upstream", "report", "report/live", "report/page"},
}

// Budgets in lines. What is over them wants to be two things.
const (
	longestFile     = 500
	longestFunction = 80
)

func TestArrows(t *testing.T) {
	inUse := map[string]bool{}
	for _, f := range house(t) {
		if f.dir == "." {
			continue
		}
		inUse[f.dir] = true
		allowed, listed := arrows[f.dir]
		if !listed {
			t.Errorf("%s: the package has no place in the house", f.path)
			continue
		}
		for _, spec := range f.syntax.Imports {
			imported := ours(spec)
			if f.test || imported == "" || slices.Contains(allowed, imported) {
				continue
			}
			t.Errorf("%s imports %s, and %s may import %q alone", f.at(spec), imported, f.dir, allowed)
		}
	}
	for dir := range arrows {
		if !inUse[dir] {
			t.Errorf("%s is in the map of arrows, and there is no such package", dir)
		}
	}
}

// ours gives the directory of an imported package of this module, and "" for others.
func ours(spec *ast.ImportSpec) string {
	name, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return ""
	}
	dir, found := strings.CutPrefix(name, module+"/")
	if !found {
		return ""
	}
	return dir
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	said := map[string]int{}
	for _, f := range house(t) {
		if f.syntax.Doc != nil {
			said[f.dir]++
		}
	}
	for dir := range arrows {
		if said[dir] != 1 {
			t.Errorf("%s has %d package comments, want one", dir, said[dir])
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, f := range house(t) {
		if f.test {
			continue
		}
		for _, decl := range f.syntax.Decls {
			for _, name := range undocumented(decl) {
				t.Errorf("%s: %s is exported and has no comment", f.at(name), name.Name)
			}
		}
	}
}

// undocumented gives the exported names of a declaration that nothing is said about. A comment on a
// group of constants or variables is about each of them.
func undocumented(decl ast.Decl) []*ast.Ident {
	if fn, ok := decl.(*ast.FuncDecl); ok {
		if fn.Doc == nil && fn.Name.IsExported() && exportedReceiver(fn) {
			return []*ast.Ident{fn.Name}
		}
		return nil
	}
	var names []*ast.Ident
	group := decl.(*ast.GenDecl)
	for _, spec := range group.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Doc == nil && s.Comment == nil && (group.Doc == nil || group.Lparen.IsValid()) {
				names = append(names, s.Name)
			}
		case *ast.ValueSpec:
			if s.Doc == nil && s.Comment == nil && group.Doc == nil {
				names = append(names, s.Names...)
			}
		}
	}
	return slices.DeleteFunc(names, func(name *ast.Ident) bool { return !name.IsExported() })
}

// exportedReceiver is true for functions, and for methods that somebody outside can call by name.
func exportedReceiver(fn *ast.FuncDecl) bool {
	if fn.Recv == nil {
		return true
	}
	typ := fn.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if generic, ok := typ.(*ast.IndexExpr); ok {
		typ = generic.X
	}
	name, ok := typ.(*ast.Ident)
	return ok && name.IsExported()
}

func TestNothingGrowsTooLong(t *testing.T) {
	for _, f := range house(t) {
		if f.lines > longestFile {
			t.Errorf("%s has %d lines, more than %d", f.path, f.lines, longestFile)
		}
		for _, decl := range f.syntax.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || f.test {
				continue
			}
			if n := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1; n > longestFunction {
				t.Errorf("%s: %s has %d lines, more than %d", f.at(fn), fn.Name.Name, n, longestFunction)
			}
		}
	}
}

func TestFuzzTargetsHaveSeeds(t *testing.T) {
	found := 0
	for _, f := range house(t) {
		for _, decl := range f.syntax.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || !f.test || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Fuzz") {
				continue
			}
			found++
			stored, _ := os.ReadDir(filepath.Join(f.dir, "testdata", "fuzz", fn.Name.Name)) // none is fine
			if !addsSeeds(fn) && len(stored) == 0 {
				t.Errorf("%s: %s begins from nothing: give it f.Add or files in testdata/fuzz", f.at(fn), fn.Name.Name)
			}
		}
	}
	if found == 0 {
		t.Error("there are no fuzz targets")
	}
}

// addsSeeds tells whether a fuzz target calls Add on its *testing.F.
func addsSeeds(fn *ast.FuncDecl) (adds bool) {
	f := fn.Type.Params.List[0].Names[0].Name
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if method, ok := call.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == "Add" {
				on, ok := method.X.(*ast.Ident)
				adds = adds || (ok && on.Name == f)
			}
		}
		return true
	})
	return adds
}

// A file is a Go file of the project, whatever system it is for.
type file struct {
	path, dir string // dir is "." or slash-separated, as an import path goes on
	test      bool
	lines     int
	fset      *token.FileSet
	syntax    *ast.File
}

func (f *file) at(n ast.Node) string { return f.fset.Position(n.Pos()).String() }

// house parses every Go file below the root.
func house(t *testing.T) []*file {
	t.Helper()
	var files []*file
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		f := &file{path: name, dir: path.Dir(filepath.ToSlash(name)), test: strings.HasSuffix(name, "_test.go"), fset: token.NewFileSet()}
		if f.syntax, err = parser.ParseFile(f.fset, name, nil, parser.ParseComments|parser.SkipObjectResolution); err != nil {
			return err
		}
		f.lines = f.fset.File(f.syntax.FileStart).LineCount()
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < len(arrows) {
		t.Fatalf("only %d Go files found", len(files))
	}
	return files
}
