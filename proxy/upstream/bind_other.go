//go:build !linux

package upstream

import "syscall"

func bindLate(string, string, syscall.RawConn) error { return nil }
