//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
)

// debian are the programs that are packages of Debian, by the same name.
var debian = []string{"squid", "tinyproxy"}

// install installs what of a list Debian has and is missing, where this runs as root and there is apt-get.
// What is missing all the same is found when it should start.
func install(ctx context.Context, log io.Writer, names []string) {
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil || !isRoot() || !slices.Contains(debian, name) {
			continue
		}
		fmt.Fprintf(log, "installing %s with apt-get\n", name)
		for _, args := range [][]string{{"update", "-qq"}, {"install", "-qq", "--no-install-recommends", name}} {
			apt := exec.CommandContext(ctx, "apt-get", args...) //nolint:gosec // names of our own list
			// The package's service is not started: systemctl then does not talk to the system.
			apt.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_OFFLINE=1")
			if said, err := apt.CombinedOutput(); err != nil {
				fmt.Fprintf(log, "apt-get %s: %v\n%s", args[0], err, said)
			}
		}
	}
}

func isRoot() bool { return os.Geteuid() == 0 }
