package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// A link is the chain value of a record: SHA-256 in lower-case hex.
//
// The chain of a record is SHA-256 over P ‖ B. P is the chain of the record before, as the 64 ASCII
// hex digits that stand in its line (not the 32 bytes they mean); before the first record of a
// trail it is 64 digits '0'. B is the record's own line from its first byte, '{', up to and without
// the final `,"chain":"…"}`. So that the two ends of B cannot be in doubt, chain is the last member
// of a line and stands there without white space; the newline belongs to no record.
//
// With a shell: printf %s "$previous" "${line%,\"chain\"*}" | sha256sum
type link [2 * sha256.Size]byte

var genesis = link([]byte(strings.Repeat("0", len(link{}))))

const (
	sealHead = `,"chain":"`
	sealTail = `"}`
	sealLen  = len(sealHead) + len(link{}) + len(sealTail)
)

// String is empty for the zero link: a chain that is not known.
func (k link) String() string {
	if k == (link{}) {
		return ""
	}
	return string(k[:])
}

// seal hashes previous‖body, which stand one after the other in joined.
func seal(joined []byte) link {
	sum := sha256.Sum256(joined)
	var k link
	hex.Encode(k[:], sum[:])
	return k
}

// fits tells whether a record with this body, after previous, has that chain.
func fits(previous link, body []byte, chain link) bool {
	return seal(slices.Concat(previous[:], body)) == chain
}

// appendSeal ends a line: the chain, the closing brace, the newline.
func appendSeal(line []byte, k link) []byte {
	line = append(line, sealHead...)
	line = append(line, k[:]...)
	return append(line, sealTail+"\n"...)
}

// unseal parts a line (without its newline) into what is hashed and its chain.
func unseal(line []byte) (body []byte, k link, ok bool) {
	body, chain, ok := split(line)
	if !ok || !isLink(chain) {
		return nil, k, false
	}
	return body, link(chain), true
}

// split is unseal without a look at the chain, which may be any bytes as long as one.
func split(line []byte) (body, chain []byte, ok bool) {
	if len(line) < sealLen {
		return nil, nil, false
	}
	body, end := line[:len(line)-sealLen], line[len(line)-sealLen:]
	if string(end[:len(sealHead)]) != sealHead || string(end[len(end)-len(sealTail):]) != sealTail {
		return nil, nil, false
	}
	return body, end[len(sealHead) : len(end)-len(sealTail)], true
}

func isLink(b []byte) bool {
	return len(b) == len(link{}) && len(bytes.Trim(b, "0123456789abcdef")) == 0
}

// parseLink reads a chain value from a record's member; anything else gives the zero link, which
// no record can have.
func parseLink(s string) link {
	if !isLink([]byte(s)) {
		return link{}
	}
	return link([]byte(s))
}
