package policy

import "strings"

// underPath tells whether a request path lies under the path of a rule that allows, by whole
// segments: /a takes /a and /a/b but not /ab. Paths that servers resolve in different ways lie
// under no path. The rest is compared byte for byte: when in doubt, no.
func underPath(rule, path string) bool {
	if rule == "" {
		return true
	}
	if ambiguous(path) || !strings.HasPrefix(path, rule) {
		return false
	}
	return len(path) == len(rule) || path[len(rule)] == '/'
}

// maybeUnderPath tells whether a server could take the request path to lie under the path of a
// deny rule, which has been through decoded: when in doubt, yes.
func maybeUnderPath(rule, path string) bool {
	if rule == "" || ambiguous(path) || strings.Contains(path, "//") || cutByServers(path) {
		return true
	}
	for len(rule) > 0 {
		if len(path) == 0 {
			return false
		}
		c, size := decodeByte(path)
		if c != rule[0] {
			return false
		}
		rule, path = rule[1:], path[size:]
	}
	if path == "" {
		return true
	}
	c, _ := decodeByte(path)
	return c == '/'
}

// cutByServers tells whether some servers cut something out of the path before they look at it:
// parameters of segments (;…), whatever follows a NUL.
func cutByServers(path string) bool {
	for i := range len(path) {
		if c, _ := decodeByte(path[i:]); c == ';' || c == 0 {
			return true
		}
	}
	return false
}

// ambiguous tells whether servers disagree on which path this is: dot segments (with parameters
// too), encoded dots and slashes, backslashes.
func ambiguous(path string) bool {
	for i := range len(path) {
		switch path[i] {
		case '\\':
			return true
		case '/':
			if dotSegment(path[i+1:]) {
				return true
			}
		case '%':
			if c, _ := decodeByte(path[i:]); c == '.' || c == '/' || c == '\\' {
				return true
			}
		}
	}
	return false
}

// dotSegment tells whether the first segment of s is "." or "..".
func dotSegment(s string) bool {
	for range 2 {
		if s == "" || s[0] != '.' {
			return false
		}
		s = s[1:]
		if s == "" || s[0] == '/' || s[0] == ';' {
			return true
		}
	}
	return false
}

// decodeByte gives the first byte that s stands for and how many bytes of s say so: 3 for %XX.
func decodeByte(s string) (c byte, size int) {
	if len(s) >= 3 && s[0] == '%' {
		high, ok1 := hexDigit(s[1])
		low, ok2 := hexDigit(s[2])
		if ok1 && ok2 {
			return high<<4 | low, 3
		}
	}
	return s[0], 1
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// decoded resolves every %XX of a deny rule's path, as maybeUnderPath does with the request's.
func decoded(path string) string {
	var b strings.Builder
	for path != "" {
		c, size := decodeByte(path)
		b.WriteByte(c)
		path = path[size:]
	}
	return b.String()
}
