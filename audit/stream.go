package audit

import (
	"errors"
	"io"
	"io/fs"
)

// stream is standard output in the place of a file. What went out cannot be taken back: after a
// short write the half line is ended, so that the next record stands on a line of its own.
type stream struct {
	w    io.Writer
	half bool
}

func (s *stream) Write(p []byte) (int, error) {
	if s.w == nil {
		return 0, errors.New("no standard output is given")
	}
	n, err := s.w.Write(p)
	s.half = n > 0 && n < len(p)
	return n, err
}

func (s *stream) Truncate(int64) error {
	if !s.half {
		return nil
	}
	_, err := s.w.Write([]byte("\n"))
	s.half = err != nil
	return err
}

func (s *stream) Stat() (fs.FileInfo, error) { return nil, errors.ErrUnsupported }
func (s *stream) Sync() error                { return nil }
func (s *stream) Close() error               { return nil }
