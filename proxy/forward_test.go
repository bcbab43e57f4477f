package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// plainSite is a proxy that allows http://plain.example, found at addr.
func plainSite(t testing.TB, addr string) *site {
	t.Helper()
	return newSite(t, allowing("http://plain.example"), map[string]string{"plain.example": addr})
}

func get(path string, fields ...string) string {
	return "GET http://plain.example" + path + " HTTP/1.1\r\nHost: plain.example\r\n" +
		strings.Join(append(fields, "Connection: close"), "\r\n") + "\r\n\r\n"
}

func TestThePathGoesUpstreamByteForByte(t *testing.T) {
	addr, requests := rawOrigin(t, ok)
	s := plainSite(t, addr)
	for _, path := range []string{
		"/a$20b", "/a%2fb", "//x", "//x|[y]", "/a|b", "/a[b]", "/caf\xc3\xa9", "/\xff\xfe", "/%zz", "/a/../b", "/a//b/./c",
		"/x?y=%20&z=\xe9|", "/x??", "/?", `/a"b<c>`, "/a\\b", "/~a;b=1,2", "/%41%61",
	} {
		s.send(get(path))
		line, _, _ := strings.Cut(<-requests, "\r\n")
		if want := "GET " + path + " HTTP/1.1"; line != want {
			t.Errorf("the origin sees %q, want %q", line, want)
		}
	}
	s.send(get(""))
	if line, _, _ := strings.Cut(<-requests, "\r\n"); line != "GET / HTTP/1.1" {
		t.Errorf("the origin sees %q for an empty path", line)
	}
}

func TestTheRecordHasThePathAndNeverTheQuery(t *testing.T) {
	addr, _ := rawOrigin(t, ok)
	s := plainSite(t, addr)
	s.send(get("/a%2f\xff\xc3\xa9?token=secret", "Cookie: secret", "Authorization: secret"))
	o := s.ended(1, "")
	if want := "/a%2f%FFé"; o.URL.Path != want {
		t.Errorf("recorded path %q, want %q", o.URL.Path, want)
	}
	if all := fmt.Sprintf("%+v %+v %+v %+v", s.decided("allow", "local_rule"), o, o.URL, o.HTTP); strings.Contains(all, "secret") {
		t.Errorf("a secret is in the record: %s", all)
	}
}

func TestNoHeaderFieldIsAddedOrLostButTheHopByHopOnes(t *testing.T) {
	addr, requests := rawOrigin(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"+
		"Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-End: kept\r\nVia: 1.0 other\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nok")
	s := plainSite(t, addr)
	answer := s.send("GET http://plain.example/ HTTP/1.1\r\nHOST: elsewhere.example\r\nConnection: close, X-Private, Content-Length\r\nX-Private: 1\r\n" +
		"Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic c2VjcmV0\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: websocket\r\n" +
		"Accept-Encoding: br;q=0.5, gzip\r\nX-End: kept\r\n\r\n")
	request := <-requests
	for _, want := range []string{"\r\nHost: plain.example\r\n", "\r\nAccept-Encoding: br;q=0.5, gzip\r\n", "\r\nX-End: kept\r\n", "\r\nVia: 1.1 sepproxy\r\n"} {
		if !strings.Contains(request, want) {
			t.Errorf("the origin misses %q in %q", want, request)
		}
	}
	for _, gone := range []string{"X-Private", "Proxy-", "Keep-Alive", "\r\nTe:", "Upgrade", "elsewhere", "X-Forwarded", "User-Agent", "Forwarded"} {
		if strings.Contains(request, gone) {
			t.Errorf("the origin sees %s in %q", gone, request)
		}
	}
	head, body, _ := strings.Cut(answer, "\r\n\r\n")
	for _, want := range []string{"X-End: kept", "Via: 1.0 other", "Via: 1.1 sepproxy", "Set-Cookie: a=1", "Set-Cookie: b=2", "Content-Length: 2"} {
		if !strings.Contains(head, want) {
			t.Errorf("the client misses %q in %q", want, head)
		}
	}
	for _, gone := range []string{"X-Hop", "Keep-Alive", "Proxy-Authenticate", "Upgrade", "Content-Type"} {
		if strings.Contains(head, gone) {
			t.Errorf("the client sees %s in %q", gone, head)
		}
	}
	if body != "ok" {
		t.Errorf("body %q", body)
	}
}

func TestAcceptEncodingIsNotInvented(t *testing.T) {
	addr, requests := rawOrigin(t, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00")
	s := plainSite(t, addr)
	answer := s.send(get("/"))
	if request := <-requests; strings.Contains(request, "Accept-Encoding") {
		t.Errorf("the origin sees %q", request)
	}
	if !strings.HasSuffix(answer, "\x1f\x8b\x08\x00") || !strings.Contains(answer, "Content-Encoding: gzip") {
		t.Errorf("the content was decoded: %q", answer)
	}
}

func TestProxiesOfTheEnvironmentAreNotUsed(t *testing.T) {
	trap := listenLocal(t)
	t.Setenv("HTTP_PROXY", "http://"+trap.Addr().String())
	t.Setenv("HTTPS_PROXY", "http://"+trap.Addr().String())
	t.Setenv("ALL_PROXY", "http://"+trap.Addr().String())
	addr, requests := rawOrigin(t, ok)
	s := newSite(t, allowing("http://plain.example"), map[string]string{"plain.example": addr, insight: origin(t, echo)})
	s.send(get("/"))
	<-requests
	_ = s.connect(insight+":443", "").Close()
	s.ended(2, "")
}

func TestSwitchingProtocolsBecomesBadGateway(t *testing.T) {
	addr, requests := rawOrigin(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhidden")
	s := plainSite(t, addr)
	got := s.send("GET http://plain.example/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\nGET http://plain.example/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if request := <-requests; strings.Contains(request, "Upgrade") {
		t.Errorf("the origin sees %q", request)
	}
	if !strings.HasPrefix(got, "HTTP/1.1 502 ") || strings.Contains(got, "hidden") {
		t.Errorf("answered %q", got)
	}
	s.ended(1, "upstream_reset")
}

func TestFormsThatAreNotAProxysGetAdvice(t *testing.T) {
	s := plainSite(t, "127.0.0.1:1")
	got := s.send("GET https://plain.example/ HTTP/1.1\r\nHost: x\r\n\r\n")
	s.answered(got, "400", "malformed_request")
	if !strings.Contains(got, "CONNECT") {
		t.Errorf("no advice in %q", got)
	}
	got = s.send("GET /index.html HTTP/1.1\r\nHost: x\r\n\r\n")
	s.answered(got, "400", "malformed_request")
	if !strings.Contains(got, "forward proxy") {
		t.Errorf("no advice in %q", got)
	}
}

func TestStreamingRequestsAndAnswersWithTrailers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("Trailer", "X-Sum")
		for {
			piece := make([]byte, 5)
			if _, err := io.ReadFull(r.Body, piece); err != nil {
				break
			}
			_, _ = w.Write(bytes.ToUpper(piece))
			_ = http.NewResponseController(w).Flush()
		}
		w.Header().Set("X-Sum", r.Trailer.Get("X-Client-Sum")+"!")
	}))
	defer server.Close()
	s := plainSite(t, server.Listener.Addr().String())
	c := s.dial()
	_, _ = io.WriteString(c, "POST http://plain.example/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Client-Sum\r\n\r\n5\r\nhello\r\n")
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 5)
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "HELLO" {
		t.Fatalf("before the request ended there came %q, %v", first, err)
	}
	_, _ = io.WriteString(c, "5;ext=1\r\nworld\r\n0\r\nX-Client-Sum: 7\r\n\r\n")
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "WORLD" {
		t.Errorf("then there came %q, %v", rest, err)
	}
	if got := resp.Trailer.Get("X-Sum"); got != "7!" {
		t.Errorf("trailer %q", got)
	}
	moved(t, s.ended(1, ""), 10, 10)
}

func TestMethodsStatusesAndRangesPassAsTheyAre(t *testing.T) {
	content := strings.Repeat("0123456789", 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("X-Method", r.Method)
		http.ServeContent(w, r, "content.zip", time.Unix(1e9, 0), strings.NewReader(content))
	}))
	defer server.Close()
	s := plainSite(t, server.Listener.Addr().String())
	client := s.client()
	n := 0
	do := func(method string, fields ...string) (*http.Response, string) {
		t.Helper()
		req, _ := http.NewRequest(method, "http://plain.example/content.zip", nil)
		for i := 0; i+1 < len(fields); i += 2 {
			req.Header.Set(fields[i], fields[i+1])
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		n++
		o := s.ended(n, "")
		if o.HTTP.Response.StatusCode != resp.StatusCode || o.HTTP.Request.Method != method {
			t.Errorf("recorded %s %d, want %s %d", o.HTTP.Request.Method, o.HTTP.Response.StatusCode, method, resp.StatusCode)
		}
		moved(t, o, 0, int64(len(body)))
		return resp, string(body)
	}
	if resp, body := do("GET"); body != content || resp.Header.Get("Content-Length") != "10000" {
		t.Errorf("GET: %d bytes, %v", len(body), resp.Header)
	}
	if resp, body := do("HEAD"); body != "" || resp.Header.Get("Content-Length") != "10000" {
		t.Errorf("HEAD: %q, %v", body, resp.Header)
	}
	if resp, body := do("GET", "Range", "bytes=10-14"); resp.StatusCode != 206 || body != "01234" {
		t.Errorf("Range: %d %q", resp.StatusCode, body)
	}
	if resp, _ := do("GET", "If-None-Match", `"v1"`); resp.StatusCode != 304 || resp.Header.Get("ETag") != `"v1"` {
		t.Errorf("If-None-Match: %d", resp.StatusCode)
	}
	if resp, _ := do("PROPFIND"); resp.Header.Get("X-Method") != "PROPFIND" {
		t.Errorf("PROPFIND arrived as %q", resp.Header.Get("X-Method"))
	}
}

func TestExpectContinueAsksTheOriginFirst(t *testing.T) {
	for _, final := range []string{"100", "417"} {
		bodies := make(chan string, 1)
		addr := origin(t, func(c net.Conn) {
			br := bufio.NewReader(c)
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			if final == "417" {
				bodies <- ""
				_, _ = io.WriteString(c, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			body, _ := io.ReadAll(req.Body)
			bodies <- string(body)
			_, _ = io.WriteString(c, ok)
		})
		s := plainSite(t, addr)
		c := s.dial()
		_, _ = io.WriteString(c, "POST http://plain.example/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		head := readHead(t, c)
		if !strings.HasPrefix(head, "HTTP/1.1 "+final+" ") {
			t.Errorf("answered %q, want %s", head, final)
		}
		if final == "417" {
			<-bodies
			continue
		}
		_, _ = io.WriteString(c, "hello")
		if body := <-bodies; body != "hello" {
			t.Errorf("the origin got %q", body)
		}
		readHead(t, c)
	}
}

// An answer that the origin cuts short must not look complete, whatever its framing.
func TestATruncatedAnswerDoesNotLookComplete(t *testing.T) {
	for name, answer := range map[string]string{
		"length": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
		"chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nonly \r\n64\r\nthis",
	} {
		t.Run(name, func(t *testing.T) {
			addr, _ := rawOrigin(t, answer)
			s := plainSite(t, addr)
			resp, err := s.client().Get("http://plain.example/")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); err == nil {
				t.Errorf("%q looks complete", body)
			}
			moved(t, s.ended(1, "upstream_reset"), 0, 9)
		})
	}
}

func TestAnOriginThatAnswersNothingOrJunk(t *testing.T) {
	for name, answer := range map[string]string{"nothing": "", "junk": "\x00\x01 nonsense\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			addr, _ := rawOrigin(t, answer)
			s := plainSite(t, addr)
			s.answered(s.send(get("/")), "502", "upstream_reset")
			s.ended(1, "upstream_reset")
		})
	}
}

func TestAClientThatLeavesIsRecorded(t *testing.T) {
	asked := make(chan struct{})
	left := make(chan error, 1)
	addr := origin(t, func(c net.Conn) {
		br := bufio.NewReader(c)
		_, _ = http.ReadRequest(br)
		close(asked)
		_, err := br.ReadByte() // the proxy hangs up
		left <- err
	})
	s := plainSite(t, addr)
	c := s.dial()
	_, _ = io.WriteString(c, get("/"))
	<-asked
	_ = c.Close()
	if err := <-left; err == nil {
		t.Error("the proxy stays although its client left")
	}
	s.ended(1, "client_reset")
}

func TestKeepAliveServesManyRequests(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, strconv.Itoa(len(body)))
	}))
	defer server.Close()
	s := plainSite(t, server.Listener.Addr().String())
	c := s.dial()
	br := bufio.NewReader(c)
	pipeline := "POST http://plain.example/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" +
		"\r\nPOST http://plain.example/2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n" + // after an empty line
		"GET http://plain.example/3 HTTP/1.1\r\nHost: x\r\n\r\n"
	_, _ = io.WriteString(c, pipeline)
	for i, want := range []string{"3", "2", "0"} {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i+1, err)
		}
		if body, _ := io.ReadAll(resp.Body); string(body) != want {
			t.Errorf("answer %d is %q, want %q", i+1, body, want)
		}
	}
	var paths []string
	for _, o := range s.trail.await(t, "outcome", 3) {
		paths = append(paths, o.URL.Path)
	}
	slices.Sort(paths)
	if want := []string{"/1", "/2", "/3"}; !slices.Equal(paths, want) {
		t.Errorf("recorded %v, want %v", paths, want)
	}
}

func TestAmbiguousRequestsAreRefusedAndRecorded(t *testing.T) {
	addr, requests := rawOrigin(t, ok)
	s := plainSite(t, addr)
	const line = "POST http://plain.example/ HTTP/1.1\r\n"
	for name, raw := range map[string]string{
		"length and coding":      line + "Host: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
		"two lengths":            line + "Host: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
		"the same length twice":  line + "Host: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
		"a signed length":        line + "Host: x\r\nContent-Length: +3\r\n\r\n",
		"a list of lengths":      line + "Host: x\r\nContent-Length: 3, 3\r\n\r\n",
		"another coding":         line + "Host: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"coding with a tab":      line + "Host: x\r\nTransfer-Encoding: \vchunked\r\n\r\n",
		"coding twice":           line + "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		"coding in HTTP/1.0":     "POST http://plain.example/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
		"a bare line feed":       line + "Host: x\n\r\n",
		"a bare carriage return": line + "Host: x\rX: y\r\n\r\n",
		"space before the colon": line + "Host : x\r\n\r\n",
		"a folded line":          line + "Host: x\r\nX: a\r\n b\r\n\r\n",
		"two hosts":              line + "Host: x\r\nHost: x\r\n\r\n",
		"no host":                line + "\r\n",
		"NUL":                    line + "Host: x\r\nX: a\x00b\r\n\r\n",
		"HTTP/2's preface":       "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"no version":             "GET http://plain.example/\r\n\r\n",
		"two spaces":             "GET  http://plain.example/ HTTP/1.1\r\nHost: x\r\n\r\n",
		"TLS":                    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n",
		"another expectation":    line + "Host: x\r\nExpect: wonders\r\n\r\n",
		"a trailer that frames":  line + "Host: x\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n",
		"content on CONNECT":     "CONNECT plain.example:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
		"too large":              line + "Host: x\r\nX: " + strings.Repeat("a", 40<<10) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			s.answered(s.send(raw), "400", "malformed_request")
			s.decided("deny", "malformed_request")
			// The same after a good request on the same connection.
			c := s.dial()
			_, _ = io.WriteString(c, "GET http://plain.example/ HTTP/1.1\r\nHost: x\r\n\r\n"+raw)
			<-requests
			got, _ := io.ReadAll(c)
			if !strings.HasPrefix(string(got), "HTTP/1.1 200 ") || !strings.Contains(string(got), "okHTTP/1.1 400 ") {
				t.Errorf("after a good request: %q", got)
			}
		})
	}
	select {
	case r := <-requests:
		t.Errorf("the origin saw %q", r)
	default:
	}
}

func TestBadChunksEndTheRequest(t *testing.T) {
	for name, chunks := range map[string]string{
		"not a number":      "z\r\nab\r\n0\r\n\r\n",
		"a bare line feed":  "2\nab\r\n0\r\n\r\n",
		"no end of a chunk": "2\r\nabXX0\r\n\r\n",
		"a huge size":       "ffffffffffffffffff\r\nab",
		"a sign":            "+2\r\nab\r\n0\r\n\r\n",
		"a folded trailer":  "0\r\nX: a\r\n b\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			complete := make(chan bool, 1)
			addr := origin(t, func(c net.Conn) {
				req, err := http.ReadRequest(bufio.NewReader(c))
				if err == nil {
					_, err = io.ReadAll(req.Body)
				}
				complete <- err == nil
			})
			s := plainSite(t, addr)
			s.send("POST http://plain.example/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
			s.ended(1, "client_reset")
			if <-complete {
				t.Error("the origin saw a complete request")
			}
		})
	}
}
