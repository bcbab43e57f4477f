//go:build linux

package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long one tunnel may take; a proxy that needs longer has failed.
const patience = 20 * time.Second

// A dialer sets up tunnels along a route.
type dialer struct {
	route Route
	net   net.Dialer
}

func newDialer(r Route) *dialer {
	return &dialer{route: r, net: net.Dialer{Timeout: patience, KeepAliveConfig: net.KeepAliveConfig{Enable: false}, KeepAlive: -1}}
}

// fromElsewhere gives connections another source address, whose ports are then not those of the
// tunnels that are timed.
func (d *dialer) fromElsewhere() *dialer {
	d.net.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}
	d.net.Control = func(_, _ string, c syscall.RawConn) error {
		var err error
		if ctl := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		}); ctl != nil {
			return ctl
		}
		return err
	}
	return d
}

// plain opens the i-th tunnel, sends a ClientHello and waits for the first byte back.
func (d *dialer) plain(i int) (net.Conn, error) {
	c, err := d.open(i, d.route.Ports.Plain)
	if err != nil {
		return nil, err
	}
	if _, err = c.Write(hello(i)); err == nil {
		err = readByte(c)
	}
	return d.opened(c, c, err)
}

// secure opens the i-th tunnel and makes a TLS 1.3 handshake through it.
func (d *dialer) secure(i int) (net.Conn, error) {
	c, err := d.open(i, d.route.Ports.TLS)
	if err != nil {
		return nil, err
	}
	s := tls.Client(c, clientConfig(i))
	return d.opened(c, s, readByte(s))
}

// opened closes the connection where something went wrong after it was made.
func (d *dialer) opened(raw, use net.Conn, err error) (net.Conn, error) {
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("through the tunnel: %w", err)
	}
	return use, raw.SetDeadline(time.Time{})
}

// open connects to a port of the origin, by way of the proxy if there is one.
func (d *dialer) open(i, port int) (net.Conn, error) {
	number := strconv.Itoa(port)
	if d.route.Proxy == "" {
		return d.to(net.JoinHostPort("127.0.0.1", number), "")
	}
	return d.to(d.route.Proxy, net.JoinHostPort(Name(i), number))
}

// to connects to an address, and asks there for a tunnel to target unless that is "".
func (d *dialer) to(address, target string) (net.Conn, error) {
	c, err := d.net.DialContext(context.Background(), "tcp4", address)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	if target == "" {
		return c, nil
	}
	if err := connect(c, target); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// errAnswered is about an answer to CONNECT that is not 200.
var errAnswered = errors.New("the proxy answered")

// connect asks for a tunnel (RFC 9110, section 9.3.6). The origin is silent until it is spoken to, so
// nothing follows the header of the answer.
func connect(c net.Conn, target string) error {
	if _, err := io.WriteString(c, "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\n\r\n"); err != nil {
		return err
	}
	buf, n := make([]byte, 4096), 0
	for !bytes.Contains(buf[:n], []byte("\r\n\r\n")) {
		if n == len(buf) {
			return fmt.Errorf("the answer to CONNECT is too long: %.80q", buf)
		}
		read, err := c.Read(buf[n:])
		if err != nil {
			return fmt.Errorf("reading the answer to CONNECT after %q: %w", buf[:n], err)
		}
		n += read
	}
	if _, status, _ := bytes.Cut(buf[:n], []byte(" ")); !bytes.HasPrefix(status, []byte("200 ")) {
		return fmt.Errorf("%w CONNECT %s with %q", errAnswered, target, bytes.TrimSpace(buf[:n]))
	}
	if _, rest, _ := bytes.Cut(buf[:n], []byte("\r\n\r\n")); len(rest) > 0 {
		return fmt.Errorf("the proxy sent %q into the tunnel to %s", rest, target)
	}
	return nil
}

func readByte(r io.Reader) error {
	_, err := io.ReadFull(r, make([]byte, 1))
	return err
}

func clientConfig(i int) *tls.Config {
	return &tls.Config{
		ServerName: Name(i), MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519},
		InsecureSkipVerify: true, //nolint:gosec // it measures, and keeps no secret
	}
}

// hello gives the ClientHello for the i-th name: a real one, so that a proxy that looks into it finds
// what it wants, and always the same.
func hello(i int) []byte { return hellos()[i%Names] }

var hellos = sync.OnceValue(func() (records [Names][]byte) {
	for i := range records {
		near, far := net.Pipe()
		go func() {
			_ = tls.Client(near, clientConfig(i)).Handshake() // ends when far is closed
			near.Close()
		}()
		buf := make([]byte, 4096)
		n, _ := far.Read(buf)
		far.Close()
		records[i] = buf[:n]
	}
	return records
})
