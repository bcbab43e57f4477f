//go:build linux

// Package program starts the proxies that are measured, each as its operator would configure it,
// and reads what they use.
package program

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/sepproxy/sepproxy/bench/load"
	"github.com/sepproxy/sepproxy/bench/origin"
)

// A Site is what all programs have in common.
type Site struct {
	Self   string // this program, which knows the roles
	Dir    string // for everything that is written
	Origin origin.Ports
}

// A Kind is a proxy that can be started.
type Kind struct {
	Name string
	// Descriptors is how many a tunnel takes, to know how many tunnels there can be.
	Descriptors int
	// NeedsHosts tells that it finds names in /etc/hosts only.
	NeedsHosts bool
	// dropsRoot: as root it would become another user, and then not end with the runner.
	dropsRoot bool
	// Ours tells that it is a build of sepproxy.
	Ours bool
	// command writes the configuration into dir and gives the program with its arguments.
	command func(s *Site, dir string, port int) ([]string, error)
	// relays: it speaks no protocol; three ports, from port on, lead to those of the origin.
	relays bool
}

// Capacity is how many tunnels the limit of descriptors lets it have, and some to spare.
func (k *Kind) Capacity() int { return (int(DescriptorLimit()) - 1000) / k.Descriptors }

// A Running is a proxy at work. Stop has to be called once.
type Running struct {
	*Process
	Kind  *Kind
	Route load.Route
}

// Start starts a proxy and waits until it listens. place.Hosts is filled in where the kind needs it.
func (s *Site) Start(ctx context.Context, k *Kind, place Place) (*Running, error) {
	dir, err := os.MkdirTemp(s.Dir, k.Name+"-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // squid and others become another user
		return nil, err
	}
	port, err := freePorts(4)
	if err != nil {
		return nil, err
	}
	command, err := k.command(s, dir, port)
	if err != nil {
		return nil, fmt.Errorf("configuring %s: %w", k.Name, err)
	}
	if k.NeedsHosts {
		place.Hosts = s.hosts()
	}
	if k.dropsRoot && os.Geteuid() == 0 {
		place.UID = Nobody
	}
	p, err := Start(ctx, s.Self, dir, place, command...)
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	if err := p.Listening(ctx, address); err != nil {
		p.Stop()
		return nil, fmt.Errorf("starting %s: %w", k.Name, err)
	}
	r := &Running{Process: p, Kind: k, Route: load.Route{Proxy: address, Ports: s.Origin}}
	if k.relays {
		r.Route = load.Route{Ports: origin.PortsOf([]int{port, port + 1, port + 2})}
	}
	return r, nil
}

// hosts is the file of names for those who read one.
func (s *Site) hosts() string { return filepath.Join(s.Dir, "hosts") }

// WriteHosts writes the file that leads every name to the origin. It comes before the first Start.
func (s *Site) WriteHosts() error {
	return write(s.hosts(), "127.0.0.1 localhost\n"+each(func(name, address string) string { return address + " " + name + "\n" }))
}

// each joins what line gives for every name and its address.
func each(line func(name, address string) string) string {
	var b strings.Builder
	for i := range load.Names {
		b.WriteString(line(load.Name(i), load.Address(i)))
	}
	return b.String()
}

func write(path, text string) error {
	return os.WriteFile(path, []byte(text), 0o644) //nolint:gosec // other users read it
}

// nextPort goes up, so that no port is handed out twice.
var nextPort = 20000

// freePorts gives the first of n ports in a row that nobody listens on. They are below those that the
// system takes for outgoing connections.
func freePorts(n int) (int, error) {
	for nextPort+n < 32000 {
		first := nextPort
		nextPort += n
		if free(first, n) {
			return first, nil
		}
	}
	return 0, fmt.Errorf("no %d free ports in a row", n)
}

func free(first, n int) bool {
	for port := first; port < first+n; port++ {
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
