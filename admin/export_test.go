package admin

import (
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
)

func exporting(text *atomic.Value) Config {
	c := full()
	c.Exports = []string{"squid"}
	c.Export = func(name, here string, query url.Values) ([]byte, error) {
		if query.Get("lang") == "pt" {
			return nil, errors.New("want en or es")
		}
		return []byte(name + " " + here + " " + text.Load().(string)), nil
	}
	return c
}

func TestExportsAreAskedForAgainByTheirETag(t *testing.T) {
	var text atomic.Value
	text.Store("one")
	address := listen(t, Handler(exporting(&text), used()))
	resp, body := do(t, http.MethodGet, "http://"+address+"/export/squid")
	tag := resp.Header.Get("ETag")
	if resp.StatusCode != 200 || body != "squid 127.0.0.1 one" || tag == "" || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Fatalf("got %d %q %v", resp.StatusCode, body, resp.Header)
	}
	again := func() (*http.Response, string) {
		return with(t, "http://"+address+"/export/squid", map[string]string{"If-None-Match": tag})
	}
	if resp, body := again(); resp.StatusCode != 304 || body != "" {
		t.Errorf("unchanged: %d %q, want 304", resp.StatusCode, body)
	}
	text.Store("two")
	if resp, body := again(); resp.StatusCode != 200 || body != "squid 127.0.0.1 two" || resp.Header.Get("ETag") == tag {
		t.Errorf("changed: %d %q %s", resp.StatusCode, body, resp.Header.Get("ETag"))
	}
	for path, want := range map[string]int{"/export/squid?lang=pt": 400, "/export/": 404, "/export/none": 404} {
		if resp, _ := do(t, http.MethodGet, "http://"+address+path); resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

func TestExportsWantTheToken(t *testing.T) {
	var text atomic.Value
	text.Store("one")
	c := exporting(&text)
	c.Loopback, c.Token = false, "correct horse battery"
	address := listen(t, Handler(c, used()))
	for authorization, want := range map[string]int{"": 401, "Bearer wrong": 401, "Bearer correct horse battery": 200} {
		if resp, _ := with(t, "http://"+address+"/export/squid", map[string]string{"Authorization": authorization}); resp.StatusCode != want {
			t.Errorf("%q: %d, want %d", authorization, resp.StatusCode, want)
		}
	}
}
