package upstream

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// bindLate has the kernel choose the source port at connect, when it knows the destination: then a
// source address has its ports once for each destination rather than once in all.
func bindLate(c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
	if err != nil {
		return err
	}
	return failed
}
