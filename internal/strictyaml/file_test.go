package strictyaml

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadFileReadsRegularFilesAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "link.yaml")
	if err := os.WriteFile(path, []byte("a: b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, good := range []string{path, link} {
		if data, err := ReadFile(good); err != nil || string(data) != "a: b\n" {
			t.Errorf("%s: %q, %v", good, data, err)
		}
	}
	for _, bad := range []string{dir, "/dev/zero", "/dev/null"} {
		if data, err := ReadFile(bad); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %d bytes, %v", bad, len(data), err)
		}
	}
}
