//go:build linux

package e2e_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// visitor is a client for tests that are about the proxy rather than what it carries.
func visitor(p *proxy) *machine {
	return &machine{proxy: p, ip: "127.0.0.1", ledger: new(ledger)}
}

// A pipe is an open tunnel to an echoOrigin.
type pipe struct {
	t testing.TB
	*tls.Conn
	raw *counted
}

// openPipe makes a tunnel to port 443 of host and sees that it works.
func openPipe(p *proxy, host string) *pipe {
	p.t.Helper()
	c, raw, err := secure(p, host)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = raw.Close() })
	pipe := &pipe{p.t, c, raw}
	pipe.echoes()
	return pipe
}

// secure makes a tunnel and TLS in it. The echoOrigin that is every host has no names to check.
func secure(p *proxy, host string) (*tls.Conn, *counted, error) {
	raw, err := visitor(p).connect(host + ":443")
	if err != nil {
		return nil, nil, err
	}
	c := tls.Client(raw, &tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err := c.Handshake(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("TLS with %s: %w", host, err), raw.Close())
	}
	return c, raw, nil
}

// echoes asserts that bytes still go to the origin and come back.
func (p *pipe) echoes() {
	p.t.Helper()
	if err := echo(p.Conn); err != nil {
		p.t.Errorf("an open tunnel: %v", err)
	}
}

func echo(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(patience))
	const text = "are you there?"
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		return fmt.Errorf("%q came back as %q: %w", text, got, err)
	}
	return nil
}

// finish ends the tunnel from the client's side and waits for the other.
func (p *pipe) finish() {
	p.t.Helper()
	if err := part(p.Conn, p.raw); err != nil {
		p.t.Errorf("ending a tunnel: %v", err)
	}
}

// part says goodbye and waits until the other side has too.
func part(c *tls.Conn, raw *counted) error {
	err := errors.Join(c.CloseWrite(), raw.CloseWrite())
	_, rest := io.Copy(io.Discard, raw)
	return errors.Join(err, rest, raw.Close())
}

// torn asserts that the proxy ends the tunnel, which the client sees as a reset.
func (p *pipe) torn() {
	p.t.Helper()
	_ = p.SetDeadline(time.Now().Add(patience))
	n, err := p.Read(make([]byte, 1))
	if ne, ok := errors.AsType[net.Error](err); err == nil || ok && ne.Timeout() {
		p.t.Errorf("a tunnel that should have been closed gave %d bytes and %v", n, err)
	}
}

// answerTo asks for one thing on a new connection and gives the answer: to a CONNECT, a tunnel
// that opens is closed again.
func (p *proxy) answerTo(method, target string) (*answer, error) {
	c, err := visitor(p).dial()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return askOn(c, bufio.NewReader(c), method, target)
}

func askOn(c net.Conn, in *bufio.Reader, method, target string) (*answer, error) {
	if _, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: any\r\n\r\n", method, target); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		return nil, err
	}
	a := &answer{status: resp.StatusCode, header: resp.Header}
	if method != http.MethodConnect || a.status != http.StatusOK {
		a.content, err = io.ReadAll(resp.Body)
	}
	return a, err
}

// passes asserts that a CONNECT to port 443 of host opens a tunnel in which bytes pass.
func (p *proxy) passes(host string) {
	p.t.Helper()
	openPipe(p, host).finish()
}

// refuses asserts that a CONNECT to port 443 of host is refused for reason.
func (p *proxy) refuses(host string, status int, reason string) {
	p.t.Helper()
	a, err := p.answerTo(http.MethodConnect, host+":443")
	if err == nil {
		err = a.refused(status, reason)
	}
	if err != nil {
		p.t.Errorf("CONNECT %s: %v", host, err)
	}
}
