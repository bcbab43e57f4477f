package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/policy"
	"github.com/sepproxy/sepproxy/proxy/hello"
)

// An SNIMode says what the first bytes of a tunnel have to be.
type SNIMode string

// The modes. The zero SNIMode is SNIRequire.
const (
	SNIRequire SNIMode = "require" // a ClientHello whose server name is the CONNECT's host
	SNIVerify  SNIMode = "verify"  // a ClientHello whose server name, if it has one, is the CONNECT's host
	SNIOff     SNIMode = "off"     // anything
)

// errInterrupted is a read's end that is the transaction's doing.
var errInterrupted = errors.New("the transaction was ended")

// guard looks at the first bytes of a tunnel before any reaches the server. early is what came
// with the CONNECT. It gives everything that was read, to be passed on unchanged; where that may not
// be passed on, the outcome is recorded already.
func (s *Server) guard(c *clientConn, t *transaction, early []byte) (first []byte, passed bool) {
	if s.cfg.SNI == SNIOff || t.verdict.SNIOff {
		return early, true
	}
	_ = c.SetReadDeadline(time.Now().Add(s.cfg.Timeouts.ClientHello))
	t.whenAborted(func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
	said, first, err := readHello(c.Conn, early)
	t.offer = offerOf(said)
	t.whenAborted(nil)
	if t.ctx.Err() != nil {
		err = errInterrupted
	}
	_ = c.SetReadDeadline(time.Time{})
	switch {
	case errors.Is(err, hello.ErrNotTLS), isTimeout(err), err == io.ErrUnexpectedEOF:
		t.deny(policy.ReasonNotTLS)
	case err == io.EOF: // the client changed its mind
		t.end(result{})
	case err != nil:
		t.end(result{failure: failClientReset})
	default:
		return first, t.judgeName(said.ServerName, s.cfg.SNI)
	}
	return nil, false
}

// readHello reads until there is a complete ClientHello. It gives io.EOF if the client ended
// without a byte, and io.ErrUnexpectedEOF if it ended in the middle.
func readHello(r io.Reader, buf []byte) (said hello.Hello, _ []byte, err error) {
	for {
		need := 1
		if len(buf) > 0 {
			said, need, err = hello.Parse(buf)
			if err != nil || need == 0 {
				return said, buf, err
			}
		}
		if cap(buf) < need || cap(buf) == len(buf) {
			buf = append(make([]byte, 0, max(need, readSize)), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case n > 0:
		case err == io.EOF && len(buf) > 0:
			return said, buf, io.ErrUnexpectedEOF
		case err != nil:
			return said, buf, err
		}
	}
}

// judgeName compares the server name with the host that was asked for.
func (t *transaction) judgeName(name string, mode SNIMode) bool {
	switch {
	case name == "" && mode == SNIVerify, name != "" && t.request.Target.IsNamed(name):
		return true
	case name == "":
		t.deny(policy.ReasonSNIMissing)
	default:
		t.deny(policy.ReasonSNIMismatch)
	}
	return false
}

// Bounds of what a client can put into the record through its ClientHello.
const (
	maxOffers     = 16  // protocols, versions
	maxOffer      = 64  // bytes of one
	maxServerName = 255 // bytes
)

// An offer is what a ClientHello said, fit for the record. Many clients say the same.
type offer struct {
	serverName string
	alpn       string // a protocol a line
	versions   string // a version a line, at least one unless nobody looked or there was no ClientHello
}

func offerOf(h hello.Hello) offer {
	var alpn, versions []string
	for _, p := range h.ALPN[:min(len(h.ALPN), maxOffers)] {
		alpn = append(alpn, printable(p, maxOffer))
	}
	for _, v := range h.Versions[:min(len(h.Versions), maxOffers)] {
		versions = append(versions, versionName(v))
	}
	return offer{printable(h.ServerName, maxServerName), strings.Join(alpn, "\n"), strings.Join(versions, "\n")}
}

// record adds an offer to an outcome.
func (o offer) record(r *audit.Record) {
	if o.versions == "" {
		return
	}
	if o.serverName != "" {
		r.TLS = &audit.TLS{Client: &audit.TLSClient{ServerName: o.serverName}}
	}
	r.Sepproxy.TLS = &audit.Offered{Version: strings.Split(o.versions, "\n")}
	if o.alpn != "" {
		r.Sepproxy.TLS.ALPN = strings.Split(o.alpn, "\n")
	}
}

func versionName(v uint16) string {
	if minor := int(v) - tls.VersionTLS10; minor >= 0 && minor < len(versionNames) {
		return versionNames[minor]
	}
	return fmt.Sprintf("0x%04x", v)
}

var versionNames = [...]string{"1.0", "1.1", "1.2", "1.3"}
