package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Versions is the range of SEP releases that use an endpoint. The zero value is all of them.
// Ranges are comparable with ==.
type Versions struct {
	low    Version // the first release; zero: no lower bound
	high   Version // the last release, or the first one after it; zero: no upper bound
	before bool    // high does not belong to the range
}

// ParseVersions reads ">= 14.3 MP1", "<= 14.3 MP1", "< 14.3 RU1", a lower bound and an upper one
// joined by ", ", or "", which is all releases.
func ParseVersions(s string) (Versions, error) {
	var v Versions
	if s == "" {
		return v, nil
	}
	for bound := range strings.SplitSeq(s, ", ") {
		if err := v.narrow(bound); err != nil {
			return Versions{}, fmt.Errorf("invalid range of SEP versions %s: %w", quote(s), err)
		}
	}
	if v.empty() {
		return Versions{}, fmt.Errorf("invalid range of SEP versions %s: no release is in it", quote(s))
	}
	return v, nil
}

func (v *Versions) narrow(bound string) error {
	operator, release, _ := strings.Cut(bound, " ")
	target := &v.high
	switch operator {
	case ">=":
		target = &v.low
	case "<=", "<":
		v.before = operator == "<"
	default:
		return errors.New(`want ">= VERSION", "<= VERSION" or "< VERSION", or two of them joined by ", "`)
	}
	if *target != (Version{}) {
		return errors.New("two bounds on the same side")
	}
	parsed, err := ParseVersion(release)
	*target = parsed
	return err
}

func (v Versions) empty() bool {
	if v.low == (Version{}) || v.high == (Version{}) {
		return false
	}
	c := v.low.Compare(v.high)
	return c > 0 || c == 0 && v.before
}

// Contains tells whether release uses the endpoint.
func (v Versions) Contains(release Version) bool {
	if release.Compare(v.low) < 0 {
		return false
	}
	if v.high == (Version{}) {
		return true
	}
	c := release.Compare(v.high)
	return c < 0 || c == 0 && !v.before
}

// UsedByAny tells whether any release of a fleet uses the endpoint. A fleet that names no release
// may have all of them.
func (v Versions) UsedByAny(fleet []Version) bool {
	return len(fleet) == 0 || slices.ContainsFunc(fleet, v.Contains)
}

// String writes v as ParseVersions reads it; "" for all releases.
func (v Versions) String() string {
	var bounds []string
	if v.low != (Version{}) {
		bounds = append(bounds, ">= "+v.low.String())
	}
	if v.high != (Version{}) {
		operator := "<= "
		if v.before {
			operator = "< "
		}
		bounds = append(bounds, operator+v.high.String())
	}
	return strings.Join(bounds, ", ")
}

// MarshalText is String.
func (v Versions) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText is ParseVersions.
func (v *Versions) UnmarshalText(text []byte) (err error) {
	*v, err = ParseVersions(string(text))
	return err
}
