package catalog

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// schemePort gives the port of a scheme, and 0 for one that the catalog does not know.
func schemePort(scheme string) uint16 {
	switch scheme {
	case "https":
		return 443
	case "http":
		return 80
	}
	return 0
}

// ParseURL reads an endpoint as catalog files and policy rules write it:
// scheme://host[:port][/path] with scheme http or https and host as ParsePattern takes it. The
// scheme gives the port unless one is named. A slash at the end of the path is dropped, so
// "https://host/" has no path. User names, queries, fragments, IP addresses and paths that servers
// read in more than one way (dot segments, empty segments, %2e, %2f, \) are errors.
func ParseURL(s string) (Endpoint, error) {
	e, err := parseURL(s)
	if err != nil {
		return Endpoint{}, fmt.Errorf("invalid URL %s: %w", quote(s), err)
	}
	return e, nil
}

// URL writes e as ParseURL reads it. It leaves the port out where the scheme gives it, and does not
// tell Versions and Note.
func (e Endpoint) URL() string {
	port := ""
	if e.Port != schemePort(e.Scheme) {
		port = ":" + strconv.Itoa(int(e.Port))
	}
	return e.Scheme + "://" + e.Host + port + e.Path
}

func parseURL(s string) (Endpoint, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	if !ok || schemePort(scheme) == 0 {
		return Endpoint{}, errors.New("it has to begin with https:// or http://")
	}
	if strings.ContainsAny(rest, "?#") {
		return Endpoint{}, errors.New("queries and fragments are not compared: leave ? and # out")
	}
	authority, path := rest, ""
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		authority, path = rest[:slash], strings.TrimSuffix(rest[slash:], "/")
	}
	if err := checkPath(path); err != nil {
		return Endpoint{}, err
	}
	host, port, err := splitAuthority(authority, schemePort(scheme))
	if err != nil {
		return Endpoint{}, err
	}
	return Endpoint{Scheme: scheme, Host: host, Port: port, Path: path}, nil
}

func splitAuthority(s string, port uint16) (string, uint16, error) {
	if strings.Contains(s, "@") {
		return "", 0, errors.New("user names and passwords do not belong here: leave out all before the @")
	}
	host, digits, named := strings.Cut(s, ":")
	if _, err := netip.ParseAddr(host); err == nil || strings.Count(s, ":") > 1 {
		return "", 0, errors.New("an IP address cannot be listed: name the host")
	}
	if named {
		var err error
		if port, err = parsePort(digits); err != nil {
			return "", 0, err
		}
	}
	name, err := ParsePattern(host)
	return name, port, err
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || s[0] == '0' {
		return 0, errors.New("the port has to be a number from 1 to 65535")
	}
	return uint16(n), nil
}

// checkPath takes a path without its last slash: "" or "/a/b".
func checkPath(path string) error {
	for i := range len(path) {
		if c := path[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			return fmt.Errorf("%s does not belong in a path", quote(path[i:i+1]))
		}
	}
	if lower := strings.ToLower(path); strings.Contains(lower, "%2e") || strings.Contains(lower, "%2f") {
		return errors.New("an encoded dot or slash (%2e, %2f) does not belong in a path")
	}
	if path == "" {
		return nil
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		if segment == "" || segment == "." || segment == ".." {
			return fmt.Errorf("the segment %q does not belong in a path", segment)
		}
	}
	return nil
}
