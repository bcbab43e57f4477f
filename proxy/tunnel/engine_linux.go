package tunnel

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// An Engine accepts and dials sockets and joins them to tunnels: as many goroutines as there are
// processors to run them wait for all of them together. An idle tunnel costs two descriptors and a
// joint, nothing else. Make it with NewEngine.
type Engine struct {
	keepAlive time.Duration
	loops     []*loop // none where the system refuses: every tunnel is a twin then
	next      atomic.Uint32
}

// NewEngine gives an engine that sends a TCP keep-alive probe after each keepAlive without a byte, in
// whole seconds; 0: never. It is to be closed after its last tunnel has ended.
func NewEngine(keepAlive time.Duration) *Engine {
	e := &Engine{keepAlive: keepAlive}
	for range runtime.GOMAXPROCS(0) {
		l, err := newLoop()
		if err != nil {
			break
		}
		e.loops = append(e.loops, l)
		go l.run()
	}
	return e
}

// Start joins client and origin and returns at once. The tunnel owns both from here on and closes
// them: whoever has them still finds them closed.
func (e *Engine) Start(client, origin net.Conn, opt Options) Tunnel {
	client, origin = e.adopt(client), e.adopt(origin)
	c, ok := client.(*Conn)
	o, too := origin.(*Conn)
	if ok && too {
		return join(c, o, opt)
	}
	return startTwin(client, origin, opt)
}

// adopt makes one of package net's TCP connections the engine's own. Any other it gives back, and this too
// where the system has no descriptor left: the twin needs none.
func (e *Engine) adopt(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok || len(e.loops) == 0 {
		return conn
	}
	fd, err := duplicate(tcp)
	if err != nil {
		return conn
	}
	var remote netip.AddrPort
	if a, ok := tcp.RemoteAddr().(*net.TCPAddr); ok {
		remote = a.AddrPort()
	}
	_ = tcp.Close() // the socket lives on
	return e.conn(fd, remote)
}

// duplicate gives a descriptor of its own for one of package net's sockets. It does not block, as those
// do not.
func duplicate(c syscall.Conn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	closed := raw.Control(func(s uintptr) { fd, err = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(closed, err)
}

// Close ends the engine's goroutines. Tunnels that are still open are aborted, connections closed.
func (e *Engine) Close() {
	for _, l := range e.loops {
		l.close()
	}
}

// join makes a joint of two connections, in the loop of the client's.
func join(client, origin *Conn, opt Options) *joint {
	l := client.loop
	j := &joint{loop: l, place: nowhere, idle: opt.Idle, moved: opt.Moved, done: opt.Done}
	j.mu.Lock() // events that come from here on wait until it is complete
	defer j.mu.Unlock()
	for s, c := range [...]*Conn{client, origin} {
		fd, watched := c.leave(l)
		j.sides[s] = end{fd: int32(fd), muted: !watched}
	}
	var err error
	if j.place, err = l.enter(j); err != nil {
		j.stop(Aborted) // as whatever else the engine carried when it was closed
		return j
	}
	j.last.Store(l.now())
	l.sweepFor(opt.Idle)
	if len(opt.Early) > 0 {
		j.send(clientSide, opt.Early)
	}
	j.settle()
	return j
}
