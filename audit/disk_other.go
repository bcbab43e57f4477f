//go:build !(linux || darwin || freebsd)

package audit

import "errors"

func diskFreeRatio(string) (float64, error) { return 0, errors.ErrUnsupported }

// syncDir does nothing: a directory cannot be fsynced here.
func syncDir(string) error { return nil }
