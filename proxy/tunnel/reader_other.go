//go:build !unix

package tunnel

import "syscall"

const canReadRaw = false

func readFD(uintptr, []byte) (int, error) { return 0, syscall.ENOSYS }
