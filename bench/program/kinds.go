//go:build linux

package program

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sepproxy/sepproxy/bench/load"
)

// Relay is the floor: bytes from one socket to another, no protocol, no rules, no log.
var Relay = &Kind{Name: "relay", Descriptors: 6, relays: true, command: func(s *Site, _ string, port int) ([]string, error) {
	command := []string{s.Self, "relay"}
	for i, target := range s.Origin.List() {
		command = append(command, fmt.Sprintf("127.0.0.1:%d=127.0.0.1:%d", port+i, target))
	}
	return command, nil
}}

// Goproxy is the small program that one writes with a library: see Goproxy's role.
var Goproxy = &Kind{Name: "goproxy", Descriptors: 6, command: func(s *Site, dir string, port int) ([]string, error) {
	return []string{s.Self, "goproxy", fmt.Sprintf("127.0.0.1:%d", port), filepath.Join(dir, "access.log")}, nil
}}

// Squid is Debian's, one worker, without a cache.
var Squid = &Kind{Name: "squid", Descriptors: 2, dropsRoot: true, command: func(s *Site, dir string, port int) ([]string, error) {
	names := filepath.Join(dir, "names")
	if err := write(names, each(func(name, _ string) string { return name + "\n" })); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "squid.conf")
	err := write(config, strings.NewReplacer("DIR", dir, "NAMES", names, "HOSTS", s.hosts(), "PORT", strconv.Itoa(port)).Replace(squidConfig))
	return []string{"squid", "-N", "-d", "1", "-f", config}, err
}}

const squidConfig = `http_port 127.0.0.1:PORT
acl listed dstdomain "NAMES"
http_access allow listed
http_access deny all
access_log stdio:DIR/access.log
cache_log DIR/cache.log
cache_store_log none
cache deny all
cache_mem 0
hosts_file HOSTS
pid_filename none
netdb_filename none
coredump_dir DIR
pinger_enable off
max_filedescriptors 20000
shutdown_lifetime 0 seconds
`

// Tinyproxy is Debian's, with a thread for each connection.
var Tinyproxy = &Kind{Name: "tinyproxy", Descriptors: 2, NeedsHosts: true, command: func(s *Site, dir string, port int) ([]string, error) {
	filter := filepath.Join(dir, "filter")
	err := write(filter, each(func(name, _ string) string { return "^" + strings.ReplaceAll(name, ".", `\.`) + "$\n" }))
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "tinyproxy.conf")
	err = write(config, strings.NewReplacer("DIR", dir, "FILTER", filter, "NUMBER", strconv.Itoa(port)).Replace(tinyproxyConfig))
	return []string{"tinyproxy", "-d", "-c", config}, err
}}

const tinyproxyConfig = `Port NUMBER
Listen 127.0.0.1
Timeout 3600
MaxClients 10000
Filter "FILTER"
FilterDefaultDeny Yes
FilterExtended On
LogFile "DIR/access.log"
LogLevel Connect
`

// Sepproxy gives ours, built as binary, with audit trail, policy, guard and metrics on. The name
// tells two builds apart.
func Sepproxy(name, binary string) *Kind {
	return &Kind{Name: name, Descriptors: 2, Ours: true, command: func(s *Site, dir string, port int) ([]string, error) {
		policy := "allow:\n" + each(func(name, _ string) string {
			return fmt.Sprintf("  - {url: \"https://%[1]s:%[2]d\"}\n  - {url: \"https://%[1]s:%[3]d\"}\n  - {url: \"http://%[1]s:%[4]d\"}\n",
				name, s.Origin.Plain, s.Origin.TLS, s.Origin.HTTP)
		})
		if err := write(filepath.Join(dir, "policy.yaml"), policy); err != nil {
			return nil, err
		}
		config := filepath.Join(dir, "config.yaml")
		err := write(config, fmt.Sprintf(sepproxyConfig, port, port+1)+each(func(name, address string) string {
			return fmt.Sprintf("    %s: [%s]\n", name, address)
		}))
		return []string{binary, "serve", "--config", config}, err
	}}
}

const sepproxyConfig = `listen: [{address: "127.0.0.1:%d"}]
admin: {address: "127.0.0.1:%d"}
policy: {path: policy.yaml}
audit: {path: audit.jsonl, sync: interval}
tunnel: {sni: require}
limits: {connections_per_client: 0, requests_per_client: 0}
upstream:
  hosts:
`

// addressOf leads each name to its address.
func addressOf() map[string]string {
	addresses := map[string]string{}
	for i := range load.Names {
		addresses[load.Name(i)] = load.Address(i)
	}
	return addresses
}
