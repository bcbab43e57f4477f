//go:build unix

package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What is written replaces what was there: of a device nothing but its name would be left.
func TestAReportReplacesNoDevice(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	f := reportFlags{output: pipe}
	if err := f.write(func(io.Writer) error { return nil }, io.Discard); err == nil {
		t.Error("no error")
	}
	if info, err := os.Lstat(pipe); err != nil || info.Mode().Type() != os.ModeNamedPipe {
		t.Errorf("%v, %v is left of it", info, err)
	}
}
