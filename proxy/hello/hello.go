// Package hello reads the first message of a TLS connection, the ClientHello, from the bytes of a
// tunnel: which name the client asks for, and what it offers. It changes nothing, keeps nothing of
// what it reads but the fields of a Hello, and takes nothing on trust: lengths are checked before
// they are used, and the whole is bounded.
package hello

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// MaxSize bounds a ClientHello with its record headers, in bytes. Key shares for post-quantum key
// exchange take one or two thousand; nothing known takes more than a quarter of this.
const MaxSize = 32 << 10

// A Hello is what a ClientHello (RFC 8446 §4.1.2) says.
type Hello struct {
	// ServerName is the name in the server_name extension (RFC 6066 §3) byte for byte, the outer one
	// where the inner is encrypted; "" if there is none.
	ServerName string
	ALPN       []string // protocols offered (RFC 7301), GREASE left out
	Versions   []uint16 // TLS versions offered (RFC 8446 §4.2.1 or, without it, legacy_version), GREASE left out
}

// ErrNotTLS is wrapped by every error of Parse: these bytes do not begin a TLS connection.
var ErrNotTLS = errors.New("not a TLS ClientHello")

func notTLS(why string) error { return fmt.Errorf("%w: %s", ErrNotTLS, why) }

// TLS constants that are needed here.
const (
	recordHandshake   = 22
	recordHeader      = 5
	maxRecord         = 1 << 14 // RFC 8446 §5.1
	clientHello       = 1
	handshakeHeader   = 4
	extServerName     = 0
	extALPN           = 16
	extVersions       = 43
	nameTypeHost      = 0
	maxRecordsOfHello = 1 + MaxSize/8 // a record a few bytes long is odd, one a byte long is an attack
)

// Parse reads the ClientHello that data, the first bytes of a connection, begins with. Where more
// bytes are needed it gives, as need, how many there have to be in all before it is worth calling
// again: always more than len(data). It gives an error as soon as no bytes that follow could make
// it a ClientHello.
func Parse(data []byte) (h Hello, need int, err error) {
	message, need, err := defragment(data)
	if err != nil || need > 0 {
		return Hello{}, need, err
	}
	h, err = parseMessage(message)
	return h, 0, err
}

// defragment puts the ClientHello together from the records it came in (RFC 8446 §5.1). The result
// is a part of data where one record holds it all, as nearly always.
func defragment(data []byte) (message []byte, need int, err error) {
	rest, total := data, -1
	for records := 0; ; records++ {
		fragment, after, need, err := nextRecord(rest, len(data))
		if err != nil || need > 0 {
			return nil, need, err
		}
		if records == maxRecordsOfHello {
			return nil, 0, notTLS("it is cut into too many records")
		}
		if message == nil {
			message = fragment[:len(fragment):len(fragment)] // append copies
		} else {
			message = append(message, fragment...)
		}
		if total < 0 && len(message) >= handshakeHeader {
			if total, err = messageSize(message); err != nil {
				return nil, 0, err
			}
		}
		if total >= 0 && len(message) >= total {
			return message[:total], 0, nil
		}
		rest = after
	}
}

// nextRecord takes the first record off rest, which ends a stretch of size bytes.
func nextRecord(rest []byte, size int) (fragment, after []byte, need int, err error) {
	for i, want := range []byte{recordHandshake, 3} {
		if i < len(rest) && rest[i] != want {
			return nil, nil, 0, notTLS("it does not begin with a handshake record")
		}
	}
	if len(rest) < recordHeader {
		return nil, nil, size - len(rest) + recordHeader, nil
	}
	n := int(rest[3])<<8 | int(rest[4])
	if n == 0 || n > maxRecord {
		return nil, nil, 0, notTLS("a record has a length that none may have")
	}
	if n += recordHeader; len(rest) < n {
		if need = size - len(rest) + n; need > MaxSize {
			return nil, nil, 0, notTLS("it is too long")
		}
		return nil, nil, need, nil
	}
	return rest[recordHeader:n], rest[n:], 0, nil
}

// messageSize reads the handshake header (RFC 8446 §4).
func messageSize(message []byte) (int, error) {
	if message[0] != clientHello {
		return 0, notTLS("the first handshake message is another one")
	}
	n := handshakeHeader + int(message[1])<<16 + int(message[2])<<8 + int(message[3])
	if n > MaxSize {
		return 0, notTLS("it is too long")
	}
	return n, nil
}

func parseMessage(message []byte) (h Hello, err error) {
	s := cryptobyte.String(message[handshakeHeader:])
	var legacy uint16
	var session, suites, compressions, extensions cryptobyte.String
	if !s.ReadUint16(&legacy) || !s.Skip(32) || !s.ReadUint8LengthPrefixed(&session) || len(session) > 32 ||
		!s.ReadUint16LengthPrefixed(&suites) || len(suites) < 2 || len(suites)%2 != 0 ||
		!s.ReadUint8LengthPrefixed(&compressions) || len(compressions) == 0 {
		return h, notTLS("it is not well formed")
	}
	h.Versions = []uint16{legacy}
	if s.Empty() { // before TLS 1.2 there may be no extensions
		return h, nil
	}
	if !s.ReadUint16LengthPrefixed(&extensions) || !s.Empty() {
		return h, notTLS("its extensions are not well formed")
	}
	return h, h.readExtensions(extensions)
}

// Clients send about twenty extensions. With the limit, to look for one that comes twice stays cheap.
const (
	usualExtensions = 32
	maxExtensions   = 256
)

func (h *Hello) readExtensions(extensions cryptobyte.String) error {
	seen := make([]uint16, 0, usualExtensions)
	for !extensions.Empty() {
		var kind uint16
		var body cryptobyte.String
		if !extensions.ReadUint16(&kind) || !extensions.ReadUint16LengthPrefixed(&body) ||
			slices.Contains(seen, kind) || len(seen) == maxExtensions {
			return notTLS("its extensions are not well formed")
		}
		seen = append(seen, kind)
		ok := true
		switch kind {
		case extServerName:
			ok = h.readServerName(body)
		case extALPN:
			ok = h.readALPN(body)
		case extVersions:
			ok = h.readVersions(body)
		}
		if !ok {
			return notTLS(fmt.Sprintf("its extension %d is not well formed", kind))
		}
	}
	return nil
}

// readServerName wants exactly one name, of the only type there is: with two, one could be checked
// and the other used.
func (h *Hello) readServerName(body cryptobyte.String) bool {
	var list, name cryptobyte.String
	var kind uint8
	if !body.ReadUint16LengthPrefixed(&list) || !body.Empty() || !list.ReadUint8(&kind) || kind != nameTypeHost ||
		!list.ReadUint16LengthPrefixed(&name) || !list.Empty() || len(name) == 0 {
		return false
	}
	h.ServerName = string(name)
	return true
}

func (h *Hello) readALPN(body cryptobyte.String) bool {
	var list cryptobyte.String
	if !body.ReadUint16LengthPrefixed(&list) || !body.Empty() || list.Empty() {
		return false
	}
	for !list.Empty() {
		var protocol cryptobyte.String
		if !list.ReadUint8LengthPrefixed(&protocol) || protocol.Empty() {
			return false
		}
		if len(protocol) != 2 || !isGREASE(uint16(protocol[0])<<8|uint16(protocol[1])) {
			h.ALPN = append(h.ALPN, string(protocol))
		}
	}
	return true
}

func (h *Hello) readVersions(body cryptobyte.String) bool {
	var list cryptobyte.String
	if !body.ReadUint8LengthPrefixed(&list) || !body.Empty() || list.Empty() {
		return false
	}
	h.Versions = nil
	for !list.Empty() {
		var v uint16
		if !list.ReadUint16(&v) {
			return false
		}
		if !isGREASE(v) {
			h.Versions = append(h.Versions, v)
		}
	}
	return true
}

// isGREASE knows the values that clients offer so that servers learn to ignore what they do not
// know (RFC 8701).
func isGREASE(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }
