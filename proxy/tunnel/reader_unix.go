//go:build unix

package tunnel

import "syscall"

const canReadRaw = true

func readFD(fd uintptr, p []byte) (int, error) { return syscall.Read(int(fd), p) }
