package proxy_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/proxy"
)

const insight = "ent-shasta-rrs.symantec.com"

func echo(c net.Conn) {
	_, _ = io.Copy(c, c)
	_ = c.(*net.TCPConn).CloseWrite()
}

func TestTunnelShowsTheOriginsOwnCertificate(t *testing.T) {
	other := httptest.NewTLSServer(nil) // for its certificate
	defer other.Close()
	addr := origin(t, func(c net.Conn) {
		secure := tls.Server(c, other.TLS)
		_, _ = io.WriteString(secure, "reputation")
		_, _ = io.Copy(io.Discard, secure) // closing with unread bytes would be a reset
	})
	s := newSite(t, "", map[string]string{insight: addr})

	raw := s.connect(insight+":443", "")
	c := tls.Client(raw, &tls.Config{ServerName: "example.com", RootCAs: poolOf(other.Certificate())})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if got := c.ConnectionState().PeerCertificates[0]; !got.Equal(other.Certificate()) {
		t.Error("the client sees another certificate than the origin's")
	}
	if _, err := io.ReadFull(c, make([]byte, len("reputation"))); err != nil {
		t.Error(err)
	}
	_ = c.CloseWrite()
	_ = raw.CloseWrite()
	_, _ = io.Copy(io.Discard, raw)
	_ = c.Close()
	d := s.decided("allow", "catalog")
	if d.Rule == nil || d.Rule.Name != "agent.insight" || d.Rule.Ruleset != "sep-ses" || !*d.Sepproxy.Documented ||
		d.URL.Scheme != "https" || d.URL.Domain != insight || d.URL.Port != 443 || d.HTTP.Request.Method != "CONNECT" {
		t.Errorf("decision %+v %+v %+v", d.Rule, d.Sepproxy, d.URL)
	}
	o := s.ended(1, "")
	if o.Destination.IP != "127.0.0.1" || o.Transaction.ID != d.Transaction.ID || o.Event.Duration <= 0 {
		t.Errorf("outcome %+v of %s, want one of %s", o.Destination, o.Transaction.ID, d.Transaction.ID)
	}
}

func poolOf(c *x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(c)
	return p
}

func TestBytesSentWithTheConnectArrive(t *testing.T) {
	s := newSite(t, "", map[string]string{insight: origin(t, echo)})
	early := strings.Repeat("early", 5000) // more than one read of the proxy
	c := s.connect(insight+":443", early)
	_ = c.CloseWrite()
	got, err := io.ReadAll(c)
	if err != nil || string(got) != early {
		t.Fatalf("%d bytes came back (%v), want %d", len(got), err, len(early))
	}
	moved(t, s.ended(1, ""), int64(len(early)), int64(len(early)))
}

func TestConnectAfterAPlainRequestOnOneConnection(t *testing.T) {
	plain, _ := rawOrigin(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	s := newSite(t, allowing("http://plain.example"), map[string]string{insight: origin(t, echo), "plain.example": plain})
	c := s.dial()
	_, _ = io.WriteString(c, "GET http://plain.example/ HTTP/1.1\r\nHost: plain.example\r\n\r\n")
	readHead(t, c)
	_, _ = io.CopyN(io.Discard, c, 2)
	_, _ = io.WriteString(c, "CONNECT "+insight+":443 HTTP/1.1\r\nHost: "+insight+":443\r\n\r\nearly bytes")
	readHead(t, c)
	_ = c.CloseWrite()
	if got, err := io.ReadAll(c); err != nil || string(got) != "early bytes" {
		t.Errorf("got %q, %v", got, err)
	}
	moved(t, s.ended(2, ""), 11, 11)
}

// Each side may go on after the other has finished, and neither loses anything.
func TestHalfCloseBothWays(t *testing.T) {
	big := make([]byte, 3<<20)
	_, _ = rand.Read(big)
	t.Run("client first", func(t *testing.T) {
		s := newSite(t, "", map[string]string{insight: origin(t, func(c net.Conn) {
			got, _ := io.ReadAll(c) // until the client is done
			_, _ = c.Write(got)
			_, _ = c.Write(got)
		})})
		c := s.connect(insight+":443", "")
		go func() {
			_, _ = c.Write(big)
			_ = c.CloseWrite()
		}()
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, append(bytes.Clone(big), big...)) {
			t.Errorf("%d bytes came back, %v", len(got), err)
		}
		moved(t, s.ended(1, ""), int64(len(big)), int64(2*len(big)))
	})
	t.Run("origin first", func(t *testing.T) {
		received := make(chan int64, 1)
		s := newSite(t, "", map[string]string{insight: origin(t, func(c net.Conn) {
			_, _ = c.Write(big)
			_ = c.(*net.TCPConn).CloseWrite()
			n, _ := io.Copy(io.Discard, c)
			received <- n
		})})
		c := s.connect(insight+":443", "")
		if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, big) {
			t.Errorf("%d bytes came, %v", len(got), err)
		}
		_, _ = c.Write(big)
		_ = c.Close()
		if n := <-received; n != int64(len(big)) {
			t.Errorf("the origin got %d bytes, want %d", n, len(big))
		}
		moved(t, s.ended(1, ""), int64(len(big)), int64(len(big)))
	})
}

func TestAResetIsPassedOnAsAReset(t *testing.T) {
	t.Run("by the origin", func(t *testing.T) {
		s := newSite(t, "", map[string]string{insight: origin(t, func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 1))
			_ = c.(*net.TCPConn).SetLinger(0)
		})})
		c := s.connect(insight+":443", "x")
		if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client sees %v, want a reset", err)
		}
		moved(t, s.ended(1, "upstream_reset"), 1, 0)
	})
	t.Run("by the client", func(t *testing.T) {
		seen := make(chan error, 1)
		s := newSite(t, "", map[string]string{insight: origin(t, func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 1))
			_, _ = c.Write([]byte("y"))
			_, err := io.ReadAll(c)
			seen <- err
		})})
		c := s.connect(insight+":443", "x")
		_, _ = io.ReadFull(c, make([]byte, 1))
		_ = c.SetLinger(0)
		_ = c.Close()
		if err := <-seen; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the origin sees %v, want a reset", err)
		}
		moved(t, s.ended(1, "client_reset"), 1, 1)
	})
}

func TestAnIdleTunnelEnds(t *testing.T) {
	s := newSite(t, "", map[string]string{insight: origin(t, echo)}, func(c *proxy.Config) { c.Timeouts.Idle = 50 * time.Millisecond })
	c := s.connect(insight+":443", "x")
	_, _ = io.ReadAll(c)
	moved(t, s.ended(1, "idle_timeout"), 1, 1)
}

func TestWhatIsNotAllowedIsRefusedAndRecorded(t *testing.T) {
	policyYAML := `
groups: [agent]
clients:
  - {name: here, cidrs: [127.0.0.1/32]}
allow:
  - {url: "http://plain.example", service: local.plain, reason: test}
deny:
  - {url: "https://central.crsi.symantec.com", reason: test}
`
	s := newSite(t, policyYAML, nil)
	for _, tc := range []struct{ authority, status, reason string }{
		{"example.com:443", "403", "not_listed"},
		{"sub." + insight + ":443", "403", "not_listed"},
		{insight + ":22", "403", "port_not_listed"},
		{"plain.example:443", "403", "scheme_not_listed"},
		{"central.crsi.symantec.com:443", "403", "denied_by_rule"},
		{"127.0.0.1:443", "403", "ip_literal"},
		{"[::1]:443", "403", "ip_literal"},
		{"sep.securitycloud.symantec.com:443", "403", "not_listed"}, // of a group that is left out
	} {
		s.answered(s.send("CONNECT "+tc.authority+" HTTP/1.1\r\nHost: x\r\n\r\n"), tc.status, tc.reason)
		s.decided("deny", tc.reason)
	}
	if n := len(s.trail.all(audit.ActionOutcome)); n > 0 {
		t.Errorf("%d outcomes of denied requests", n)
	}
}

func TestAClientThatIsNotListedIsRefused(t *testing.T) {
	s := newSite(t, "clients: [{name: lab, cidrs: [10.0.0.0/8]}]\n", nil)
	s.answered(s.send("CONNECT "+insight+":443 HTTP/1.1\r\nHost: x\r\n\r\n"), "403", "client_not_allowed")
}

// goproxy dials a target without a port at :80, and "/" at the proxy's own host.
func TestTargetsThatAreNotHostAndPortAreMalformed(t *testing.T) {
	s := newSite(t, "", nil)
	for _, target := range []string{insight, "/", "*", insight + ":", insight + ":https", insight + ":443:443", insight + ":443/",
		insight + ":+443", insight + ":0", insight + ":65536", "user@" + insight + ":443", insight + ":443@other:80",
		insight + "..:443", "2130706433:443", "0x7f000001:443", "127.1:443", "[fe80::1%25eth0]:443", "https://" + insight} {
		s.answered(s.send("CONNECT "+target+" HTTP/1.1\r\nHost: x\r\n\r\n"), "400", "malformed_request")
		if d := s.decided("deny", "malformed_request"); d.URL.Original == "" || d.URL.Domain != "" {
			t.Errorf("%s is recorded as %+v", target, d.URL)
		}
	}
}

func TestCaseAndFinalDotDoNotMatter(t *testing.T) {
	s := newSite(t, "", map[string]string{insight: origin(t, echo)})
	_ = s.connect("ENT-Shasta-RRS.Symantec.com.:443", "").Close()
	if d := s.decided("allow", "catalog"); d.URL.Domain != insight {
		t.Errorf("recorded as %s", d.URL.Domain)
	}
}

func TestFailuresOfAnAllowedRequest(t *testing.T) {
	closed := listenLocal(t)
	refused := closed.Addr().String()
	_ = closed.Close()
	t.Run("refused", func(t *testing.T) {
		s := newSite(t, "", map[string]string{insight: refused})
		s.answered(s.send("CONNECT "+insight+":443 HTTP/1.1\r\nHost: x\r\n\r\n"), "502", "connect_refused")
		s.decided("allow", "catalog")
		s.ended(1, "connect_refused")
	})
	t.Run("refused, plain", func(t *testing.T) {
		s := newSite(t, allowing("http://plain.example"), map[string]string{"plain.example": refused})
		got := s.send("GET http://plain.example/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		s.answered(got, "502", "connect_refused")
		s.ended(1, "connect_refused")
	})
	t.Run("the second address answers", func(t *testing.T) {
		s := newSite(t, "", nil, func(c *proxy.Config) {
			c.Upstream.Hosts[insight] = []netip.AddrPort{netip.MustParseAddrPort(refused), netip.MustParseAddrPort(origin(t, echo))}
		})
		_ = s.connect(insight+":443", "").Close()
		s.ended(1, "")
	})
	t.Run("too slow", func(t *testing.T) {
		s := newSite(t, "", map[string]string{insight: blackHole(t)}, func(c *proxy.Config) { c.Timeouts.Connect = 100 * time.Millisecond })
		s.answered(s.send("CONNECT "+insight+":443 HTTP/1.1\r\nHost: x\r\n\r\n"), "504", "connect_timeout")
		s.ended(1, "connect_timeout")
	})
}

// blackHole is an address on which connections are neither accepted nor refused: a listener whose
// queue is full.
func blackHole(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*syscall.SockaddrInet4).Port)).String()
	for range 16 {
		c, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("the listener's queue takes every connection")
	return ""
}
