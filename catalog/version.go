package catalog

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// A Version is a release of Symantec Endpoint Protection, such as "14.3 RU1 MP1": release update
// 1 of 14.3, and maintenance patch 1 of that. Versions are ordered by Compare; the zero value is
// no release.
type Version struct {
	major, minor, update, patch uint16
}

// ParseVersion reads "14.3", "14.3 MP1", "14.3 RU1" or "14.3 RU1 MP1", written exactly so.
func ParseVersion(s string) (Version, error) {
	v, ok := parseVersion(s)
	if !ok {
		return Version{}, fmt.Errorf("invalid SEP version %s: want one like \"14.3\", \"14.3 MP1\" or \"14.3 RU1 MP1\"", quote(s))
	}
	return v, nil
}

func parseVersion(s string) (v Version, ok bool) {
	release, additions, more := strings.Cut(s, " ")
	major, minor, ok := strings.Cut(release, ".")
	if !ok || !number(major, 1, &v.major) || !number(minor, 0, &v.minor) {
		return v, false
	}
	if update, is := strings.CutPrefix(additions, "RU"); is {
		update, additions, more = strings.Cut(update, " ")
		if !number(update, 1, &v.update) {
			return v, false
		}
	}
	if !more {
		return v, true
	}
	patch, is := strings.CutPrefix(additions, "MP")
	return v, is && number(patch, 1, &v.patch)
}

// number reads a decimal number of at least least, without sign or leading zeros, into out.
func number(s string, least uint64, out *uint16) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n < least || (len(s) > 1 && s[0] == '0') {
		return false
	}
	*out = uint16(n)
	return true
}

// Compare is negative when v was released before w, positive when after, and 0 when they are the
// same: 14.3 < 14.3 MP1 < 14.3 RU1 < 14.3 RU1 MP1 < 14.3 RU2.
func (v Version) Compare(w Version) int {
	return cmp.Or(
		cmp.Compare(v.major, w.major),
		cmp.Compare(v.minor, w.minor),
		cmp.Compare(v.update, w.update),
		cmp.Compare(v.patch, w.patch),
	)
}

// String writes v as ParseVersion reads it; "" for the zero value.
func (v Version) String() string {
	if v == (Version{}) {
		return ""
	}
	s := fmt.Sprintf("%d.%d", v.major, v.minor)
	if v.update > 0 {
		s += fmt.Sprintf(" RU%d", v.update)
	}
	if v.patch > 0 {
		s += fmt.Sprintf(" MP%d", v.patch)
	}
	return s
}

// MarshalText is String.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText is ParseVersion.
func (v *Version) UnmarshalText(text []byte) (err error) {
	*v, err = ParseVersion(string(text))
	return err
}
