package audit

import (
	"bufio"
	"bytes"
	"slices"
)

// blockSize is how much of a file is read at a time, in bytes: large enough that handing it to another
// goroutine costs nothing per line, small enough to stay in a processor's cache.
const blockSize = 256 << 10

// A block is a piece of a file: whole lines with their newlines, and at the end of the file perhaps one without.
type block struct {
	data []byte
	long bool // data is the beginning of one line that is longer than MaxLine, without its newline,
	torn bool // which the file lacks too
}

// A blockReader parts a file into blocks. Together they are the file, but for the rest of lines that are too long.
type blockReader struct {
	r    *bufio.Reader
	rest []byte // read, and not given yet: the beginning of a line
	err  error  // what ended reading
}

// next fills b, whose data is reused. It gives io.EOF after the last block, and any other error of the file
// after what could be read before it.
func (in *blockReader) next(b *block) error {
	*b = block{data: append(b.data[:0], in.rest...)}
	in.rest = in.rest[:0]
	for in.err == nil && !in.fill(b) {
		switch newline := bytes.LastIndexByte(b.data, '\n'); {
		case newline >= 0:
			in.rest = append(in.rest, b.data[newline+1:]...)
			b.data = b.data[:newline+1]
			return nil
		case len(b.data) >= MaxLine:
			in.err = in.skipLine()
			b.data, b.long, b.torn = b.data[:MaxLine-1], true, in.err != nil
			return nil
		}
	}
	if len(b.data) > 0 {
		return nil
	}
	return in.err
}

// fill reads up to a block's size more, and tells whether reading ended with that.
func (in *blockReader) fill(b *block) (ended bool) {
	from := len(b.data)
	b.data = slices.Grow(b.data, max(blockSize-from, blockSize/4))
	for to := min(cap(b.data), max(blockSize, from+blockSize/4)); len(b.data) < to && in.err == nil; {
		var n int
		n, in.err = in.r.Read(b.data[len(b.data):to])
		b.data = b.data[:len(b.data)+n]
	}
	return in.err != nil
}

// skipLine reads to the end of a line that is too long.
func (in *blockReader) skipLine() error {
	for {
		switch _, err := in.r.ReadSlice('\n'); err {
		case nil:
			return nil
		case bufio.ErrBufferFull:
		default:
			return err
		}
	}
}
