//go:build linux

// Package origin is the server behind the proxies that are measured: one service that answers the
// first record of a tunnel and then does what it is told, one that speaks TLS, one plain HTTP.
package origin

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"io"
	"math/big"
	"net"
	"net/http"
	"time"
)

// Ports says where the services are reached: at the origin itself, or at a relay that stands for it.
type Ports struct {
	Plain int // answers a ClientHello record with a byte, then obeys commands
	TLS   int // TLS 1.3, a byte after the handshake
	HTTP  int // answers every request with AnswerSize bytes
}

// List gives the ports in the order of their fields.
func (p Ports) List() []int { return []int{p.Plain, p.TLS, p.HTTP} }

// PortsOf is the inverse of List. It wants three ports.
func PortsOf(list []int) Ports { return Ports{Plain: list[0], TLS: list[1], HTTP: list[2]} }

// AnswerSize is the length of an answer over plain HTTP, in bytes.
const AnswerSize = 1 << 10

// Commands of the plain service, each a byte. Download and Upload are followed by a number of bytes,
// eight of them, big-endian.
const (
	Ping     = 'p' // a byte comes back
	Download = 'd' // so many bytes come back
	Upload   = 'u' // so many bytes follow, then a byte comes back
)

// chunk is how much is written at a time.
const chunk = 256 << 10

// Serve listens on every loopback address, writes its Ports as JSON to out, and serves until ctx
// is done; the end of the process closes what is open. It returns nil then.
func Serve(ctx context.Context, out io.Writer) error {
	var ports Ports
	secure, err := tlsConfig()
	if err != nil {
		return err
	}
	for _, service := range []struct {
		port  *int
		serve func(net.Listener)
	}{
		{&ports.Plain, func(l net.Listener) { accept(l, obey) }},
		{&ports.TLS, func(l net.Listener) { accept(tls.NewListener(l, secure), greet) }},
		{&ports.HTTP, func(l net.Listener) { _ = http.Serve(l, http.HandlerFunc(answer)) }}, //nolint:gosec // loopback, without time-outs
	} {
		l, err := net.Listen("tcp4", "0.0.0.0:0") //nolint:gosec // every loopback address: each name has its own
		if err != nil {
			return err
		}
		*service.port = l.Addr().(*net.TCPAddr).Port
		go service.serve(l)
	}
	if err := json.NewEncoder(out).Encode(ports); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			serve(c)
		}()
	}
}

// obey answers the first record and then follows commands until the peer ends.
func obey(c net.Conn) {
	if SkipRecord(c) != nil {
		return
	}
	for err := reply(c); err == nil; {
		err = command(c)
	}
}

// SkipRecord reads one TLS record (RFC 8446, section 5.1), whatever is in it.
func SkipRecord(r io.Reader) error {
	var header [5]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, r, int64(binary.BigEndian.Uint16(header[3:])))
	return err
}

func reply(w io.Writer) error {
	_, err := w.Write([]byte{'!'})
	return err
}

func command(c net.Conn) error {
	var op [1]byte
	if _, err := c.Read(op[:]); err != nil {
		return err
	}
	if op[0] == Ping {
		return reply(c)
	}
	var count [8]byte
	if _, err := io.ReadFull(c, count[:]); err != nil {
		return err
	}
	n := int64(binary.BigEndian.Uint64(count[:]))
	if op[0] == Download {
		return Send(c, n)
	}
	if err := Receive(c, n); err != nil {
		return err
	}
	return reply(c)
}

// Send writes n bytes that mean nothing.
func Send(w io.Writer, n int64) error {
	piece := make([]byte, chunk)
	for n > 0 {
		written, err := w.Write(piece[:min(n, chunk)])
		if err != nil {
			return err
		}
		n -= int64(written)
	}
	return nil
}

// Receive reads n bytes and forgets them.
func Receive(r io.Reader, n int64) error {
	piece := make([]byte, chunk)
	for n > 0 {
		read, err := r.Read(piece[:min(n, chunk)])
		if err != nil {
			return err
		}
		n -= int64(read)
	}
	return nil
}

// greet completes the handshake, sends a byte and waits for the end.
func greet(c net.Conn) {
	if reply(c) == nil {
		_, _ = io.Copy(io.Discard, c)
	}
}

var body = make([]byte, AnswerSize)

func answer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(body)
}

// tlsConfig has a certificate of its own making, which no client here checks.
func tlsConfig() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		SessionTicketsDisabled: true,
		Certificates:           []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}, nil
}
