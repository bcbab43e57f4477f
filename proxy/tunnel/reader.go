package tunnel

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// pieces are borrowed while bytes are on their way and given back before waiting, so that an idle
// tunnel holds none.
var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// A reader reads one side of a tunnel in borrowed pieces.
type reader struct {
	conn net.Conn
	raw  syscall.RawConn // nil: the connection has no descriptor of its own
	buf  *[pieceSize]byte
	n    int
	err  error
	try  func(fd uintptr) bool // r.tryRead, bound once
}

func newReader(conn net.Conn) *reader {
	r := &reader{conn: conn}
	if sc, ok := conn.(syscall.Conn); ok && canReadRaw {
		if raw, err := sc.SyscallConn(); err == nil {
			r.raw = raw
			r.try = r.tryRead
		}
	}
	return r
}

// next waits for bytes. What it gives is valid until release.
func (r *reader) next() ([]byte, error) {
	if r.raw == nil {
		r.borrow()
		n, err := r.conn.Read(r.buf[:])
		return r.buf[:n], err
	}
	r.n, r.err = 0, nil
	if err := r.raw.Read(r.try); err != nil {
		return nil, err
	}
	switch {
	case r.err != nil:
		return nil, r.err
	case r.n == 0:
		return nil, io.EOF
	}
	return r.buf[:r.n], nil
}

func (r *reader) borrow() { r.buf = pieces.Get().(*[pieceSize]byte) }

// release gives the buffer back, if there is one.
func (r *reader) release() {
	if r.buf != nil {
		pieces.Put(r.buf)
		r.buf = nil
	}
}

// tryRead is what the runtime's poller calls: false means nothing there yet, wait.
func (r *reader) tryRead(fd uintptr) bool {
	r.borrow()
	for {
		n, err := readFD(fd, r.buf[:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			r.release()
			return false
		}
		r.n, r.err = max(n, 0), err
		return true
	}
}
