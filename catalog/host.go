package catalog

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ErrHost is in every error of ParseHost and ParsePattern. Their texts quote what was read,
// escaped and shortened, and are safe to print.
var ErrHost = errors.New("invalid host name")

// Lengths of RFC 1035 section 2.3.4, without the final dot.
const (
	maxName  = 253
	maxLabel = 63
)

// ParseHost normalises a host name as it comes off the wire: lower-case ASCII, without a final
// dot. Everything else is an error, because what is merely close to a listed name is not that
// name: any byte above 127, a second final dot, a label that is empty or longer than 63 bytes, a
// character other than a-z 0-9 - _, a hyphen at a label's edge, an xn-- label that is not what
// IDNA would have made of its Unicode form (RFC 5891), and a last label that is a number, which
// some resolvers read as an IPv4 address ("127.1", "0x7f000001").
//
// A name without xn-- that is in normal form already is returned as it is, without allocating.
func ParseHost(s string) (name string, err error) {
	name = strings.TrimSuffix(s, ".")
	switch {
	case name == "":
		return "", hostError(s, "it is empty")
	case len(name) > maxName:
		return "", hostError(s, "longer than 253 bytes")
	}
	for i := range len(name) {
		if !hostByte(name[i]) {
			return "", hostError(s, describeByte(name[i]))
		}
	}
	name = strings.ToLower(name) // only now: it would turn the Kelvin sign into a k
	for label := range strings.SplitSeq(name, ".") {
		if why := checkLabel(label); why != "" {
			return "", hostError(s, why)
		}
	}
	if numeric(name[strings.LastIndexByte(name, '.')+1:]) {
		return "", hostError(s, "a name that ends in a number is an IPv4 address in disguise")
	}
	return name, nil
}

// ParsePattern normalises a name that a person wrote into a file. It may be Unicode, which IDNA's
// lookup form (RFC 5891 section 5) makes ASCII, and may begin with "*.", which stands for one or
// more whole labels and needs at least two labels after it. Then ParseHost's rules apply.
func ParsePattern(s string) (string, error) {
	name, wild := strings.CutPrefix(s, "*.")
	switch {
	case len(name) > 4*maxName:
		return "", hostError(s, "longer than 253 bytes")
	case strings.Contains(name, "*"):
		return "", hostError(s, "* stands only at the front, for whole labels: *.example.com")
	case !ascii(name):
		var err error
		if name, err = idna.Lookup.ToASCII(name); err != nil {
			return "", hostError(s, "not a valid international domain name")
		}
	}
	name, err := ParseHost(name)
	if err != nil || !wild {
		return name, err
	}
	if !strings.Contains(name, ".") {
		return "", hostError(s, "too broad: *. needs at least two labels after it")
	}
	return "*." + name, nil
}

// covers tells whether pattern, a normalised name that may begin with "*.", stands for name.
func covers(pattern, name string) bool {
	if suffix, wild := strings.CutPrefix(pattern, "*"); wild && pattern != name {
		return len(name) > len(suffix) && strings.HasSuffix(name, suffix)
	}
	return pattern == name
}

func hostByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		return true
	}
	return false
}

func describeByte(c byte) string {
	if c >= utf8.RuneSelf {
		return "not ASCII; an international name has to come in its xn-- form"
	}
	return fmt.Sprintf("%q does not belong in a host name", rune(c))
}

// checkLabel says what is wrong with a lower-case label of allowed characters, or "".
func checkLabel(label string) string {
	switch {
	case label == "":
		return "a label is empty"
	case len(label) > maxLabel:
		return "a label is longer than 63 bytes"
	case label[0] == '-' || label[len(label)-1] == '-':
		return "a label begins or ends with a hyphen"
	case strings.HasPrefix(label, "xn--") && !roundTrips(label):
		return "an xn-- label is not valid punycode in normal form"
	}
	return ""
}

// roundTrips tells whether label is the only ASCII form of a Unicode label, so that no name can
// be written in two ways.
func roundTrips(label string) bool {
	u, err := idna.Lookup.ToUnicode(label)
	if err != nil || ascii(u) {
		return false
	}
	a, err := idna.Lookup.ToASCII(u)
	return err == nil && a == label
}

// numeric tells whether inet_aton (and the URL Standard's "ends in a number") would take label for
// a part of an IPv4 address: decimal, octal or hexadecimal.
func numeric(label string) bool {
	digits, hex := strings.CutPrefix(label, "0x")
	for i := range len(digits) {
		switch c := digits[i]; {
		case '0' <= c && c <= '9':
		case hex && 'a' <= c && c <= 'f':
		default:
			return false
		}
	}
	return true
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func hostError(s, why string) error {
	return fmt.Errorf("%w %s: %s", ErrHost, quote(s), why)
}

// quote makes somebody else's text printable: ASCII, escaped, at most 80 bytes of it.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
