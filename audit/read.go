package audit

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
)

// Scan reads the audit file in r, gzip or plain by its content, and calls f for each line, counting
// from 1. rec is nil for a line that is not a record (ParseLine tells why). raw has no newline, is
// valid only during the call, and of a line longer than MaxLine it is the beginning. Memory does not
// grow with the file. Scan ends at the end of r, or with the first error of f, given as it is. name
// is for error messages; the caller closes r.
func Scan(name string, r io.Reader, f func(line int, raw []byte, rec *Record) error) error {
	in, err := newLineReader(r)
	if err != nil {
		return fmt.Errorf("reading audit file %s: %w", name, err)
	}
	for n := 1; ; n++ {
		line, err := in.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading audit file %s, line %d: %w", name, n, err)
		}
		rec, err := line.parse()
		if err != nil {
			rec = nil
		}
		if err := f(n, line.raw, rec); err != nil {
			return err
		}
	}
}

// A fileLine is one line of a file. raw is valid until the next one is read.
type fileLine struct {
	raw   []byte // without newline
	ended bool   // with a newline; false only for the last one of a file
	long  bool   // raw is only its beginning
}

var errLong = fmt.Errorf("the line is longer than %d bytes", MaxLine)

func (l fileLine) parse() (*Record, error) {
	if l.long {
		return nil, errLong
	}
	return ParseLine(l.raw)
}

type lineReader struct {
	r   *bufio.Reader
	raw []byte // reused
}

func newLineReader(r io.Reader) (*lineReader, error) {
	in, err := decompress(r)
	if err != nil {
		return nil, err
	}
	return &lineReader{r: in}, nil
}

// decompress gives what is in r, gzip or plain by its content.
func decompress(r io.Reader) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := in.Peek(2); !isGzip(magic) {
		return in, nil
	}
	zip, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	return bufio.NewReaderSize(zip, 64<<10), nil
}

func isGzip(magic []byte) bool { return string(magic) == "\x1f\x8b" }

// next gives io.EOF after the last line, whether that ended with a newline or not.
func (l *lineReader) next() (fileLine, error) {
	l.raw = l.raw[:0]
	var line fileLine
	for {
		part, err := l.r.ReadSlice('\n')
		line.ended = err == nil
		if line.ended {
			part = part[:len(part)-1]
		}
		if room := MaxLine - 1 - len(l.raw); len(part) > room {
			part, line.long = part[:room], true
		}
		l.raw = append(l.raw, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err == io.EOF && len(l.raw) > 0 {
			err = nil
		}
		line.raw = l.raw
		return line, err
	}
}

// firstRecord reads the first line of a file, compressed or not.
func firstRecord(path string) (*Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in, err := newLineReader(f)
	if err != nil {
		return nil, err
	}
	line, err := in.next()
	if err == io.EOF {
		return nil, errors.New("the file is empty")
	}
	if err != nil {
		return nil, err
	}
	return line.parse()
}
