package tunnel

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Conn is a TCP socket of an Engine. It is a net.Conn that waits in the engine's epoll sets, so
// that a tunnel of two of them needs no system call to take them over.
type Conn struct {
	loop   *loop
	remote netip.AddrPort // of a listener: its own

	mu      sync.Mutex // held during system calls, none of which blocks: no descriptor is closed under one
	fd      int        // -1: closed, or a tunnel has it
	place   place      // valid while watched is not 0
	watched uint32     // events that the kernel is asked for; 0: it is not in the epoll set
	in, out gate
}

// A gate is where a read or a write waits. The connection's lock guards it.
type gate struct {
	opened   chan struct{} // of capacity 1: there may be something to do; nil until somebody waited
	deadline time.Time
}

func (e *Engine) conn(fd int, remote netip.AddrPort) *Conn {
	return &Conn{loop: e.loops[e.next.Add(1)%uint32(len(e.loops))], fd: fd,
		remote: netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())}
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.do(&c.in, unix.EPOLLIN|unix.EPOLLRDHUP, "read", func(fd int) (int, error) { return unix.Read(fd, p) })
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (n int, err error) {
	for n < len(p) {
		rest := p[n:]
		m, err := c.do(&c.out, unix.EPOLLOUT, "write", func(fd int) (int, error) { return unix.Write(fd, rest) })
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

// do makes a call until it need not wait.
func (c *Conn) do(g *gate, events uint32, name string, call func(fd int) (int, error)) (int, error) {
	for {
		n, wait, err := c.once(g, events, call)
		switch err {
		case nil:
			return n, nil
		case unix.EAGAIN:
			_ = wait.wait(nil) // once looks at the deadline, which may be another one by then
		default:
			return 0, c.failed(name, err)
		}
	}
}

// once makes a call. With EAGAIN it gives a gate to wait at that opens when it is worth another try.
func (c *Conn) once(g *gate, events uint32, call func(fd int) (int, error)) (n int, wait gate, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.fd < 0:
		g.open() // for others who wait, too
		return 0, wait, net.ErrClosed
	case !g.deadline.IsZero() && !time.Now().Before(g.deadline):
		g.open()
		return 0, wait, os.ErrDeadlineExceeded
	}
	if n, err = again(func() (int, error) { return call(c.fd) }); err != unix.EAGAIN {
		return n, wait, err
	}
	if err := c.watch(g, events); err != nil {
		return 0, wait, err
	}
	return 0, *g, unix.EAGAIN
}

// watch asks for events, from now on and each once (edge-triggered), unless it is done already. mu is held.
func (c *Conn) watch(g *gate, events uint32) error {
	if g.opened == nil {
		g.opened = make(chan struct{}, 1)
	}
	before := c.watched
	if before&events == events {
		return nil
	}
	op := unix.EPOLL_CTL_MOD
	if before == 0 {
		op = unix.EPOLL_CTL_ADD
		var err error
		if c.place, err = c.loop.enter(c); err != nil {
			return err
		}
	}
	if err := c.loop.control(c.place, 0, c.fd, op, before|events|unix.EPOLLET); err != nil {
		if before == 0 {
			c.loop.release(c.place)
		}
		return os.NewSyscallError("epoll_ctl", err)
	}
	c.watched = before | events
	return nil
}

// handle implements handler.
func (c *Conn) handle(_ side, events uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|gone) != 0 {
		c.in.open()
	}
	if events&(unix.EPOLLOUT|gone) != 0 {
		c.out.open()
	}
}

// open lets whoever waits look again, or the next one who would. The connection's lock is held.
func (g *gate) open() {
	if g.opened == nil {
		return
	}
	select {
	case g.opened <- struct{}{}:
	default:
	}
}

// wait returns when the gate was opened, with an error if its deadline has passed or the caller gave up
// before that.
func (g *gate) wait(givenUp <-chan struct{}) (err error) {
	var late <-chan time.Time
	if !g.deadline.IsZero() {
		timer := timers.Get().(*time.Timer)
		timer.Reset(time.Until(g.deadline))
		late = timer.C
		defer func() {
			timer.Stop() // nothing is left in its channel, since Go 1.23
			timers.Put(timer)
		}()
	}
	select {
	case <-g.opened:
	case <-late:
		err = os.ErrDeadlineExceeded
	case <-givenUp:
		err = context.Canceled
	}
	return err
}

// timers are borrowed for as long as somebody waits.
var timers = sync.Pool{New: func() any { return time.NewTimer(time.Hour) }}

// Close implements net.Conn. It ends reads and writes that wait, and fails only the second time.
func (c *Conn) Close() error {
	fd, _ := c.leave(nil)
	if fd < 0 {
		return c.failed("close", net.ErrClosed)
	}
	_ = unix.Close(fd) // which also takes it out of the epoll set
	return nil
}

// leave gives the descriptor up, -1 if that is done already: whoever has the result owns it. If it is
// watched, and in the epoll set of to, it stays there.
func (c *Conn) leave(to *loop) (fd int, watched bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fd, watched = c.fd, c.watched != 0
	c.fd, c.watched = -1, 0
	if watched {
		if to != nil && c.loop != to {
			_ = c.loop.control(c.place, 0, fd, unix.EPOLL_CTL_DEL, 0) // cannot fail: it is there
			watched = false
		}
		c.loop.release(c.place)
	}
	c.in.open()
	c.out.open()
	return fd, watched
}

// isLate, expire and end implement handler. A Conn has deadlines instead.
func (c *Conn) isLate(int64) bool { return false }
func (c *Conn) expire(int64)      {}
func (c *Conn) end()              { _ = c.Close() }

// CloseWrite tells the peer that nothing more comes.
func (c *Conn) CloseWrite() error {
	return c.option("shutdown", func(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) })
}

// SetLinger is that of *net.TCPConn: with 0, Close resets the connection.
func (c *Conn) SetLinger(seconds int) error {
	l := unix.Linger{Linger: int32(max(seconds, 0))}
	if seconds >= 0 {
		l.Onoff = 1
	}
	return c.option("set", func(fd int) error { return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &l) })
}

func (c *Conn) option(name string, set func(fd int) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := net.ErrClosed
	if c.fd >= 0 {
		err = set(c.fd)
	}
	return c.failed(name, err)
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn. A read that waits goes by the new deadline.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(&c.in, t) }

// SetWriteDeadline implements net.Conn. A write that waits goes by the new deadline.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(&c.out, t) }

func (c *Conn) setDeadline(g *gate, t time.Time) error {
	return c.option("set", func(int) error {
		g.deadline = t
		g.open()
		return nil
	})
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr {
	var local netip.AddrPort
	_ = c.option("get", func(fd int) error {
		sa, err := syscall.Getsockname(fd)
		local = addrPort(sa)
		return err
	})
	return net.TCPAddrFromAddrPort(local)
}

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// failed gives a system call's error the form that package net gives it; nil for none.
func (c *Conn) failed(name string, err error) error {
	if err == nil {
		return nil
	}
	if errno, ok := err.(unix.Errno); ok { //nolint:errorlint // nothing wraps it here
		err = os.NewSyscallError(name, errno)
	}
	return &net.OpError{Op: name, Net: "tcp", Addr: c.RemoteAddr(), Err: err}
}
