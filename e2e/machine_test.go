//go:build linux

package e2e_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// A machine is a computer of the site. It has an address of its own, reaches servers through the
// proxy alone, and enters into its ledger what it did and what that came to. Its methods may be
// called from any goroutine and return errors instead of ending the test.
type machine struct {
	proxy  *proxy
	ip     string
	trust  *x509.CertPool
	pins   map[string][sha256.Size]byte // by host
	ledger *ledger
}

// A counted is a connection to the proxy that counts what passes. One goroutine uses it.
type counted struct {
	net.Conn       // not a *net.TCPConn, whose WriteTo and ReadFrom would pass Read and Write by
	sent, received int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received += int64(n)
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent += int64(n)
	return n, err
}

// dial connects to the proxy from the machine's own address.
func (m *machine) dial() (*counted, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(m.ip)}, Timeout: patience}
	c, err := d.Dial("tcp", m.proxy.address)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return &counted{Conn: c}, nil
}

// CloseWrite tells the other side that nothing more comes.
func (c *counted) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

func (c *counted) source() netip.AddrPort { return c.LocalAddr().(*net.TCPAddr).AddrPort() }

// readHead reads up to and including an empty line, and not a byte more.
func readHead(r io.Reader) (string, error) {
	var got []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(got, []byte("\r\n\r\n")) {
		if _, err := io.ReadFull(r, one); err != nil {
			return "", fmt.Errorf("reading a head: %w (so far %q)", err, got)
		}
		got = append(got, one[0])
	}
	return string(got), nil
}

// connect asks for a tunnel and gives the connection in which it is open, nothing counted yet.
func (m *machine) connect(authority string) (*counted, error) {
	c, err := m.dial()
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(c.Conn, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", authority); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	head, err := readHead(c.Conn)
	if err == nil && !strings.HasPrefix(head, "HTTP/1.1 200 ") {
		err = fmt.Errorf("CONNECT %s was answered %q", authority, head)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// A tunnel is a TLS connection to one of the vendor's hosts through the proxy.
type tunnel struct {
	*tls.Conn
	raw *counted
	in  *bufio.Reader
	m   *machine
	e   entry
}

var errPin = errors.New("the certificate is not the pinned one")

// fronts opens a tunnel to host and begins with other bytes than TLS for host. The proxy ends it, and
// nothing of it reaches the server.
func (m *machine) fronts(host string, first []byte, e entry) error {
	c, err := m.connect(host + ":443")
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(first); err != nil {
		return err
	}
	if n, err := io.Copy(io.Discard, c); n > 0 || err != nil {
		return fmt.Errorf("beginning a tunnel with %.20q brought %d bytes and %v", first, n, err)
	}
	e.source, e.method, e.scheme, e.host, e.port = c.source(), "CONNECT", "https", host, 443
	m.ledger.enter(e)
	return nil
}

// greeting is a ClientHello for a server name.
func greeting(name string) []byte {
	var sent bytes.Buffer
	// The handshake ends after its first message: there is nobody to answer.
	_ = tls.Client(oneWay{w: &sent}, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake()
	return sent.Bytes()
}

// A oneWay is a connection to nobody.
type oneWay struct {
	net.Conn // nil: only what follows is called
	w        io.Writer
}

func (o oneWay) Write(p []byte) (int, error) { return o.w.Write(p) }
func (oneWay) Read([]byte) (int, error)      { return 0, io.EOF }
func (oneWay) Close() error                  { return nil }

// open makes a tunnel to port 443 of host and TLS inside it; nobody but the pinned certificate will
// do. The machine names the services that it uses the host for. The caller calls finish.
func (m *machine) open(host string, services ...string) (*tunnel, error) {
	raw, err := m.connect(host + ":443")
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, &tls.Config{
		ServerName: host, RootCAs: m.trust,
		VerifyConnection: func(s tls.ConnectionState) error {
			if pin(s.PeerCertificates[0]) != m.pins[host] {
				return errPin
			}
			return nil
		},
	})
	t := &tunnel{Conn: conn, raw: raw, in: bufio.NewReader(conn), m: m, e: entry{
		source: raw.source(), method: "CONNECT", scheme: "https", host: host, port: 443,
		services: services, documented: true, verdict: "allow", reason: "catalog"}}
	if err := conn.Handshake(); err != nil {
		return nil, errors.Join(fmt.Errorf("TLS with %s: %w", host, err), t.finish())
	}
	return t, nil
}

// exchange sends one request and gives the content of the answer.
func (t *tunnel) exchange(method, path string, content []byte) ([]byte, error) {
	req, err := http.NewRequest(method, "https://"+t.e.host+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	if err := req.Write(t); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(t.in, req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s was answered %s", method, path, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// finish says goodbye, waits until the other side has too, and enters what passed.
func (t *tunnel) finish() error {
	defer t.raw.Close()
	_ = t.CloseWrite() // without a finished handshake there is nothing to close
	if err := t.raw.CloseWrite(); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, t.raw); err != nil {
		return fmt.Errorf("waiting for the end of a tunnel: %w", err)
	}
	t.e.sent, t.e.received = t.raw.sent, t.raw.received
	t.m.ledger.enter(t.e)
	return nil
}

// An answer is what a machine got for a plain request.
type answer struct {
	status  int
	header  http.Header
	content []byte
}

// A line is a connection for plain requests, one after the other.
type line struct {
	*counted
	in *bufio.Reader
	m  *machine
}

func (m *machine) line() (*line, error) {
	c, err := m.dial()
	if err != nil {
		return nil, err
	}
	return &line{counted: c, in: bufio.NewReader(c), m: m}, nil
}

// ask sends a request whose target stands in it byte for byte, and enters what passed. e names what
// the machine expects of it; host, path and bytes are filled in here.
func (l *line) ask(e entry, method, host, target, fields string, content []byte) (*answer, error) {
	if method == http.MethodPost {
		fields += fmt.Sprintf("Content-Length: %d\r\n", len(content))
	}
	if _, err := fmt.Fprintf(l, "%s http://%s%s HTTP/1.1\r\nHost: %s\r\n%s\r\n%s", method, host, target, host, fields, content); err != nil {
		return nil, err
	}
	a, err := readAnswer(l.in, method)
	if err != nil {
		return nil, fmt.Errorf("%s http://%s%s: %w", method, host, target, err)
	}
	e.source, e.method, e.scheme, e.host, e.port = l.source(), method, "http", host, 80
	e.path, _, _ = strings.Cut(target, "?")
	if e.verdict == "allow" {
		e.sent, e.received, e.status = int64(len(content)), int64(len(a.content)), a.status
	}
	l.m.ledger.enter(e)
	return a, nil
}

func readAnswer(in *bufio.Reader, method string) (*answer, error) {
	resp, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return &answer{resp.StatusCode, resp.Header, content}, err
}

// refused asserts that the answer is the proxy's refusal for reason.
func (a *answer) refused(status int, reason string) error {
	details := fmt.Sprintf("details=%q", reason)
	if a.status != status || !strings.Contains(a.header.Get("Proxy-Status"), details) ||
		!bytes.Contains(a.content, []byte("reason: "+reason+"\n")) {
		return fmt.Errorf("answered %d, Proxy-Status %q, %q; want %d and %s", a.status, a.header.Get("Proxy-Status"), a.content, status, reason)
	}
	return nil
}

// tries sends the first line of a request as it stands, and expects to be refused.
func (m *machine) tries(request string, status int, e entry) error {
	c, err := m.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: any\r\n\r\n", request); err != nil {
		return err
	}
	e.method, _, _ = strings.Cut(request, " ")
	a, err := readAnswer(bufio.NewReader(c), e.method)
	if err != nil {
		return fmt.Errorf("%s: %w", request, err)
	}
	if err := a.refused(status, e.reason); err != nil {
		return fmt.Errorf("%s: %w", request, err)
	}
	e.source, e.verdict = c.source(), "deny"
	m.ledger.enter(e)
	return nil
}
