// Package tunnel carries bytes between two connections, both ways and untouched, and counts them.
//
// It knows nothing of HTTP, policy or audit: it is handed two connections and says, once, how it
// went. Each direction ends by itself (half-close, RFC 9110 §9.3.6); a reset on one side is passed
// on as a reset; a tunnel in which nothing moves for too long, or that is aborted, ends at once.
package tunnel

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Cause is why a tunnel ended.
type Cause int

// The causes.
const (
	Ended         Cause = iota // both directions came to their end
	ClientReset                // the client's side failed
	UpstreamReset              // the origin's side failed
	Idle                       // nothing moved for Options.Idle
	Aborted                    // Abort was called
)

// A Result is how a tunnel went. A byte counts when it was handed to the receiving side.
type Result struct {
	Cause    Cause
	Sent     int64 // bytes from client to origin, early ones included
	Received int64 // bytes from origin to client
}

// Options of a tunnel.
type Options struct {
	// Early is what the client already sent after its CONNECT; it reaches the origin first.
	Early []byte
	// Idle ends a tunnel in which nothing moved for this long; zero: never.
	Idle time.Duration
	// Moved, if not nil, is called after each piece with the bytes that moved. It must not block.
	Moved func(sent, received int)
	// Done is called exactly once, from a goroutine of the tunnel, after both connections are
	// closed. It must not be nil.
	Done func(Result)
}

// A Tunnel is two connections joined. Make it with Start.
type Tunnel struct {
	client, origin net.Conn
	opt            Options
	sent, received atomic.Int64
	moved          atomic.Int64 // time of the last byte, nanoseconds since started
	started        time.Time
	idle           *time.Timer

	mu    sync.Mutex
	over  bool // no byte passes any more: cause is final
	cause Cause
}

// Start joins client and origin and returns at once. The tunnel owns both from here on and closes
// them. A connection that wraps another may show it with NetConn() net.Conn, as *tls.Conn does, if
// reading it directly gives the same bytes.
func Start(client, origin net.Conn, opt Options) *Tunnel {
	t := &Tunnel{client: client, origin: origin, opt: opt, started: time.Now()}
	if opt.Idle > 0 {
		t.mu.Lock()
		t.idle = time.AfterFunc(opt.Idle, t.checkIdle)
		t.mu.Unlock()
	}
	go t.run()
	return t
}

// Abort ends the tunnel at once, resetting both sides. It may be called at any time, again too.
func (t *Tunnel) Abort() { t.stop(Aborted) }

// run owns both copies: it starts two, and waits for two.
func (t *Tunnel) run() {
	down := make(chan struct{})
	go func() {
		defer close(down)
		t.copy(t.client, t.origin, nil, t.countReceived, ClientReset, UpstreamReset)
	}()
	early := t.opt.Early
	t.opt.Early = nil
	t.copy(t.origin, t.client, early, t.countSent, UpstreamReset, ClientReset)
	<-down
	t.stop(Ended)
	t.client.Close()
	t.origin.Close()
	t.opt.Done(Result{Cause: t.cause, Sent: t.sent.Load(), Received: t.received.Load()})
}

func (t *Tunnel) countSent(n int) {
	t.sent.Add(int64(n))
	t.touch(n, 0)
}

func (t *Tunnel) countReceived(n int) {
	t.received.Add(int64(n))
	t.touch(0, n)
}

func (t *Tunnel) touch(sent, received int) {
	t.moved.Store(int64(time.Since(t.started)))
	if t.opt.Moved != nil {
		t.opt.Moved(sent, received)
	}
}

// copy moves bytes from src to dst until src ends, then passes the end on. An error on either side
// ends the whole tunnel, with the cause that belongs to that side.
func (t *Tunnel) copy(dst, src net.Conn, early []byte, count func(int), dstFailed, srcFailed Cause) {
	if len(early) > 0 && !t.write(dst, early, count, dstFailed) {
		return
	}
	r := newReader(src)
	for {
		piece, err := r.next()
		if len(piece) > 0 && !t.write(dst, piece, count, dstFailed) {
			r.release()
			return
		}
		r.release()
		switch {
		case errors.Is(err, io.EOF):
			closeWrite(dst)
			return
		case err != nil:
			t.stop(srcFailed)
			return
		}
	}
}

func (t *Tunnel) write(dst net.Conn, p []byte, count func(int), failed Cause) bool {
	n, err := dst.Write(p)
	if n > 0 {
		count(n)
	}
	if err != nil {
		t.stop(failed)
		return false
	}
	return true
}

// stop makes c the cause, unless there is one, and for all but Ended closes both sides so that the
// peers see a reset: linger 0 has to be set before any other close or shutdown.
func (t *Tunnel) stop(c Cause) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	t.over, t.cause = true, c
	if t.idle != nil {
		t.idle.Stop()
	}
	if c == Ended {
		return
	}
	for _, conn := range []net.Conn{t.client, t.origin} {
		if l, ok := inner(conn).(interface{ SetLinger(int) error }); ok {
			_ = l.SetLinger(0) // on a connection that is gone already there is nothing to reset
		}
		_ = conn.SetDeadline(time.Unix(1, 0)) // wakes both copies; run closes
	}
}

// checkIdle runs when the tunnel may have been idle for long enough, and looks again later if not.
func (t *Tunnel) checkIdle() {
	quiet := time.Since(t.started) - time.Duration(t.moved.Load())
	if quiet >= t.opt.Idle {
		t.stop(Idle)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.idle.Reset(t.opt.Idle - quiet)
	}
}

// inner gives the connection below the wrappers that show it.
func inner(c net.Conn) net.Conn {
	for {
		w, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = w.NetConn()
	}
}

// closeWrite tells the peer that nothing more comes. A connection that cannot is left open: its
// peer sees the end when the tunnel closes.
func closeWrite(c net.Conn) {
	if w, ok := inner(c).(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite() // fails only where the peer is gone, which the other copy finds
	}
}
