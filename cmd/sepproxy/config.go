package main

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"go.uber.org/zap/zapcore"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/catalog"
	"github.com/sepproxy/sepproxy/internal/strictyaml"
	"github.com/sepproxy/sepproxy/proxy"
)

// A config is config.yaml: the process, as opposed to the policy. It is read once, at the start.
type config struct {
	Listen   []listenConfig `yaml:"listen"`
	Admin    adminConfig    `yaml:"admin"`
	Policy   policyConfig   `yaml:"policy"`
	Audit    auditConfig    `yaml:"audit"`
	Upstream upstreamConfig `yaml:"upstream"`
	Tunnel   tunnelConfig   `yaml:"tunnel"`
	Timeouts timeoutsConfig `yaml:"timeouts"`
	Limits   limitsConfig   `yaml:"limits"`
	Log      logConfig      `yaml:"log"`

	doc       *strictyaml.Document        // the file; nil for the defaults
	hosts     map[string][]netip.AddrPort // Upstream.Hosts, read
	resolvers []netip.AddrPort            // Upstream.Resolvers, read
}

type listenConfig struct {
	Address string `yaml:"address"`
}

type policyConfig struct {
	Path string `yaml:"path"`
}

type auditConfig struct {
	Path         string           `yaml:"path"`
	Sync         audit.SyncMode   `yaml:"sync"`
	SyncInterval duration         `yaml:"sync_interval"`
	OnError      onError          `yaml:"on_error"`
	Rotate       rotateConfig     `yaml:"rotate"`
	Checkpoint   checkpointConfig `yaml:"checkpoint"`
}

type checkpointConfig struct {
	Path    string   `yaml:"path"`
	Every   duration `yaml:"every"`
	KeyFile string   `yaml:"key_file"`
}

type rotateConfig struct {
	Size     size     `yaml:"size"`
	Every    duration `yaml:"every"`
	Keep     duration `yaml:"keep"`
	MaxTotal size     `yaml:"max_total"`
	Compress bool     `yaml:"compress"`
}

type upstreamConfig struct {
	Resolvers  []string            `yaml:"resolvers"`
	Hosts      map[string][]string `yaml:"hosts"`
	AllowCIDRs []network           `yaml:"allow_cidrs"`
	Bind       []netip.Addr        `yaml:"bind"`
}

type tunnelConfig struct {
	SNI sniMode `yaml:"sni"`
}

type timeoutsConfig struct {
	Header      duration `yaml:"header"`
	Connect     duration `yaml:"connect"`
	ClientHello duration `yaml:"client_hello"`
	KeepAlive   duration `yaml:"keepalive"`
	Idle        duration `yaml:"idle"`
	Drain       duration `yaml:"drain"`
}

type limitsConfig struct {
	Connections          int  `yaml:"connections"`
	ConnectionsPerClient int  `yaml:"connections_per_client"`
	RequestsPerClient    int  `yaml:"requests_per_client"`
	HeaderBytes          size `yaml:"header_bytes"`
}

type logConfig struct {
	Level  logLevel  `yaml:"level"`
	Format logFormat `yaml:"format"`
}

// defaultConfig is what holds where config.yaml says nothing, or where there is none.
func defaultConfig() *config {
	return &config{
		Listen: []listenConfig{{Address: "127.0.0.1:3128"}},
		Admin:  adminConfig{Address: "127.0.0.1:9128"},
		Audit: auditConfig{
			Path: "audit.jsonl", Sync: audit.SyncInterval, SyncInterval: duration(time.Second), OnError: onErrorDeny,
			Rotate:     rotateConfig{Size: 256 << 20, Every: duration(24 * time.Hour), Keep: duration(90 * 24 * time.Hour), Compress: true},
			Checkpoint: checkpointConfig{Every: duration(time.Minute)},
		},
		Tunnel: tunnelConfig{SNI: sniMode(proxy.SNIRequire)},
		Timeouts: timeoutsConfig{
			Header: duration(10 * time.Second), Connect: duration(10 * time.Second), ClientHello: duration(10 * time.Second),
			KeepAlive: duration(time.Minute), Idle: duration(time.Hour), Drain: duration(30 * time.Second),
		},
		Limits: limitsConfig{ConnectionsPerClient: 4096, RequestsPerClient: 1000, HeaderBytes: 32 << 10},
		Log:    logConfig{Level: "info", Format: logConsole},
	}
}

// loadConfig reads the file at path; "" gives the defaults. Its error holds every mistake; the
// config is what could be read all the same, nil where that was nothing.
func loadConfig(path string) (*config, error) {
	c := defaultConfig()
	if path == "" {
		return c, nil
	}
	data, err := strictyaml.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	doc := strictyaml.Decode(path, data, c)
	c.check(doc)
	c.doc = doc
	// Relative paths count from the file that names them, wherever the process was started.
	dir := filepath.Dir(path)
	c.Policy.Path = relativeTo(dir, c.Policy.Path)
	c.Admin.TokenFile = relativeTo(dir, c.Admin.TokenFile)
	c.Audit.Checkpoint.Path = relativeTo(dir, c.Audit.Checkpoint.Path)
	c.Audit.Checkpoint.KeyFile = relativeTo(dir, c.Audit.Checkpoint.KeyFile)
	if doc.Has("audit.path") && c.Audit.Path != "-" {
		c.Audit.Path = relativeTo(dir, c.Audit.Path)
	}
	return c, doc.Err()
}

func relativeTo(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// check finds what is well typed and still makes no sense.
func (c *config) check(doc *strictyaml.Document) {
	if len(c.Listen) == 0 {
		doc.Errorf("listen", "there is no address to listen on")
	}
	for i, l := range c.Listen {
		checkAddress(doc, fmt.Sprintf("listen[%d].address", i), l.Address)
	}
	c.Admin.check(doc)
	if c.Audit.Path == "" {
		doc.Errorf("audit.path", `there has to be an audit trail: give a file, or "-" for standard output`)
	}
	if (c.Audit.Checkpoint.Path == "") != (c.Audit.Checkpoint.KeyFile == "") {
		doc.Errorf("audit.checkpoint", "checkpoints need both a path and a key_file (make one with: sepproxy audit keygen)")
	}
	c.checkNumbers(doc)
	c.readResolvers(doc)
	c.readHosts(doc)
	for i, a := range c.Upstream.Bind {
		if a.IsUnspecified() || a.IsMulticast() {
			doc.Errorf(fmt.Sprintf("upstream.bind[%d]", i), "want an address of this machine, not %s", a)
		}
	}
}

// maxKeepAlive is what a kernel takes for the time between keep-alive probes: Linux 32767 seconds.
const maxKeepAlive = 9 * time.Hour

func (c *config) checkNumbers(doc *strictyaml.Document) {
	for path, d := range map[string]duration{
		"audit.sync_interval": c.Audit.SyncInterval, "audit.checkpoint.every": c.Audit.Checkpoint.Every, "timeouts.header": c.Timeouts.Header,
		"timeouts.connect": c.Timeouts.Connect, "timeouts.client_hello": c.Timeouts.ClientHello, "timeouts.drain": c.Timeouts.Drain,
	} {
		if d == 0 {
			doc.Errorf(path, "want a time longer than 0 here")
		}
	}
	if k := time.Duration(c.Timeouts.KeepAlive); k != 0 && (k < time.Second || k > maxKeepAlive) {
		doc.Errorf("timeouts.keepalive", "want 0 (none) or 1s to 9h here")
	}
	for path, n := range map[string]int{
		"limits.connections": c.Limits.Connections, "limits.connections_per_client": c.Limits.ConnectionsPerClient,
		"limits.requests_per_client": c.Limits.RequestsPerClient,
	} {
		if n < 0 {
			doc.Errorf(path, "want 0 (no limit of its own) or more here, not %d", n)
		}
	}
	if n := c.Limits.HeaderBytes; n < 1<<10 || n > 1<<20 {
		doc.Errorf("limits.header_bytes", "want 1KiB to 1MiB here")
	}
	if n := c.Audit.Rotate.Size; n != 0 && n < 64<<10 {
		doc.Errorf("audit.rotate.size", "want 0 (never) or at least 64KiB here")
	}
}

func checkAddress(doc *strictyaml.Document, path, address string) {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		doc.Errorf(path, "want an address and port to listen on, such as 127.0.0.1:3128, not %q", address)
	}
}

func (c *config) readResolvers(doc *strictyaml.Document) {
	for i, text := range c.Upstream.Resolvers {
		a, err := addrPort(text, 53)
		if err != nil {
			doc.Errorf(fmt.Sprintf("upstream.resolvers[%d]", i), "want the IP address of a DNS server, with or without a port, not %q", text)
			continue
		}
		c.resolvers = append(c.resolvers, a)
	}
}

func (c *config) readHosts(doc *strictyaml.Document) {
	c.hosts = map[string][]netip.AddrPort{}
	for name, addresses := range c.Upstream.Hosts {
		path := "upstream.hosts." + name
		host, err := catalog.ParseHost(name)
		switch {
		case err != nil:
			doc.Errorf(path, "%v", err)
			continue
		case c.hosts[host] != nil:
			doc.Errorf(path, "%s stands here twice", host)
		case len(addresses) == 0:
			doc.Errorf(path, "want at least one address for %s", host)
		}
		for i, text := range addresses {
			a, err := addrPort(text, 0)
			if err != nil {
				doc.Errorf(fmt.Sprintf("%s[%d]", path, i), "want an IP address, with or without a port, not %q", text)
				continue
			}
			c.hosts[host] = append(c.hosts[host], a)
		}
	}
}

// allowed gives upstream.allow_cidrs.
func (c *config) allowed() []netip.Prefix {
	out := make([]netip.Prefix, len(c.Upstream.AllowCIDRs))
	for i, n := range c.Upstream.AllowCIDRs {
		out[i] = netip.Prefix(n)
	}
	return out
}

func addrPort(text string, port uint16) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(a, port), nil
	}
	return netip.ParseAddrPort(text)
}

// A duration is a time.Duration that also reads days: "90d", "1d12h".
type duration time.Duration

// UnmarshalText reads what time.ParseDuration reads, and d for 24 hours. Less than 0 is an error.
func (d *duration) UnmarshalText(text []byte) error {
	days, rest, ok := strings.Cut(string(text), "d")
	var total time.Duration
	if ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return durationError(text)
		}
		total = time.Duration(n) * 24 * time.Hour
	} else {
		rest = string(text)
	}
	if rest != "" {
		part, err := time.ParseDuration(rest)
		if err != nil || part < 0 {
			return durationError(text)
		}
		total += part
	}
	*d = duration(total)
	return nil
}

func durationError(text []byte) error {
	return fmt.Errorf("want a time such as 10s, 5m, 1h or 90d here, not %q", text)
}

// A size is a number of bytes that reads units: "256MiB".
type size int64

// UnmarshalText reads a number of bytes, with a unit or without.
func (s *size) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n > 1<<62 {
		return fmt.Errorf("want a size such as 32KiB or 256MiB here, not %q", text)
	}
	*s = size(n)
	return nil
}

type onError string

const (
	onErrorDeny  onError = "deny"
	onErrorAllow onError = "allow"
)

// UnmarshalText accepts exactly deny and allow.
func (o *onError) UnmarshalText(text []byte) error {
	return oneOf(o, text, onErrorDeny, onErrorAllow)
}

type sniMode proxy.SNIMode

// UnmarshalText accepts exactly require, verify and off.
func (m *sniMode) UnmarshalText(text []byte) error {
	return oneOf(m, text, sniMode(proxy.SNIRequire), sniMode(proxy.SNIVerify), sniMode(proxy.SNIOff))
}

type logLevel string

// UnmarshalText accepts exactly debug, info, warn and error.
func (l *logLevel) UnmarshalText(text []byte) error {
	return oneOf(l, text, "debug", "info", "warn", "error")
}

// zap gives the level as zap has it.
func (l logLevel) zap() zapcore.Level {
	level, _ := zapcore.ParseLevel(string(l)) // cannot fail: UnmarshalText and the default see to that
	return level
}

// A network is a netip.Prefix with no bits set behind its length.
type network netip.Prefix

// UnmarshalText reads CIDR notation.
func (n *network) UnmarshalText(text []byte) error {
	p, err := netip.ParsePrefix(string(text))
	if err != nil || p != p.Masked() {
		return fmt.Errorf("want a network such as 10.20.0.0/16 here, not %q", text)
	}
	*n = network(p)
	return nil
}

type logFormat string

const (
	logConsole logFormat = "console"
	logJSON    logFormat = "json"
)

// UnmarshalText accepts exactly console and json.
func (f *logFormat) UnmarshalText(text []byte) error {
	return oneOf(f, text, logConsole, logJSON)
}

func oneOf[T ~string](out *T, text []byte, words ...T) error {
	for _, w := range words {
		if T(text) == w {
			*out = w
			return nil
		}
	}
	return fmt.Errorf("want one of %v here, not %q", words, text)
}
