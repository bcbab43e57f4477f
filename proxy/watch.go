package proxy

import (
	"net"
	"time"
)

// watchAfter is how long a connection to a server may take before it is worth watching whether the
// client is still there: nearly all take less, and cost no goroutine.
const watchAfter = 500 * time.Millisecond

// A watch reads from a client that waits for its tunnel: what comes is kept, and an end means that
// nobody waits any more.
type watch struct {
	conn net.Conn
	gone func() // called when the client has left
	done chan struct{}
	came []byte
}

// dialWatching dials for t and gives up when the client leaves. early is what came with the CONNECT;
// it comes back with what came since.
func (s *Server) dialWatching(c *clientConn, t *transaction, early []byte) (net.Conn, []byte, error) {
	w := &watch{conn: c.Conn, gone: func() { t.abort(failClientReset) }, done: make(chan struct{})}
	timer := time.AfterFunc(watchAfter, w.run)
	origin, err := s.dial(t.ctx, t.addresses)
	if !timer.Stop() {
		w.end()
	}
	return origin, append(early, w.came...), err
}

func (w *watch) run() {
	defer close(w.done)
	buf := make([]byte, readSize)
	n, err := w.conn.Read(buf)
	w.came = buf[:n]
	if n == 0 && err != nil && !isTimeout(err) {
		w.gone()
	}
}

// end ends the watch, with or without an answer from the client.
func (w *watch) end() {
	_ = w.conn.SetReadDeadline(time.Unix(1, 0))
	<-w.done
	_ = w.conn.SetReadDeadline(time.Time{})
}
