package proxy

import (
	"bytes"
	"errors"
)

// maxChunkLine bounds a chunk's size line with its extensions, in bytes.
const maxChunkLine = 256

var errChunk = errors.New("the chunked content is not framed as RFC 9112 §7.1 says")

// content follows the content of a request as it passes, so that the proxy and net/http agree on
// where it ends. The zero content has ended.
type content struct {
	left    int64 // of the content, or of the chunk that is passing
	state   contentState
	line    []byte // of a size line or trailer, until it is complete
	trailer int    // bytes of trailers so far
	limit   int    // for trailers
}

type contentState byte

const (
	contentEnd       contentState = iota
	contentPlain                  // left bytes
	contentSize                   // a chunk's size line
	contentChunk                  // left bytes of a chunk
	contentChunkEnds              // the CRLF after a chunk
	contentTrailer                // trailer lines up to an empty one
)

func newContent(length int64, limit int) content {
	switch {
	case length == lengthChunked:
		return content{state: contentSize, limit: limit}
	case length > 0:
		return content{state: contentPlain, left: length}
	}
	return content{}
}

// pass tells how many of the bytes in p belong to the content and may go on, after a check of
// their framing. Fewer than len(p) means that the content ends there.
func (c *content) pass(p []byte) (int, error) {
	n := 0
	for n < len(p) && c.state != contentEnd {
		if c.state == contentPlain || c.state == contentChunk {
			n += c.skip(p[n:])
			continue
		}
		used, err := c.gather(p[n:])
		if err != nil {
			return 0, err
		}
		n += used
	}
	return n, nil
}

func (c *content) skip(p []byte) int {
	n := int(min(int64(len(p)), c.left))
	c.left -= int64(n)
	switch {
	case c.left > 0:
	case c.state == contentPlain:
		c.state = contentEnd
	default:
		c.state = contentChunkEnds
	}
	return n
}

// gather takes p up to the end of a line, and reads the line when it is complete.
func (c *content) gather(p []byte) (int, error) {
	n := bytes.IndexByte(p, '\n') + 1
	if n == 0 {
		n = len(p)
	}
	c.line = append(c.line, p[:n]...)
	longest := maxChunkLine
	if c.state == contentTrailer {
		longest = c.limit
	}
	if len(c.line) > longest {
		return 0, errChunk
	}
	if c.line[len(c.line)-1] != '\n' {
		return n, nil
	}
	line, ok := bytes.CutSuffix(c.line, []byte("\r\n"))
	if !ok {
		return 0, errChunk
	}
	err := c.read(line)
	c.line = c.line[:0]
	return n, err
}

func (c *content) read(line []byte) error {
	switch c.state {
	case contentChunkEnds:
		if len(line) > 0 {
			return errChunk
		}
		c.state = contentSize
	case contentSize:
		return c.readSize(line)
	default:
		return c.readTrailer(line)
	}
	return nil
}

func (c *content) readSize(line []byte) error {
	digits, extension, _ := bytes.Cut(line, []byte(";"))
	size, ok := parseHex(digits)
	if !ok || bytes.ContainsFunc(extension, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return errChunk
	}
	c.left, c.state = size, contentChunk
	if size == 0 {
		c.state = contentTrailer
	}
	return nil
}

func (c *content) readTrailer(line []byte) error {
	if len(line) == 0 {
		c.state = contentEnd
		return nil
	}
	name, _, err := splitField(line)
	c.trailer += len(line)
	if err != nil || c.trailer > c.limit || !trailersAllowed(name) {
		return errChunk
	}
	return nil
}

// parseHex reads 1*HEXDIG; 15 of them stay below the largest int64.
func parseHex(digits []byte) (n int64, ok bool) {
	if len(digits) == 0 || len(digits) > 15 {
		return 0, false
	}
	for _, d := range digits {
		switch {
		case '0' <= d && d <= '9':
			d -= '0'
		case 'a' <= d && d <= 'f':
			d -= 'a' - 10
		case 'A' <= d && d <= 'F':
			d -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | int64(d)
	}
	return n, true
}
