package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
)

// A head is the request line and header section of one request (RFC 9112 §2.1), checked more
// strictly than net/http does: what can be read in two ways is refused, not repaired.
type head struct {
	method string
	target string // as sent
	minor  byte   // of the version: HTTP/1.minor
	fields []byte // the field lines, CRLF and all, without Host
	length int64  // content that follows, in bytes; lengthChunked for the chunked coding
}

// Lengths of content that are not a number of bytes.
const (
	lengthChunked = -1
	lengthToEnd   = math.MaxInt64 // to the end of the connection; answers only
)

// maxMethod bounds what goes into a record as http.request.method.
const maxMethod = 32

// errHeadTooLarge says that a head has more bytes than limits.header_bytes.
var errHeadTooLarge = errors.New("the header section is larger than the proxy reads")

// splitHead finds the end of the head that data begins with. It gives 0 while the head is not
// complete, and an error as soon as a line ends in anything but CRLF.
func splitHead(data []byte, limit int) (int, error) {
	window := data[:min(len(data), limit)]
	for at := 0; ; {
		i := bytes.IndexByte(window[at:], '\n')
		if i < 0 {
			break
		}
		end := at + i
		if end == 0 || window[end-1] != '\r' {
			return 0, errors.New("a line ends in a bare line feed")
		}
		if end-1 == at && at > 0 {
			return end + 1, nil
		}
		at = end + 1
	}
	if len(data) >= limit {
		return 0, errHeadTooLarge
	}
	return 0, nil
}

// parseHead reads a complete head, as splitHead found it. The head does not keep data. Where it
// gives an error the method and target that could be made out are filled in.
func parseHead(data []byte) (h head, err error) {
	line, rest, _ := bytes.Cut(data, []byte("\r\n"))
	if err := h.parseRequestLine(string(line)); err != nil {
		return h, err
	}
	f := framing{minor: h.minor}
	h.fields = make([]byte, 0, len(rest))
	for len(rest) > 2 {
		line, after, _ := bytes.Cut(rest, []byte("\r\n"))
		name, value, err := splitField(line)
		if err != nil {
			return h, err
		}
		if err := f.add(name, value); err != nil {
			return h, err
		}
		if name != "Host" {
			h.fields = append(append(h.fields, line...), "\r\n"...)
		}
		rest = after
	}
	h.length, err = f.length(h.method)
	return h, err
}

func (h *head) parseRequestLine(line string) error {
	method, rest, ok := strings.Cut(line, " ")
	target, version, ok2 := strings.Cut(rest, " ")
	if !ok || !ok2 || !isToken(method) || len(method) > maxMethod {
		h.target = unread(line)
		return errors.New("the request line is not METHOD TARGET VERSION")
	}
	h.method, h.target = method, target
	if target == "" || strings.ContainsFunc(target, isControlOrSpace) {
		return errors.New("the request target holds a space or a control character")
	}
	switch version {
	case "HTTP/1.0":
		h.minor = 0
	case "HTTP/1.1":
		h.minor = 1
	default:
		return errors.New("only HTTP/1.1 and HTTP/1.0 are spoken here")
	}
	return nil
}

// unread names a line that is no request line, for the record. Only what follows a method stands
// there: anything else may be content or a header field that got out of place.
func unread(line string) string {
	method, rest, ok := strings.Cut(line, " ")
	if ok && isToken(method) && strings.ToUpper(method) == method && !strings.ContainsAny(method, "0123456789_-") {
		return rest
	}
	return fmt.Sprintf("(no request line, %d bytes)", len(line))
}

func isControlOrSpace(r rune) bool { return r <= ' ' || r == 0x7f }

// splitField takes a field line apart (RFC 9112 §5): no space before the colon, no folding.
// The name comes back in canonical form.
func splitField(line []byte) (name, value string, err error) {
	raw, rest, ok := bytes.Cut(line, []byte(":"))
	if !ok || !isToken(string(raw)) {
		return "", "", errors.New("a header line is not NAME: VALUE, without spaces before the colon and unfolded")
	}
	value = string(bytes.Trim(rest, " \t"))
	for i := range len(value) {
		if c := value[i]; (c < ' ' && c != '\t') || c == 0x7f {
			return "", "", fmt.Errorf("header %s holds a control character", raw)
		}
	}
	return http.CanonicalHeaderKey(string(raw)), value, nil
}

// isToken tells whether s is a token of RFC 9110 §5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !alnum && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// framing gathers what decides where a request ends (RFC 9112 §6).
type framing struct {
	minor   byte
	hosts   int
	lengths int
	content int64
	codings int
}

func (f *framing) add(name, value string) error {
	switch name {
	case "Host":
		f.hosts++
		if f.hosts > 1 {
			return errors.New("there is more than one Host")
		}
	case "Content-Length":
		n, ok := parseLength(value)
		f.lengths++
		if !ok || f.lengths > 1 {
			return errors.New("Content-Length is repeated or not a number")
		}
		f.content = n
	case "Transfer-Encoding":
		f.codings++
		if !strings.EqualFold(value, "chunked") || f.codings > 1 || f.minor == 0 {
			return errors.New("the only transfer coding read here is chunked, once, in HTTP/1.1")
		}
	case "Expect":
		if !strings.EqualFold(value, "100-continue") {
			return errors.New("the only expectation met here is 100-continue")
		}
	case "Trailer":
		if !trailersAllowed(value) {
			return errors.New("a field that must not be a trailer is announced as one")
		}
	}
	return nil
}

// length gives the length of the content, after every field was added.
func (f *framing) length(method string) (int64, error) {
	switch {
	case f.minor == 1 && f.hosts == 0:
		return 0, errors.New("there is no Host")
	case f.codings > 0 && f.lengths > 0:
		return 0, errors.New("there are both Content-Length and Transfer-Encoding")
	case method == http.MethodConnect && (f.codings > 0 || f.content > 0):
		return 0, errors.New("a CONNECT has no content")
	case f.codings > 0:
		return lengthChunked, nil
	}
	return f.content, nil
}

// answerLength gives the length of an answer's content, after every field was added.
func (f *framing) answerLength() (int64, error) {
	switch {
	case f.codings > 0 && f.lengths > 0:
		return 0, errors.New("there are both Content-Length and Transfer-Encoding")
	case f.codings > 0:
		return lengthChunked, nil
	case f.lengths == 0:
		return lengthToEnd, nil
	}
	return f.content, nil
}

// parseLength reads 1*DIGIT; 18 of them stay below the largest int64.
func parseLength(s string) (n int64, ok bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

// trailersAllowed refuses the names that RFC 9110 §6.5.1 keeps out of trailers: what frames the
// message, what is for one connection, what authenticates.
func trailersAllowed(list string) bool {
	for name := range strings.SplitSeq(list, ",") {
		switch http.CanonicalHeaderKey(strings.TrimSpace(name)) {
		case "Transfer-Encoding", "Content-Length", "Trailer", "Host", "Authorization", "Cookie", "Set-Cookie":
			return false
		}
		if slices.Contains(hopByHop, http.CanonicalHeaderKey(strings.TrimSpace(name))) {
			return false
		}
	}
	return true
}
