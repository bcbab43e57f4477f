package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sepproxy/sepproxy/catalog"
)

// A Target is what a client asks for. The zero Target stands for a request that could not be
// parsed and is denied as malformed.
type Target struct {
	Scheme string // "https" for CONNECT, "http" otherwise
	Host   string // normalised, IP addresses without brackets; "" could not be parsed
	Port   uint16
	// Path is as the client sent it, byte for byte, and begins with "/"; "" with scheme https.
	Path string
	// Query is as sent, with its "?", or "". It goes to the origin and nowhere else: it is
	// neither judged nor recorded.
	Query   string
	Literal bool // Host is an IP address
}

// ParseAuthority reads the target of a CONNECT: host:port (RFC 9112 section 3.2.3), both required.
// Errors repeat nothing of what the client sent but the host: the rest may hold credentials.
func ParseAuthority(s string) (Target, error) {
	t := Target{Scheme: "https"}
	host, port, found := splitPort(s)
	if !found {
		return Target{}, errors.New("the target of CONNECT has to be host:port: the port is missing")
	}
	if err := t.setAuthority(host, port); err != nil {
		return Target{}, err
	}
	return t, nil
}

// ParseAbsolute reads the target of any other method: an absolute http:// URL (RFC 9112 section
// 3.2.2). Path and query stay as they are, byte for byte, however odd; an empty path becomes "/".
// Errors advise where a client is set up wrongly, and repeat nothing of what it sent but the host.
func ParseAbsolute(s string) (Target, error) {
	rest, err := afterScheme(s)
	if err != nil {
		return Target{}, err
	}
	if err := checkBytes(rest); err != nil {
		return Target{}, err
	}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	t := Target{Scheme: "http"}
	host, port, found := splitPort(authority)
	if !found {
		port = "80"
	}
	if err := t.setAuthority(host, port); err != nil {
		return Target{}, err
	}
	t.setPath(tail)
	return t, nil
}

// afterScheme gives what follows "http://" and advises about everything else.
func afterScheme(s string) (string, error) {
	scheme, rest, found := strings.Cut(s, "://")
	switch {
	case strings.HasPrefix(s, "/"):
		return "", errors.New("this is a forward proxy and wants absolute URLs: configure the client to use it as an HTTP proxy, not as a server")
	case !found:
		return "", errors.New("the target has to be an absolute URL, http://host/path")
	case strings.EqualFold(scheme, "http"):
		return rest, nil
	case strings.EqualFold(scheme, "https"):
		return "", errors.New("https:// URLs are not fetched here: use CONNECT host:port, so that TLS stays between client and server")
	}
	return "", errors.New("the scheme is not proxied: use http:// URLs, or CONNECT for everything in TLS")
}

func checkBytes(s string) error {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '#':
			return errors.New("a request target has no fragment (#)")
		case c <= ' ' || c == 0x7f:
			return errors.New("spaces and control characters have to be percent-encoded")
		}
	}
	return nil
}

// splitPort cuts the port off; found tells whether there is one, even an empty one.
func splitPort(s string) (host, port string, found bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.IndexByte(s[i:], ']') >= 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// IsNamed tells whether name, as it comes off the wire, is the target's host.
func (t *Target) IsNamed(name string) bool {
	host, err := catalog.ParseHost(name)
	return err == nil && host == t.Host
}

func (t *Target) setPath(tail string) {
	t.Path = tail
	if i := strings.IndexByte(tail, '?'); i >= 0 {
		t.Path, t.Query = tail[:i], tail[i:]
	}
	if t.Path == "" {
		t.Path = "/"
	}
}

func (t *Target) setAuthority(host, port string) (err error) {
	if strings.IndexByte(host, '@') >= 0 || strings.IndexByte(port, '@') >= 0 {
		return errors.New("user and password do not belong into a request target: remove everything before the @")
	}
	if t.Port, err = parsePort(port); err != nil {
		return err
	}
	if strings.HasPrefix(host, "[") {
		return t.setIPv6(host)
	}
	return t.setName(host)
}

// setIPv6 reads an address in brackets. A zone means something on one machine only, and IPv4 has
// no brackets.
func (t *Target) setIPv6(host string) error {
	addr, err := netip.ParseAddr(strings.TrimSuffix(host[1:], "]"))
	if err != nil || !strings.HasSuffix(host, "]") || !addr.Is6() || addr.Zone() != "" {
		return errors.New("what stands in brackets is not an IPv6 address without a zone")
	}
	t.Host, t.Literal = addr.String(), true
	return nil
}

func (t *Target) setName(host string) error {
	// One final dot makes a name absolute, and an address remains an address for resolvers.
	if addr, err := netip.ParseAddr(strings.TrimSuffix(host, ".")); err == nil && addr.Is4() {
		t.Host, t.Literal = addr.String(), true
		return nil
	}
	name, err := catalog.ParseHost(host)
	if err != nil {
		return fmt.Errorf("reading the host: %w", err)
	}
	t.Host = name
	return nil
}

// parsePort takes 1 to 65535 in decimal digits without leading zeros, as every client writes it.
func parsePort(s string) (uint16, error) {
	port, err := strconv.ParseUint(s, 10, 16)
	if err != nil || s[0] < '1' || s[0] > '9' {
		return 0, errors.New("the port has to be a number from 1 to 65535")
	}
	return uint16(port), nil
}
