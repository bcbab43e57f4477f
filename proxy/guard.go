package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	stop := context.AfterFunc(t.ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
	first, err := t.readHello(c.Conn, early)
	if !stop() {
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
		return first, t.judgeName(s.cfg.SNI)
	}
	return nil, false
}

// readHello reads until there is a complete ClientHello. It gives io.EOF if the client ended
// without a byte, and io.ErrUnexpectedEOF if it ended in the middle.
func (t *transaction) readHello(r io.Reader, buf []byte) (_ []byte, err error) {
	for {
		need := 1
		if len(buf) > 0 {
			t.hello, need, err = hello.Parse(buf)
			if err != nil || need == 0 {
				return buf, err
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
			return buf, io.ErrUnexpectedEOF
		case err != nil:
			return buf, err
		}
	}
}

// judgeName compares the server name with the host that was asked for.
func (t *transaction) judgeName(mode SNIMode) bool {
	switch name := t.hello.ServerName; {
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

// recordHello adds what the ClientHello said to an outcome.
func (t *transaction) recordHello(r *audit.Record) {
	if len(t.hello.Versions) == 0 {
		return // nobody looked, or there was none
	}
	if t.hello.ServerName != "" {
		r.TLS = &audit.TLS{Client: &audit.TLSClient{ServerName: printable(t.hello.ServerName, maxServerName)}}
	}
	offered := &audit.Offered{}
	for _, p := range t.hello.ALPN[:min(len(t.hello.ALPN), maxOffers)] {
		offered.ALPN = append(offered.ALPN, printable(p, maxOffer))
	}
	for _, v := range t.hello.Versions[:min(len(t.hello.Versions), maxOffers)] {
		offered.Version = append(offered.Version, versionName(v))
	}
	r.Sepproxy.TLS = offered
}

func versionName(v uint16) string {
	if v>>8 == 3 && v&0xff >= 1 && v&0xff <= 4 {
		return fmt.Sprintf("1.%d", v&0xff-1)
	}
	return fmt.Sprintf("0x%04x", v)
}
