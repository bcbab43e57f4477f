package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// A guard decides who is answered.
type guard struct {
	loopback bool
	token    *[sha256.Size]byte // nil: none is asked for
}

func newGuard(c Config) guard {
	g := guard{loopback: c.Loopback}
	if c.Token != "" {
		sum := sha256.Sum256([]byte(c.Token))
		g.token = &sum
	}
	return g
}

// admits answers those who get nothing, and tells whether to go on.
func (g guard) admits(w http.ResponseWriter, r *http.Request, open bool) bool {
	switch {
	case g.loopback && !isLocal(hostname(r)):
		answer(w, http.StatusMisdirectedRequest, "this is the admin listener of a sepproxy: ask it by IP address, or as localhost")
	case fromElsewhere(r):
		answer(w, http.StatusForbidden, "other sites may not read this")
	case open:
		return true
	case g.token == nil && !g.loopback:
		answer(w, http.StatusForbidden, "this needs admin.token_file: the listener can be reached from other machines")
	case !g.shown(r):
		w.Header()["Www-Authenticate"] = []string{`Bearer realm="sepproxy"`, `Basic realm="sepproxy", charset="UTF-8"`}
		answer(w, http.StatusUnauthorized, "show the token of admin.token_file: as Bearer token, or as password with any user name")
	default:
		return true
	}
	return false
}

// shown compares in a time that tells nothing of the token.
func (g guard) shown(r *http.Request) bool {
	if g.token == nil {
		return true
	}
	token, bearer := cutFold(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		_, token, _ = r.BasicAuth()
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// hostname is the host of the Host header, without a port and brackets.
func hostname(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
}

// isLocal tells whether nobody but this machine decides where host leads.
func isLocal(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || strings.EqualFold(strings.TrimSuffix(host, "."), "localhost")
}

// fromElsewhere tells whether a page of another site asks (Fetch Metadata, and Origin of RFC 6454). A
// link that a person follows is no reading: the other site sees nothing of the answer.
func fromElsewhere(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
			return true
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}
