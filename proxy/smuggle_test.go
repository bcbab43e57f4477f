package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"

	"github.com/sepproxy/sepproxy/audit"
)

// Ways to hide a second request or a second answer, each with where the idea was published. What
// matters is not the answer but what the origin sees: one request, the one that was judged, or none.
func TestNothingIsSmuggledToTheOrigin(t *testing.T) {
	const second = "GET http://plain.example/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
	const line = "POST http://plain.example/seen HTTP/1.1\r\n"
	for name, raw := range map[string]string{
		// Watchfire, "HTTP Request Smuggling" (2005); PortSwigger, "HTTP Desync Attacks" (2019).
		"CL.TE": line + "Host: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second,
		"TE.CL": line + "Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + second,
		"CL.CL": line + "Host: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n" + second,
		// PortSwigger (2019): forms of Transfer-Encoding that one side reads and the other does not.
		"TE with a space before the colon": line + "Host: x\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + second,
		"TE with a vertical tab":           line + "Host: x\r\nTransfer-Encoding:\x0bchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + second,
		"TE twice":                         line + "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n\r\n0\r\n\r\n" + second,
		"TE folded":                        line + "Host: x\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + second,
		"TE in another line, bare LF":      line + "Host: x\r\nX: x\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + second,
		"TE in another line, bare CR":      line + "Host: x\r\nX: x\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + second,
		"TE quoted":                        line + "Host: x\r\nTransfer-Encoding: \"chunked\"\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + second,
		"TE identity":                      line + "Host: x\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + second,
		// CVE-2025-22871 (Go), CVE-2019-16276 (Go): line ends and names that are almost right.
		"chunk extension with a bare LF": line + "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n1;x\nab\r\n0\r\n\r\n" + second,
		"chunk size with 0x":             line + "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n" + second,
		"chunk size with a space":        line + "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n" + second,
		"chunk size that overflows":      line + "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n0\r\n\r\n" + second,
		"a trailer that frames":          line + "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n" + second,
		// RFC 9112 §11.2, RFC 9110 §7.8: what makes the next hop change the protocol.
		"h2c upgrade": line + "Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 1\r\n\r\na",
		// hop-by-hop abuse (N. Davison, 2019): fields that the client lists must not make others go.
		"Connection lists Host":           line + "Host: x\r\nConnection: Host\r\nContent-Length: 1\r\n\r\na",
		"Connection lists Content-Length": line + "Host: x\r\nConnection: Content-Length\r\nContent-Length: 1\r\n\r\na",
		"GET with content":                strings.Replace(line, "POST", "GET", 1) + "Host: x\r\nContent-Length: 1\r\n\r\na",
		"a request in the target":         "GET http://plain.example/seen%20HTTP/1.1%0d%0aX:%20y HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWitness(t)
			s := newSite(t, allowing("http://plain.example/seen"), map[string]string{"plain.example": w.addr})
			c := s.dial()
			_, _ = io.WriteString(c, raw)
			_ = c.CloseWrite()
			_, _ = io.ReadAll(c)
			done, cancel := context.WithCancel(context.Background())
			cancel()
			s.server.Shutdown(done)
			w.stop()
			for _, saw := range w.saw {
				if strings.Contains(saw, "hidden") || strings.Contains(saw, "Upgrade") || strings.Count(saw, "HTTP/1.1\r\n") > 1 {
					t.Errorf("the origin saw %q", saw)
				}
			}
		})
	}
}

// A witness is an origin that answers every request and remembers everything it was sent. What it
// saw may be read after stop.
type witness struct {
	addr     string
	stop     func() // when nobody is connected any more
	mu       sync.Mutex
	saw      []string // the bytes of each connection
	requests []string // method, target and content of each complete request
}

func newWitness(t testing.TB) *witness {
	w := &witness{}
	w.addr, w.stop = originWithStop(t, func(c net.Conn) {
		var sent bytes.Buffer
		br := bufio.NewReader(io.TeeReader(c, &sent))
		defer func() {
			_, _ = io.Copy(io.Discard, br)
			w.mu.Lock()
			defer w.mu.Unlock()
			w.saw = append(w.saw, sent.String())
		}()
		for {
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			w.mu.Lock()
			w.requests = append(w.requests, r.Method+" "+r.RequestURI+" "+string(body))
			w.mu.Unlock()
			_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		}
	})
	return w
}

// What an origin sends back may be as bad as what a client sends.
func TestBadAnswersAreNotPassedOn(t *testing.T) {
	for name, answer := range map[string]string{
		"two lengths":              "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
		"length and coding":        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"another coding":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"coding in HTTP/1.0":       "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a bare line feed":         "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok",
		"a bare carriage return":   "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok",
		"a folded line":            "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
		"space before the colon":   "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
		"NUL":                      "HTTP/1.1 200 OK\r\nX: \x00\r\nContent-Length: 2\r\n\r\nok",
		"no status line":           "<html>HTTP/0.9</html>",
		"a head without end":       "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 300<<10),
		"a status that is none":    "HTTP/1.1 xyz OK\r\nContent-Length: 2\r\n\r\nok",
		"another protocol":         "SSH-2.0-OpenSSH_9.2\r\n",
		"interim answers for ever": strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100),
	} {
		t.Run(name, func(t *testing.T) {
			addr, _ := rawOrigin(t, answer)
			s := plainSite(t, addr)
			got := s.send(get("/"))
			s.answered(got, "502", "upstream_reset")
			if strings.Contains(got, "Set-Cookie") || strings.Contains(got, "html>") {
				t.Errorf("passed on: %q", got)
			}
		})
	}
}

// A second answer that nobody asked for belongs to no later request.
func TestAnAnswerTooManyIsNobodys(t *testing.T) {
	addr := origin(t, func(c net.Conn) {
		br := bufio.NewReader(c)
		for {
			if _, err := http.ReadRequest(br); err != nil {
				return
			}
			_, _ = io.WriteString(c, ok+"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
		}
	})
	s := plainSite(t, addr)
	for range 5 {
		if got := s.send(get("/")); strings.Contains(got, "poison") {
			t.Errorf("answered %q", got)
		}
	}
}

// Whatever bytes a client sends: the requests that the origin sees are the ones that those bytes
// hold, in their order, or fewer; and each has its decision.
func FuzzRequestsArriveAsSentOrNotAtAll(f *testing.F) {
	for _, seed := range []string{
		"GET http://plain.example/ HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST http://plain.example/a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET http://plain.example/2 HTTP/1.1\r\nHost: x\r\n\r\n",
		"PUT http://plain.example/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
		"POST http://plain.example/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET http://plain.example/ HTTP/1.1\r\nHost: x\r\n\r\n",
		"\r\nGET http://plain.example/%zz|[ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4<<10 {
			return
		}
		w := newWitness(t)
		s := newSite(t, allowing("http://plain.example"), map[string]string{"plain.example": w.addr})
		c := s.dial()
		_, _ = c.Write(data)
		_ = c.CloseWrite()
		_, _ = io.ReadAll(c)
		done, cancel := context.WithCancel(context.Background())
		cancel()
		s.server.Shutdown(done) // closes what is open to the origin
		w.stop()
		want, decisions := requestsIn(data), s.trail.all(audit.ActionDecision)
		for i, got := range w.requests {
			if i >= len(want) || got != want[i] {
				t.Fatalf("request %d at the origin is %q; the bytes %q hold %q", i+1, got, data, want)
			}
			if i >= len(decisions) || decisions[i].Sepproxy.Verdict != "allow" {
				t.Fatalf("%q reached the origin without a decision", got)
			}
		}
	})
}

// requestsIn reads the requests in data one after the other, as net/http does, with the target that
// an origin gets to see.
func requestsIn(data []byte) (out []string) {
	br := bufio.NewReader(bytes.NewReader(data))
	for {
		line, err := br.Peek(2)
		if err == nil && string(line) == "\r\n" {
			_, _ = br.Discard(2)
		}
		head, err := readUntilEmptyLine(br)
		if err != nil {
			return out
		}
		first, rest, _ := strings.Cut(head, "\r\n")
		words := strings.Split(first, " ")
		if len(words) != 3 {
			return out
		}
		// The target may be more than net/url reads; it is put back in afterwards.
		r, err := http.ReadRequest(bufio.NewReader(io.MultiReader(
			strings.NewReader(words[0]+" / "+words[2]+"\r\n"+rest), br)))
		if err != nil {
			return out
		}
		body := []byte{}
		switch {
		case len(r.TransferEncoding) > 0:
			body, err = io.ReadAll(httputil.NewChunkedReader(br))
			if err == nil {
				_, err = readUntilEmptyLine(br)
			}
		case r.ContentLength > 0:
			body = make([]byte, r.ContentLength)
			_, err = io.ReadFull(br, body)
		}
		if err != nil {
			return out
		}
		out = append(out, words[0]+" "+pathOf(words[1])+" "+string(body))
	}
}

func pathOf(target string) string {
	_, rest, _ := strings.Cut(target, "://")
	i := strings.IndexAny(rest, "/?")
	switch {
	case i < 0:
		return "/"
	case rest[i] == '?':
		return "/" + rest[i:]
	}
	return rest[i:]
}

func readUntilEmptyLine(br *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := br.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String(), err
		}
	}
}
