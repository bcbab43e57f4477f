//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A short real run: every program that is here counts the same transactions.
func TestProgramsReadTheSameTransactions(t *testing.T) {
	const transactions = 300
	dir := t.TempDir()
	l, err := generate(dir, transactions, 1)
	if err != nil {
		t.Fatal(err)
	}
	again, err := generate(t.TempDir(), transactions, 1)
	if err != nil || again.squidLen != l.squidLen {
		t.Errorf("the same seed gives %+v and %+v, %v", l, again, err)
	}
	readers, missing, err := readersOf(t.Context(), dir, l)
	if err != nil {
		t.Fatal(err)
	}
	if len(missing) > 0 && os.Getenv("CI") != "" {
		t.Errorf("not installed: %v", missing)
	}
	for _, r := range slices.Backward(readers) { // the first one last: it checks the chain
		if err := r.measure(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
	}
	var ours struct {
		Transactions int
		Trail        struct{ Intact bool }
	}
	read(t, filepath.Join(dir, "report.json"), &ours)
	if ours.Transactions != transactions || !ours.Trail.Intact {
		t.Errorf("sepproxy read %+v", ours)
	}
	if _, err := exec.LookPath("goaccess"); err == nil {
		var theirs struct {
			General struct {
				Valid int `json:"valid_requests"`
			}
		}
		read(t, filepath.Join(dir, "goaccess.json"), &theirs)
		if theirs.General.Valid != transactions {
			t.Errorf("goaccess read %+v", theirs)
		}
	}
	var page bytes.Buffer
	describe(&page, options{transactions: transactions, repeat: 1}, l, readers)
	if !regexp.MustCompile(`\| sepproxy report \| [^|]+ \| [1-9][0-9.]* \| 1\.00 \| `).Match(page.Bytes()) {
		t.Errorf("got\n%s", &page)
	}
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func TestProgramThatFailsIsToldOf(t *testing.T) {
	r := reader{name: "ls", command: []string{"ls", "/there-is-none"}}
	if err := r.measure(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "there-is-none") {
		t.Errorf("got %v", err)
	}
}

func TestOnlyTheMeasuredPartIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	for page, want := range map[string]string{
		"before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n": "before\n<!-- measured: begin -->\nnew\n<!-- measured: end -->\nafter\n",
		"no marks\n": "",
	} {
		if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
		err := replacePart(path, "new\n")
		got, readErr := os.ReadFile(path)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if want == "" && (err == nil || string(got) != page) || want != "" && (err != nil || string(got) != want) {
			t.Errorf("%q became %q, %v", page, got, err)
		}
	}
}
