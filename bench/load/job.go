//go:build linux

// Package load is the client of the proxies that are measured: a process that does one job after
// the other, and the runner's handle on it.
package load

import (
	"fmt"

	"github.com/sepproxy/sepproxy/bench/origin"
)

// Names is how many names the allowlists have. Each has an address of its own: Address.
const Names = 60

// Name gives the i-th name, counted around.
func Name(i int) string { return fmt.Sprintf("host-%02d.bench.test", i%Names+1) }

// Address gives the loopback address of the i-th name, so that ports to the origin are as plentiful
// as they are towards many servers.
func Address(i int) string { return fmt.Sprintf("127.0.1.%d", i%Names+1) }

// A Route is the way to the origin.
type Route struct {
	// Proxy is asked by CONNECT, or for the whole URL; "" goes to the Ports on 127.0.0.1 directly.
	Proxy string
	Ports origin.Ports
}

// An Op is a kind of job.
type Op string

// What the generator does.
const (
	Tunnels Op = "tunnels" // Count tunnels: set up, first bytes, a byte back, close; samples: µs of each set-up
	Hold    Op = "hold"    // Count tunnels more, each after a byte each way, kept open
	Release Op = "release" // closes what is held
	Bulk    Op = "bulk"    // Bytes over the last Workers tunnels that are held
	Pings   Op = "pings"   // Count round trips of a byte over the last tunnel that is held; samples: µs of each
	Gets    Op = "gets"    // Count requests over plain HTTP
	Refusal Op = "refusal" // a tunnel to a name that is on no list; fails unless the proxy says no
)

// A Job is what the generator is asked for.
type Job struct {
	Op      Op
	Route   Route
	Count   int
	Workers int // at a time
	TLS     bool
	Upload  bool
	Bytes   int64
}

// A result is what became of a Job.
type result struct {
	Samples []float64
	Error   string // "": everything went well
}
