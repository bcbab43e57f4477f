package admin

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Config is what the pages need to know. Its functions are called from any goroutine. The zero Config
// answers nothing but metrics and health.
type Config struct {
	// Ready tells why requests cannot be served now, and nil when they can. It is asked by every
	// /readyz. A nil Ready is never ready.
	Ready func() error
	// Loopback says that nobody but this machine reaches the listener. Then a Host header that is
	// neither localhost nor an IP address is refused: a name that leads here is somebody's trick (DNS
	// rebinding). Elsewhere the live page needs a Token.
	Loopback bool
	// Token is what has to be shown for the live page, as Bearer token (RFC 6750) or as the password of
	// Basic (RFC 7617), which browsers ask people for. "" asks nobody, and then only Loopback shows the page.
	Token string
	// PAC gives /proxy.pac. here is the host by which the client reached this listener, without a
	// port; rest is where other hosts go, "" if the client did not say. Its error is the client's
	// mistake. A nil PAC serves none.
	PAC func(here, rest string) (string, error)
	// Page is the live page at /; nil serves none.
	Page *Page
	// Exports are the names below /export/, each answered with what Export gives for it and the query. They
	// want the Token, as the live page does. An error of Export is the client's mistake.
	Exports []string
	Export  func(name, here string, query url.Values) ([]byte, error) // may be nil where there are no Exports; here as in PAC
}

// A page is what one path answers with.
type page struct {
	http.Handler
	open bool // to whoever reaches the listener, without a token
}

// Handler serves /metrics, /healthz and /readyz, and what c has of /proxy.pac, /export/ and the live page, to GET
// and HEAD alone. Neither the result nor m is nil.
func Handler(c Config, m *Metrics) http.Handler {
	pages := map[string]page{
		"/metrics": {m.handler(), true},
		"/healthz": {http.HandlerFunc(healthz), true},
		"/readyz":  {http.HandlerFunc(c.readyz), true},
	}
	if c.PAC != nil {
		pages["/proxy.pac"] = page{http.HandlerFunc(c.pac), true}
	}
	if c.Page != nil {
		pages["/"] = page{http.HandlerFunc(c.Page.whole), false}
		pages["/events"] = page{c.Page.events(), false}
	}
	for _, name := range c.Exports {
		pages["/export/"+name] = page{c.export(name), false}
	}
	missing := "not found; there are " + strings.Join(slices.Sorted(maps.Keys(pages)), ", ")
	guard := newGuard(c)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		safeHeaders(w.Header())
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			answer(w, http.StatusMethodNotAllowed, "only GET and HEAD are answered here")
			return
		}
		page, ok := pages[r.URL.Path]
		if !guard.admits(w, r, page.open || !ok) {
			return
		}
		if !ok {
			answer(w, http.StatusNotFound, missing)
			return
		}
		page.ServeHTTP(w, r)
	})
}

// healthz answers as long as the process does.
func healthz(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") }

func (c Config) readyz(w http.ResponseWriter, _ *http.Request) {
	if c.Ready == nil {
		answer(w, http.StatusServiceUnavailable, "nothing tells whether the proxy is ready")
		return
	}
	if err := c.Ready(); err != nil {
		answer(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	answer(w, http.StatusOK, "ready")
}

// pac serves the PAC file to clients that may be no browsers at all.
func (c Config) pac(w http.ResponseWriter, r *http.Request) {
	text, err := c.PAC(hostname(r), r.URL.Query().Get("default"))
	if err != nil {
		answer(w, http.StatusBadRequest, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/x-ns-proxy-autoconfig")
	_, _ = io.WriteString(w, text)
}

// safeHeaders keeps browsers from guessing types, running anything, keeping what changes, and showing
// any of it to other sites.
func safeHeaders(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	// The client may be gone; there is nobody else to tell.
	_, _ = io.WriteString(w, text+"\n")
}
