//go:build linux || darwin || freebsd

package audit

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func diskFreeRatio(dir string) (float64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	if s.Blocks == 0 {
		return 0, fmt.Errorf("the file system does not tell its size: %w", errors.ErrUnsupported)
	}
	return float64(s.Bavail) / float64(s.Blocks), nil
}

// syncDir makes renames and new names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
