//go:build unix

package main

import "golang.org/x/sys/unix"

// descriptors is how many this process may open. The Go runtime has raised the soft limit to the
// hard one before.
func descriptors() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 1024
	}
	return int(min(l.Cur, 1<<24))
}
