package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// full is a configuration that serves everything.
func full() Config {
	return Config{
		Ready:    func() error { return nil },
		Loopback: true,
		PAC: func(here, rest string) (string, error) {
			if rest == "bad" {
				return "", errors.New("what is bad?")
			}
			return here + "|" + rest, nil
		},
		Page: &Page{
			CSP:   "default-src 'none'",
			Whole: func(w io.Writer, q url.Values) error { _, err := io.WriteString(w, "whole "+q.Encode()); return err },
			Part:  func(w io.Writer, q url.Values) error { _, err := io.WriteString(w, "part "+q.Encode()); return err },
		},
	}
}

// with asks with headers; Host is one of them.
func with(t *testing.T, url string, headers map[string]string) (*http.Response, string) {
	t.Helper()
	return doWith(t, http.MethodGet, url, headers)
}

// TestNamesThatLeadToLoopbackAreRefused is DNS rebinding: a page at evil.example whose name now
// resolves to 127.0.0.1 asks with that name.
func TestNamesThatLeadToLoopbackAreRefused(t *testing.T) {
	address := listen(t, Handler(full(), used()))
	for host, want := range map[string]int{
		"evil.example": 421, "evil.example:9128": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421, "": 200, // none: net/http sends the address
		"localhost": 200, "LOCALHOST:9128": 200, "localhost.:1": 200, "127.0.0.1:9128": 200, "[::1]:9128": 200, "[::1]": 200, "10.0.0.7": 200,
	} {
		for _, path := range []string{"/", "/metrics", "/healthz", "/proxy.pac", "/nothing"} {
			resp, _ := with(t, "http://"+address+path, map[string]string{"Host": host})
			if want == 200 && path == "/nothing" {
				continue
			}
			if resp.StatusCode != want {
				t.Errorf("%s as %q: %d, want %d", path, host, resp.StatusCode, want)
			}
		}
	}
}

func TestOtherSitesReadNothing(t *testing.T) {
	address := listen(t, Handler(full(), used()))
	for name, tc := range map[string]struct {
		headers map[string]string
		want    int
	}{
		"fetch from elsewhere":   {map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, 403},
		"from another port":      {map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, 403},
		"in a frame":             {map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403},
		"another origin":         {map[string]string{"Origin": "http://evil.example"}, 403},
		"an opaque origin":       {map[string]string{"Origin": "null"}, 403},
		"a broken origin":        {map[string]string{"Origin": "http://%zz"}, 403},
		"its own script":         {map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Origin": "http://" + address}, 200},
		"a link that is clicked": {map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200},
		"typed by hand":          {map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200},
	} {
		for _, path := range []string{"/", "/metrics", "/proxy.pac"} {
			if resp, _ := with(t, "http://"+address+path, tc.headers); resp.StatusCode != tc.want {
				t.Errorf("%s %s: %d, want %d", name, path, resp.StatusCode, tc.want)
			}
		}
	}
	resp, _ := with(t, "http://"+address+"/", nil)
	for header, want := range map[string]string{
		"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "Referrer-Policy": "no-referrer",
		"Access-Control-Allow-Origin": "", "Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff",
	} {
		if got := resp.Header.Get(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
}

func TestBeyondLoopbackThePageWantsTheToken(t *testing.T) {
	const token = "correct horse battery"
	c := full()
	c.Loopback, c.Token = false, token
	address := listen(t, Handler(c, used()))
	basic := func(user, password string) string {
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(user, password)
		return r.Header.Get("Authorization")
	}
	for authorization, want := range map[string]int{
		"": 401, "Bearer": 401, "Bearer ": 401, "Bearer wrong": 401, token: 401, "Bearer " + token + "x": 401, basic(token, ""): 401, basic("", "wrong"): 401,
		"Bearer " + token: 200, "bearer " + token: 200, basic("", token): 200, basic("anybody", token): 200,
	} {
		resp, body := with(t, "http://"+address+"/", map[string]string{"Authorization": authorization, "Host": "proxy.example.com"})
		if resp.StatusCode != want || (want == 200) != strings.HasPrefix(body, "whole") {
			t.Errorf("%q: %d %q, want %d", authorization, resp.StatusCode, body, want)
		}
		if want == 401 && len(resp.Header.Values("WWW-Authenticate")) != 2 {
			t.Errorf("%q: WWW-Authenticate is %q", authorization, resp.Header.Values("WWW-Authenticate"))
		}
	}
	for path, want := range map[string]int{"/metrics": 200, "/healthz": 200, "/readyz": 200, "/proxy.pac": 200, "/events": 401, "/nothing": 404} {
		if resp, _ := with(t, "http://"+address+path, map[string]string{"Host": "proxy.example.com"}); resp.StatusCode != want {
			t.Errorf("%s without a token: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

func TestBeyondLoopbackWithoutATokenThereIsNoPage(t *testing.T) {
	c := full()
	c.Loopback = false
	address := listen(t, Handler(c, used()))
	for path, want := range map[string]int{"/": 403, "/events": 403, "/metrics": 200} {
		if resp, _ := do(t, "GET", "http://"+address+path); resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

func TestPACPage(t *testing.T) {
	address := listen(t, Handler(full(), used()))
	resp, body := do(t, "GET", "http://"+address+"/proxy.pac?default=PROXY%20q:1")
	if resp.StatusCode != 200 || body != "127.0.0.1|PROXY q:1" || resp.Header.Get("Content-Type") != "application/x-ns-proxy-autoconfig" {
		t.Errorf("got %d %q %v", resp.StatusCode, body, resp.Header)
	}
	if resp, body := do(t, "GET", "http://"+address+"/proxy.pac?default=bad"); resp.StatusCode != 400 || body != "what is bad?\n" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}

func TestThePageSaysWhatBroke(t *testing.T) {
	c := full()
	c.Page.Whole = func(io.Writer, url.Values) error { return errors.New("no template") }
	address := listen(t, Handler(c, used()))
	if resp, body := do(t, "GET", "http://"+address+"/?client=a"); resp.StatusCode != 500 || !strings.Contains(body, "no template") {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}

// watch opens /events and gives its lines.
func watch(ctx context.Context, t *testing.T, address string) (*http.Response, <-chan string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/events?host=x", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := ask(req)
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		defer resp.Body.Close()
		for in := bufio.NewScanner(resp.Body); in.Scan(); {
			lines <- in.Text()
		}
	}()
	return resp, lines
}

func TestEventsComeWhenSomethingChanged(t *testing.T) {
	var state, asked atomic.Int32
	c := full()
	c.Page.Every = time.Millisecond
	c.Page.Part = func(w io.Writer, q url.Values) error {
		asked.Add(1)
		_, err := fmt.Fprintf(w, "<p>%d\n%s", state.Load(), q.Get("host"))
		return err
	}
	address := listen(t, Handler(c, used()))
	resp, lines := watch(t.Context(), t, address)
	if resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("the type is %s", resp.Header.Get("Content-Type"))
	}
	for i := range int32(3) {
		if line := <-lines; line != fmt.Sprintf(`data: "\u003cp\u003e%d\nx"`, i) {
			t.Errorf("event %d is %s", i, line)
		}
		if line := <-lines; line != "" {
			t.Errorf("the event does not end: %s", line)
		}
		for seen := asked.Load(); asked.Load() < seen+5; { // nothing changes, nothing comes
			time.Sleep(time.Millisecond)
		}
		state.Add(1)
	}
}

func TestWatchersAreBoundedAndGo(t *testing.T) {
	address := listen(t, Handler(full(), used()))
	ctx, cancel := context.WithCancel(t.Context())
	for range maxWatchers {
		_, lines := watch(ctx, t, address)
		<-lines
		go func() {
			for range lines {
			}
		}()
	}
	resp, lines := watch(t.Context(), t, address)
	if line := <-lines; resp.StatusCode != 503 || !strings.Contains(line, "too many pages") {
		t.Errorf("one more watcher got %d %q", resp.StatusCode, line)
	}
	cancel()
	deadline := time.Now().Add(10 * time.Second)
	for {
		again, stop := context.WithCancel(t.Context())
		resp, lines := watch(again, t, address)
		<-lines
		stop()
		for range lines {
		}
		if resp.StatusCode == 200 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("watchers that went still count")
		}
	}
}
