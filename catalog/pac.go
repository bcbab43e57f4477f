package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// PAC writes a proxy auto-configuration file that sends hosts (patterns as ParsePattern gives them)
// to proxy and every other one to rest; both are what ParsePACResult gives. There is no published
// standard: the file keeps to ECMAScript 3 and to what every interpreter passes (URL and host), calls none
// of the predefined functions, and so asks no name server.
func PAC(hosts []string, proxy, rest string) string {
	var names, below []string
	for _, h := range hosts {
		if suffix, wild := strings.CutPrefix(h, "*."); wild {
			below = append(below, suffix)
		} else {
			names = append(names, h)
		}
	}
	return fmt.Sprintf(pacText, literal(proxy), literal(rest), pacTable(names), pacTable(below))
}

const pacText = `// Documented hosts go to sepproxy, all others where "rest" says.
var proxy = %s;
var rest = %s;
var names = {%s};
var below = {%s}; // every name that ends with a dot and one of these

function listed(table, name) {
  return Object.prototype.hasOwnProperty.call(table, name);
}

function FindProxyForURL(url, host) {
  var name = host.toLowerCase();
  if (name.charAt(name.length - 1) === ".") {
    name = name.substring(0, name.length - 1);
  }
  if (listed(names, name)) {
    return proxy;
  }
  for (var dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) {
    if (dot > 0 && listed(below, name.substring(dot + 1))) {
      return proxy;
    }
  }
  return rest;
}
`

// pacTable writes the names, sorted, as the members of an object.
func pacTable(names []string) string {
	var b strings.Builder
	for i, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n  " + literal(name) + ": 1")
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	return b.String()
}

// literal writes s as a string of a script, also inside HTML.
func literal(s string) string {
	text, _ := json.Marshal(s) // of a string: it cannot fail
	return string(text)
}

// maxPACResult bounds what somebody may ask a PAC file to say.
const maxPACResult = 1024

// ParsePACResult reads what a PAC file may give back: DIRECT, or PROXY, HTTP, HTTPS, SOCKS, SOCKS4 or
// SOCKS5 with host:port, or several of them with ; between. A host:port alone is a PROXY. The result is
// in normal form and holds nothing but these words, names, addresses and ports.
func ParsePACResult(s string) (string, error) {
	if len(s) > maxPACResult {
		return "", errors.New("invalid PAC result: longer than 1024 bytes")
	}
	var ways []string
	for way := range strings.SplitSeq(s, ";") {
		fields := strings.Fields(way)
		if len(fields) == 1 && strings.Contains(fields[0], ":") {
			fields = []string{"PROXY", fields[0]}
		}
		way, err := pacWay(fields)
		if err != nil {
			return "", fmt.Errorf("invalid PAC result %s: %w", quote(s), err)
		}
		ways = append(ways, way)
	}
	return strings.Join(ways, "; "), nil
}

func pacWay(fields []string) (string, error) {
	if len(fields) == 0 {
		return "", errors.New("a part is empty")
	}
	kind := strings.ToUpper(fields[0])
	switch kind {
	case "DIRECT":
		if len(fields) > 1 {
			return "", errors.New("DIRECT stands alone")
		}
		return kind, nil
	case "PROXY", "HTTP", "HTTPS", "SOCKS", "SOCKS4", "SOCKS5":
		if len(fields) != 2 {
			return "", fmt.Errorf("%s wants one host:port", kind)
		}
		address, err := hostPort(fields[1])
		return kind + " " + address, err
	}
	return "", errors.New("want DIRECT, or PROXY and host:port")
}

// hostPort normalises an address to connect to.
func hostPort(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf("%s is not host:port", quote(s))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("%s has no port from 1 to 65535", quote(s))
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Zone() == "" {
		return net.JoinHostPort(ip.String(), port), nil
	}
	host, err = ParseHost(host)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(host, port), nil
}
