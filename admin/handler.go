package admin

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Config is what the pages need to know.
type Config struct {
	// Ready tells why requests cannot be served now, and nil when they can. It is asked by every
	// /readyz, from any goroutine. A nil Ready is never ready.
	Ready func() error
}

// Handler serves /metrics, /healthz and /readyz, to GET and HEAD alone. Neither the result nor m
// is nil.
func Handler(c Config, m *Metrics) http.Handler {
	pages := map[string]http.Handler{
		"/metrics": m.handler(),
		"/healthz": http.HandlerFunc(healthz),
		"/readyz":  http.HandlerFunc(c.readyz),
	}
	missing := "not found; there are " + strings.Join(slices.Sorted(maps.Keys(pages)), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		safeHeaders(w.Header())
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			answer(w, http.StatusMethodNotAllowed, "only GET and HEAD are answered here")
			return
		}
		page, ok := pages[r.URL.Path]
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

// safeHeaders keeps browsers from guessing types, running anything or keeping what changes.
func safeHeaders(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	// The client may be gone; there is nobody else to tell.
	_, _ = io.WriteString(w, text+"\n")
}
