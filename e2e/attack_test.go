//go:build linux

package e2e_test

import (
	"net"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSlowAttacks runs slowhttptest in its four modes: slow headers, slow content, ranges, slow
// reading. During each a well-behaved client is served, and nothing is left of it afterwards.
func TestSlowAttacks(t *testing.T) {
	if _, err := exec.LookPath("slowhttptest"); err != nil {
		missing(t, "slowhttptest is not installed: apt-get install slowhttptest")
	}
	for name, mode := range map[string]string{"slow headers": "-H", "slow content": "-B", "ranges": "-R", "slow reading": "-X"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, settings{hosts: everyHost(echoOrigin(t))})
			attack := exec.CommandContext(t.Context(), "slowhttptest", mode, "-c", "400", "-r", "400", "-l", "3", "-i", "1",
				"-d", p.address, "-u", "http://"+always+"/")
			var said strings.Builder
			attack.Stdout, attack.Stderr = &said, &said
			if err := attack.Start(); err != nil {
				t.Fatal(err)
			}
			over := make(chan error, 1)
			go func() { over <- attack.Wait() }()
			served := 0
			for running := true; running; served++ {
				select {
				case <-over: // its exit code says what it thinks of the result; what counts is below
					running = false
				default:
				}
				p.passes(always)
			}
			if !strings.Contains(said.String(), "slow HTTP test status") || served < 10 {
				t.Errorf("%d requests were served during the attack, which said:\n%s", served, said.String())
			}
			eventually(t, "the end of its connections", func() bool { return p.metrics()["sepproxy_connections_active"] == 0 })
			p.stop()
			p.sound()
		})
	}
}

// TestOutOfDescriptors takes a running proxy's descriptors away, and gives them back.
func TestOutOfDescriptors(t *testing.T) {
	p := start(t, settings{hosts: everyHost(echoOrigin(t))})
	p.passes(always)
	held := openPipe(p, always)
	var before unix.Rlimit
	few := unix.Rlimit{Cur: 30, Max: 30}
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Fatal(err)
	}
	few.Max = before.Max
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
		t.Fatal(err)
	}
	var crowd []net.Conn
	for range 60 {
		c, err := net.Dial("tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		crowd = append(crowd, c)
	}
	p.logged("accepting connections", 1)
	held.echoes() // what is open goes on
	for _, c := range crowd {
		_ = c.Close()
	}
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, &before, nil); err != nil {
		t.Fatal(err)
	}
	p.passes(always)
	held.finish()
	p.stop()
	p.sound()
}
