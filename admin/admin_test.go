package admin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen serves the pages on a real socket until the test ends, and gives the address.
func listen(t *testing.T, h http.Handler) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, ln, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve returned %v, want nil after the end of its context", err)
		}
	})
	return ln.Addr().String()
}

// do sends one request and gives the answer with its body.
func do(t *testing.T, method, url string) (*http.Response, string) {
	t.Helper()
	return doWith(t, method, url, nil)
}

// doWith is do with headers; Host is one of them.
func doWith(t *testing.T, method, url string, headers map[string]string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		if name == "Host" {
			req.Host = value
		} else {
			req.Header.Set(name, value)
		}
	}
	resp, err := ask(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestPages(t *testing.T) {
	var broken atomic.Bool
	address := listen(t, Handler(Config{Ready: func() error {
		if broken.Load() {
			return errors.New("the audit trail cannot be written")
		}
		return nil
	}}, used()))
	for _, tc := range []struct {
		method, path string
		broken       bool
		status       int
		body         string
	}{
		{"GET", "/healthz", false, 200, "ok\n"},
		{"GET", "/healthz", true, 200, "ok\n"},
		{"GET", "/readyz", false, 200, "ready\n"},
		{"GET", "/readyz", true, 503, "the audit trail cannot be written\n"},
		{"HEAD", "/readyz", true, 503, ""},
		{"HEAD", "/healthz", false, 200, ""},
		{"GET", "/", false, 404, "not found; there are /healthz, /metrics, /readyz\n"},
		{"GET", "/metrics/", false, 404, "not found; there are /healthz, /metrics, /readyz\n"},
		{"GET", "/debug/pprof/", false, 404, "not found; there are /healthz, /metrics, /readyz\n"},
		{"POST", "/readyz", false, 405, "only GET and HEAD are answered here\n"},
		{"DELETE", "/nothing", false, 405, "only GET and HEAD are answered here\n"},
	} {
		t.Run(tc.method+" "+tc.path, func(t *testing.T) {
			broken.Store(tc.broken)
			resp, body := do(t, tc.method, "http://"+address+tc.path)
			if resp.StatusCode != tc.status || body != tc.body {
				t.Errorf("got %d %q, want %d %q", resp.StatusCode, body, tc.status, tc.body)
			}
			if tc.status == 405 && resp.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("Allow is %q", resp.Header.Get("Allow"))
			}
			if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("unsafe headers %v", resp.Header)
			}
		})
	}
}

func TestMetricsPage(t *testing.T) {
	address := listen(t, Handler(Config{}, used()))
	resp, body := do(t, "GET", "http://"+address+"/metrics")
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("got %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	want := `sepproxy_requests_total{reason="not_listed",service="none",verdict="deny"} 1`
	if !strings.Contains(body, want+"\n") {
		t.Errorf("no line %s in\n%s", want, body)
	}
}

func TestNobodySayingSoIsNotReady(t *testing.T) {
	address := listen(t, Handler(Config{}, used()))
	if resp, _ := do(t, "GET", "http://"+address+"/readyz"); resp.StatusCode != 503 {
		t.Errorf("got %d without a Ready function, want 503", resp.StatusCode)
	}
}

func TestHealthAsksTheRunningProxy(t *testing.T) {
	var reason atomic.Pointer[error]
	address := listen(t, Handler(Config{Ready: func() error { return *reason.Load() }}, used()))
	_, port, _ := net.SplitHostPort(address)
	var fine error
	draining := errors.New("draining")
	for _, at := range []string{address, ":" + port, "0.0.0.0:" + port} {
		reason.Store(&fine)
		if err := Health(t.Context(), at); err != nil {
			t.Errorf("%s: %v, want ready", at, err)
		}
		reason.Store(&draining)
		if err := Health(t.Context(), at); err == nil || !strings.Contains(err.Error(), `"draining"`) {
			t.Errorf("%s: %v, want the reason", at, err)
		}
	}
}

func TestHealthIsAnErrorWhereNobodyAnswers(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	elsewhere := listen(t, http.RedirectHandler("/healthz", http.StatusFound))
	for address, want := range map[string]string{
		"":          "is off",
		"localhost": "want host:port",
		gone:        "asking the running proxy",
		elsewhere:   "302 Found",
	} {
		if err := Health(t.Context(), address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", address, err, want)
		}
	}
}

func TestDialable(t *testing.T) {
	for in, want := range map[string]string{
		":9128":          "127.0.0.1:9128",
		"0.0.0.0:9128":   "127.0.0.1:9128",
		"[::]:9128":      "[::1]:9128",
		"[::1]:9128":     "[::1]:9128",
		"10.1.2.3:9128":  "10.1.2.3:9128",
		"localhost:9128": "localhost:9128",
	} {
		if got, err := dialable(in); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", in, got, err, want)
		}
	}
}

func TestServeLetsAnAnswerUnderWayFinish(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	asked, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- Serve(ctx, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(asked)
			<-ctx.Done()
			answer(w, http.StatusOK, "late")
		}))
	}()
	go func() { <-asked; cancel() }()
	if _, body := do(t, "GET", "http://"+ln.Addr().String()); body != "late\n" {
		t.Errorf("got %q", body)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.DialTimeout("tcp", ln.Addr().String(), time.Second); err == nil {
		t.Error("the listener is still open")
	}
}

func TestServeSaysThatTheListenerBroke(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	err = Serve(t.Context(), ln, http.NotFoundHandler())
	if err == nil || !strings.Contains(err.Error(), "serving admin pages on 127.0.0.1:") {
		t.Errorf("got %v", err)
	}
}
