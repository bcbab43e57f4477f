package sepproxy_test

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestTestsNamedInTheDocsExist: a promise in docs/ is worth what its test is.
func TestTestsNamedInTheDocsExist(t *testing.T) {
	exist := map[string]bool{}
	for _, f := range house(t) {
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && f.test {
				exist[fn.Name.Name] = true
			}
		}
	}
	pages, err := filepath.Glob("docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages in docs, %v", len(pages), err)
	}
	for _, page := range pages {
		for _, name := range regexp.MustCompile(`\b(Test|Fuzz)[A-Z][A-Za-z]+`).FindAllString(read(t, page), -1) {
			if !exist[name] {
				t.Errorf("%s names %s, which there is not", page, name)
			}
		}
	}
}

// TestREADMETellsEveryReason wants each reason code of policy and proxy explained to people.
func TestREADMETellsEveryReason(t *testing.T) {
	readme := read(t, "README.md")
	codes := 0
	for _, f := range house(t) {
		if f.test || (f.dir != "policy" && f.dir != "proxy") {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || !isReason(spec.Type) {
				return true
			}
			for _, value := range spec.Values {
				lit, ok := value.(*ast.BasicLit)
				if !ok {
					continue
				}
				codes++
				code, _ := strconv.Unquote(lit.Value)
				if !strings.Contains(readme, "`"+code+"`") {
					t.Errorf("%s: README.md does not tell what %s means", f.at(lit), code)
				}
			}
			return true
		})
	}
	if codes < 20 {
		t.Errorf("only %d reason codes found", codes)
	}
}

func isReason(typ ast.Expr) bool {
	if qualified, ok := typ.(*ast.SelectorExpr); ok {
		return qualified.Sel.Name == "Reason"
	}
	name, ok := typ.(*ast.Ident)
	return ok && name.Name == "Reason"
}

var link = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)

// TestLinksLeadSomewhere follows the links of the documentation inside the project.
func TestLinksLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	followed := 0
	for _, page := range append(pages, "README.md", "DEVELOPERS.md", "SECURITY.md", "CHANGELOG.md") {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			followed++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
	if followed == 0 {
		t.Error("there are no links")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
