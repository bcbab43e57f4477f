package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/proxy"
)

// Ways to write a host so that a filter and a resolver read different things. None is repaired.
func TestDisguisedHostsAreMalformed(t *testing.T) {
	s := newSite(t, "", nil)
	for _, host := range []string{
		"2130706433", "017700000001", "0x7f000001", "0x7f.1", "127.1", "127.0.1", "0177.0.0.1", "127.0.0.0x1", "1.2.3.4.5", // IPv4
		"[::1", "::1", "[fe80::1%25eth0]", "[fe80::1%eth0]", "[::1]x", "[127.0.0.1]", "[" + insight + "]", "[::ffff:1.2.3.4%1]", // brackets, zones
		"user@" + insight, "user:pw@" + insight, insight + "@evil.example", // userinfo
		"ent%2dshasta-rrs.symantec.com", "%65nt-shasta-rrs.symantec.com", insight + "%00", insight + "%2eevil.example", // percent-encoding
		insight + "\\evil.example", insight + "\\", insight + "/", insight + "?", insight + "#", // other delimiters
		"\xd0\xb5nt-shasta-rrs.symantec.com", "ent\xe2\x80\x90shasta-rrs.symantec.com", "\xef\xbd\x85nt-shasta-rrs.symantec.com", // look-alikes
		insight + "\xe3\x80\x82", "ent-shasta-rrs\xe3\x80\x82symantec.com", insight + "\xc2\xad", // other dots, soft hyphen
		"." + insight, insight + "..", "ent-shasta-rrs..symantec.com", "-ent.symantec.com", "ent-.symantec.com", // labels
		strings.Repeat("a", 64) + ".symantec.com", strings.Repeat("a.", 127) + "symantec.com", "xn--.symantec.com", "xn--a.symantec.com", // lengths, punycode
		"*", "*.symantec.com", "",
	} {
		for _, raw := range []string{
			"CONNECT " + host + ":443 HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET http://" + host + ":80/ HTTP/1.1\r\nHost: x\r\n\r\n",
		} {
			if strings.HasPrefix(raw, "GET") && strings.ContainsAny(host, "/?") {
				continue // there these begin the path
			}
			s.answered(s.send(raw), "400", "malformed_request")
			d := s.decided("deny", "malformed_request")
			if d.URL.Original == "" || d.URL.Domain != "" || strings.Contains(d.URL.Original, "pw") {
				t.Errorf("%q is recorded as %+v", host, d.URL)
			}
		}
	}
	for _, host := range []string{insight + "\x00", insight + "\t", insight + " evil.example", "\x1b[2J" + insight} {
		s.answered(s.send("CONNECT "+host+":443 HTTP/1.1\r\nHost: x\r\n\r\n"), "400", "malformed_request")
	}
}

// CVE-2022-24825 and CVE-2022-29188 (Smokescreen): deny rules passed by with a final dot, capitals
// or brackets; and the Host field, which goes for nothing.
func TestDenyRulesHoldHoweverTheHostIsWritten(t *testing.T) {
	s := newSite(t, denyInsight+allowing("http://plain.example"), nil)
	for target, reason := range map[string]string{
		insight + ":443":                  "denied_by_rule",
		insight + ".:443":                 "denied_by_rule",
		strings.ToUpper(insight) + ":443": "denied_by_rule",
		"[" + insight + "]:443":           "malformed_request",
	} {
		got := s.send("CONNECT " + target + " HTTP/1.1\r\nHost: storage.googleapis.com:443\r\n\r\n")
		if !strings.Contains(got, `details="`+reason+`"`) {
			t.Errorf("%s is answered %q, want %s", target, got, reason)
		}
	}
	got := s.send("GET http://evil.example/ HTTP/1.1\r\nHost: plain.example\r\n\r\n")
	s.answered(got, "403", "not_listed")
}

// What is out of place in a request may be content or a header field: none of it is recorded.
func TestWhatIsOutOfPlaceIsNotRecorded(t *testing.T) {
	addr, requests := rawOrigin(t, ok)
	s := plainSite(t, addr)
	for _, raw := range []string{
		"Proxy-Authorization: Basic SECRET\r\n\r\n",
		"password=SECRET&user=root\r\n\r\n",
		"password=SECRET user root\r\n\r\n",
		"\x16\x03\x01SECRET\r\n\r\n",
	} {
		s.answered(s.send(raw), "400", "malformed_request")
		if d := s.decided("deny", "malformed_request"); strings.Contains(d.URL.Original, "SECRET") || d.URL.Original == "" {
			t.Errorf("%q is recorded as %q", raw, d.URL.Original)
		}
	}
	c := s.dial()
	_, _ = io.WriteString(c, "POST http://plain.example/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nabpassword=SECRET\r\n\r\n")
	<-requests
	_, _ = io.ReadAll(c)
	if d := s.decided("deny", "malformed_request"); strings.Contains(d.URL.Original, "SECRET") {
		t.Errorf("content is recorded as %q", d.URL.Original)
	}
}

func TestPathsAreRecordedWholeOrRefused(t *testing.T) {
	addr, requests := rawOrigin(t, ok)
	s := plainSite(t, addr)
	long := "/" + strings.Repeat("\xff", 8<<10-1)
	s.send(get(long))
	<-requests
	if o := s.ended(1, ""); o.URL.Path != "/"+strings.Repeat("%FF", 8<<10-1) {
		t.Errorf("%d bytes are recorded", len(o.URL.Path))
	}
	s.answered(s.send(get(long+"x")), "400", "malformed_request")
	s.answered(s.send("GET http://evil.example"+long+" HTTP/1.1\r\nHost: x\r\n\r\n"), "403", "not_listed")
	if d := s.decided("deny", "not_listed"); len(d.URL.Path) > 4<<10 || !strings.HasSuffix(d.URL.Path, "…") {
		t.Errorf("%d bytes of the path of a denied request are recorded", len(d.URL.Path))
	}
}

func TestTrailersCarryNoCredentialsAndNothingForOneConnection(t *testing.T) {
	s := plainSite(t, "127.0.0.1:1")
	for _, name := range []string{"Proxy-Authorization", "Connection", "Authorization", "Cookie", "Transfer-Encoding", "Upgrade"} {
		got := s.send("POST http://plain.example/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X, " + name + "\r\n\r\n0\r\n\r\n")
		s.answered(got, "400", "malformed_request")
	}
}

func TestTheNextHeadHasToComeInTimeToo(t *testing.T) {
	addr, requests := rawOrigin(t, ok)
	s := newSite(t, allowing("http://plain.example"), map[string]string{"plain.example": addr}, func(c *proxy.Config) {
		c.Timeouts.Header, c.Timeouts.Idle = 50*time.Millisecond, time.Minute
	})
	c := s.dial()
	_, _ = io.WriteString(c, "GET http://plain.example/ HTTP/1.1\r\nHost: x\r\n\r\n")
	<-requests
	readHead(t, c)
	_, _ = io.ReadFull(c, make([]byte, 2))
	began := time.Now()
	_, _ = io.WriteString(c, "GET http://plain.exa")
	got, _ := io.ReadAll(c)
	s.answered(string(got), "400", "malformed_request")
	if took := time.Since(began); took > patience/2 {
		t.Errorf("it took %v", took)
	}
}

func TestResetsAtEveryStage(t *testing.T) {
	stalled := make(chan net.Conn, 16)
	stall := origin(t, func(c net.Conn) { stalled <- c; _, _ = io.Copy(io.Discard, c) })
	reset := func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() }
	atOnce := origin(t, reset)
	afterRequest := origin(t, func(c net.Conn) { _, _ = http.ReadRequest(bufio.NewReader(c)); reset(c) })
	halfway := origin(t, func(c net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(c))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
		reset(c)
	})
	s := newSite(t, allowing("http://stall.example", "http://at-once.example", "http://after.example", "http://halfway.example",
		"https://at-once.example"), map[string]string{
		insight: stall, "stall.example": stall, "at-once.example": atOnce, "after.example": afterRequest, "halfway.example": halfway})
	const connect, post = "CONNECT " + insight + ":443 HTTP/1.1\r\nHost: x\r\n\r\n", "POST http://stall.example/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
	for name, f := range map[string]func(c *net.TCPConn){
		"before a byte":  func(*net.TCPConn) {},
		"in the head":    func(c *net.TCPConn) { _, _ = io.WriteString(c, connect[:20]) },
		"after the head": func(c *net.TCPConn) { _, _ = io.WriteString(c, connect) },
		"in the tunnel":  func(c *net.TCPConn) { _, _ = io.WriteString(c, connect+"x"); readHead(t, c); <-stalled },
		"in the content": func(c *net.TCPConn) { _, _ = io.WriteString(c, post+"half"); <-stalled },
		"in a chunk": func(c *net.TCPConn) {
			_, _ = io.WriteString(c, strings.Replace(post, "Content-Length: 100", "Transfer-Encoding: chunked", 1)+"5\r\nab")
			<-stalled
		},
		"by the origin": func(c *net.TCPConn) {
			_, _ = io.WriteString(c, "CONNECT at-once.example:443 HTTP/1.1\r\nHost: x\r\n\r\n")
			_, _ = io.ReadAll(c)
		},
		"by the origin, 1": func(c *net.TCPConn) {
			_, _ = io.WriteString(c, "GET http://at-once.example/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			_, _ = io.ReadAll(c)
		},
		"by the origin, 2": func(c *net.TCPConn) {
			_, _ = io.WriteString(c, "GET http://after.example/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			_, _ = io.ReadAll(c)
		},
		"by the origin, 3": func(c *net.TCPConn) {
			_, _ = io.WriteString(c, "GET http://halfway.example/ HTTP/1.1\r\nHost: x\r\n\r\n")
			_, _ = io.ReadAll(c)
		},
		"while it answers": func(c *net.TCPConn) {
			_, _ = io.WriteString(c, "GET http://halfway.example/ HTTP/1.1\r\nHost: x\r\n\r\n")
		},
		"while it is asked": func(c *net.TCPConn) {
			_, _ = io.WriteString(c, "GET http://stall.example/ HTTP/1.1\r\nHost: x\r\n\r\n")
			<-stalled
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				c := s.dial()
				f(c)
				_ = c.SetLinger(0)
				_ = c.Close()
			}
		})
	}
	eventually(t, "ending all of them", func() bool { return s.server.ConnectionsActive() == 0 && s.server.TunnelsActive() == 0 })
	allowed := 0
	for _, d := range s.trail.all(audit.ActionDecision) {
		if d.Sepproxy.Verdict == "allow" {
			allowed++
		}
	}
	if allowed < 3*8 {
		t.Errorf("only %d requests were allowed", allowed)
	}
	s.trail.await(t, audit.ActionOutcome, allowed)
	s.answered(s.send("CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n"), "403", "not_listed") // and all is well
}

func TestAnOriginThatNeverReadsOrAnswers(t *testing.T) {
	idle := func(c *proxy.Config) { c.Timeouts.Idle = 200 * time.Millisecond }
	never := func(t *testing.T) string {
		over := make(chan struct{})
		addr := origin(t, func(net.Conn) { <-over })
		t.Cleanup(func() { close(over) })
		return addr
	}
	t.Run("tunnel", func(t *testing.T) {
		s := newSite(t, "", map[string]string{insight: never(t)}, idle)
		c := s.connect(insight+":443", "")
		go func() { _, _ = io.Copy(c, endless{}) }()
		s.ended(1, "idle_timeout")
	})
	t.Run("upload", func(t *testing.T) {
		s := newSite(t, allowing("http://plain.example"), map[string]string{"plain.example": never(t)}, idle)
		c := s.dial()
		_, _ = io.WriteString(c, "POST http://plain.example/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
		go func() { _, _ = io.Copy(c, endless{}) }()
		s.ended(1, "idle_timeout")
	})
	t.Run("request", func(t *testing.T) {
		s := newSite(t, allowing("http://plain.example"), map[string]string{"plain.example": never(t)}, idle)
		s.answered(s.send(get("/")), "504", "idle_timeout")
		s.ended(1, "idle_timeout")
	})
	t.Run("a client that never reads", func(t *testing.T) {
		addr := origin(t, func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
			_, _ = io.Copy(c, endless{})
		})
		s := newSite(t, allowing("http://plain.example"), map[string]string{"plain.example": addr}, idle)
		c := s.dial()
		_, _ = io.WriteString(c, get("/"))
		s.ended(1, "idle_timeout")
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
