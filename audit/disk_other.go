//go:build !(linux || darwin || freebsd)

package audit

import (
	"errors"
	"io/fs"
)

func diskFreeRatio(string) (float64, error) { return 0, errors.ErrUnsupported }

// nameless is always false: an open file cannot be removed here, or it is not known.
func nameless(fs.FileInfo) bool { return false }

// syncDir does nothing: a directory cannot be fsynced here.
func syncDir(string) error { return nil }
