package proxy_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/proxy"
)

func checking(mode proxy.SNIMode) func(*proxy.Config) {
	return func(c *proxy.Config) { c.SNI = mode }
}

// helloFor gives the ClientHello that Go sends for a server name; "" sends none.
func helloFor(t testing.TB, name string) string {
	t.Helper()
	near, far := net.Pipe()
	go func() {
		_ = tls.Client(near, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}}).Handshake()
		_ = near.Close()
	}()
	defer far.Close()
	header := make([]byte, 5)
	if _, err := io.ReadFull(far, header); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(header[3])<<8|int(header[4]))
	if _, err := io.ReadFull(far, body); err != nil {
		t.Fatal(err)
	}
	return string(header) + string(body)
}

// sink is an origin that gives whatever it gets on each connection.
func sink(t testing.TB) (addr string, got chan string) {
	got = make(chan string, 16)
	return origin(t, func(c net.Conn) {
		all, _ := io.ReadAll(c)
		got <- string(all)
	}), got
}

func TestATunnelHasToBeginWithAClientHelloForItsHost(t *testing.T) {
	addr, got := sink(t)
	good := helloFor(t, insight)
	for name, tc := range map[string]struct {
		mode  proxy.SNIMode
		bytes string
		want  string // "" passes
	}{
		"the zero mode, the name":       {"", good, ""},
		"the zero mode, no name":        {"", helloFor(t, ""), "sni_missing"},
		"require, the name":             {proxy.SNIRequire, good + "more", ""},
		"require, the name in capitals": {proxy.SNIRequire, strings.Replace(good, insight, strings.ToUpper(insight), 1), ""},
		"require, another name":         {proxy.SNIRequire, helloFor(t, "evil.example"), "sni_mismatch"},
		"require, no name":              {proxy.SNIRequire, helloFor(t, ""), "sni_missing"},
		"require, a subdomain":          {proxy.SNIRequire, helloFor(t, "x."+insight), "sni_mismatch"},
		"require, not TLS":              {proxy.SNIRequire, "GET / HTTP/1.1\r\n\r\n", "not_tls"},
		"require, SSH":                  {proxy.SNIRequire, "SSH-2.0-OpenSSH_9.2\r\n", "not_tls"},
		"require, half a hello":         {proxy.SNIRequire, good[:len(good)/2], "not_tls"},
		"verify, the name":              {proxy.SNIVerify, good, ""},
		"verify, another name":          {proxy.SNIVerify, helloFor(t, "evil.example"), "sni_mismatch"},
		"verify, no name":               {proxy.SNIVerify, helloFor(t, ""), ""},
		"verify, not TLS":               {proxy.SNIVerify, "GET / HTTP/1.1\r\n\r\n", "not_tls"},
		"off, not TLS":                  {proxy.SNIOff, "GET / HTTP/1.1\r\n\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "", map[string]string{insight: addr}, checking(tc.mode))
			c := s.connect(insight+":443", "")
			_, _ = io.WriteString(c, tc.bytes)
			_ = c.CloseWrite()
			if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
				t.Errorf("the client gets %q, %v", rest, err)
			}
			o := s.trail.await(t, audit.ActionOutcome, 1)[0]
			if tc.want == "" {
				if all := <-got; all != tc.bytes {
					t.Errorf("the origin got %d bytes, want the %d that were sent, unchanged", len(all), len(tc.bytes))
				}
				moved(t, s.ended(1, ""), int64(len(tc.bytes)), 0)
				return
			}
			if all := <-got; all != "" {
				t.Errorf("the origin got %q", all)
			}
			if o.Sepproxy.Verdict != "deny" || o.Sepproxy.Reason != tc.want || o.Event.Reason != tc.want || o.Event.Outcome != "failure" ||
				!slices.Equal(o.Event.Type, []string{"connection", "end", "denied"}) {
				t.Errorf("outcome %+v %+v, want %s", o.Event, o.Sepproxy, tc.want)
			}
			s.decided("allow", "catalog")
			moved(t, o, 0, 0)
		})
	}
}

func TestTheHelloIsRecorded(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	s := newSite(t, "", map[string]string{insight: server.Listener.Addr().String()}, checking(proxy.SNIRequire))
	c := tls.Client(s.connect(insight+":443", ""), &tls.Config{ServerName: insight, InsecureSkipVerify: true,
		NextProtos: []string{"http/1.1", "odd\x1b\xff"}, MinVersion: tls.VersionTLS12})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if !c.ConnectionState().PeerCertificates[0].Equal(server.Certificate()) {
		t.Error("the client sees another certificate than the origin's")
	}
	_ = c.Close()
	o := s.trail.await(t, audit.ActionOutcome, 1)[0]
	if o.TLS == nil || o.TLS.Client.ServerName != insight {
		t.Errorf("tls %+v", o.TLS)
	}
	if want := []string{"http/1.1", `odd\x1b\xff`}; o.Sepproxy.TLS == nil || !slices.Equal(o.Sepproxy.TLS.ALPN, want) ||
		!slices.Equal(o.Sepproxy.TLS.Version, []string{"1.3", "1.2"}) {
		t.Errorf("offered %+v", o.Sepproxy.TLS)
	}
}

func TestAHelloByteByByteAndWithTheConnect(t *testing.T) {
	addr, got := sink(t)
	good := helloFor(t, insight)
	s := newSite(t, "", map[string]string{insight: addr}, checking(proxy.SNIRequire))
	t.Run("byte by byte", func(t *testing.T) {
		c := s.connect(insight+":443", "")
		_ = c.SetNoDelay(true)
		for i := range len(good) {
			_, _ = io.WriteString(c, good[i:i+1])
		}
		_ = c.Close()
		if all := <-got; all != good {
			t.Errorf("the origin got %d bytes of %d", len(all), len(good))
		}
	})
	t.Run("with the CONNECT", func(t *testing.T) {
		_ = s.connect(insight+":443", good+"and more").Close()
		if all := <-got; all != good+"and more" {
			t.Errorf("the origin got %d bytes of %d", len(all), len(good)+8)
		}
	})
}

func TestAHelloThatDoesNotComeInTime(t *testing.T) {
	addr, got := sink(t)
	s := newSite(t, "", map[string]string{insight: addr}, checking(proxy.SNIRequire), func(c *proxy.Config) { c.Timeouts.ClientHello = 50 * time.Millisecond })
	c := s.connect(insight+":443", helloFor(t, insight)[:20])
	_, _ = io.ReadAll(c)
	if o := s.trail.await(t, audit.ActionOutcome, 1)[0]; o.Sepproxy.Reason != "not_tls" || o.Sepproxy.Verdict != "deny" {
		t.Errorf("outcome %+v", o.Sepproxy)
	}
	if all := <-got; all != "" {
		t.Errorf("the origin got %q", all)
	}
}

func TestAClientThatChangesItsMindIsNoFailure(t *testing.T) {
	addr, got := sink(t)
	s := newSite(t, "", map[string]string{insight: addr}, checking(proxy.SNIRequire))
	_ = s.connect(insight+":443", "").Close()
	moved(t, s.ended(1, ""), 0, 0)
	<-got
}

func TestARuleMayTurnTheCheckOff(t *testing.T) {
	addr, got := sink(t)
	s := newSite(t, "allow: [{url: \"https://raw.example\", sni: off, reason: test}]\n", map[string]string{"raw.example": addr}, checking(proxy.SNIRequire))
	_ = s.connect("raw.example:443", "anything").Close()
	if all := <-got; all != "anything" {
		t.Errorf("the origin got %q", all)
	}
}

func TestRevocationDoesNotWaitForTheHello(t *testing.T) {
	addr, got := sink(t)
	s := newSite(t, "", map[string]string{insight: addr}, checking(proxy.SNIRequire))
	c := s.connect(insight+":443", "")
	s.setPolicy(denyInsight)
	s.server.PolicyChanged()
	_, _ = io.ReadAll(c)
	s.ended(1, "revoked")
	<-got
}

func TestADeniedTunnelCountsOnceAsDenied(t *testing.T) {
	addr, _ := sink(t)
	counted := make(chan string, 8)
	s := newSite(t, "", map[string]string{insight: addr}, checking(proxy.SNIRequire), func(c *proxy.Config) {
		c.Metrics.Request = func(v, r, _ string) { counted <- v + " " + r }
	})
	_, _ = io.ReadAll(s.connect(insight+":443", "not TLS"))
	s.trail.await(t, audit.ActionOutcome, 1)
	if first, more := <-counted, len(counted); first != "deny not_tls" || more != 0 {
		t.Errorf("counted %q and %d more", first, more)
	}
}
