package tunnel

import (
	"errors"
	"net"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// An Engine carries tunnels: as many goroutines as there are processors to run them wait for all
// of them together. An idle tunnel costs two descriptors and a joint, nothing else. Make it with
// NewEngine.
type Engine struct {
	loops []*loop // none where the system refuses: every tunnel is a twin then
	next  atomic.Uint32
}

// NewEngine gives an engine. It is to be closed after its last tunnel has ended.
func NewEngine() *Engine {
	e := &Engine{}
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
// them: TCP connections at once, as it goes on with their descriptors alone.
func (e *Engine) Start(client, origin net.Conn, opt Options) Tunnel {
	c, isTCP := client.(*net.TCPConn)
	o, too := origin.(*net.TCPConn)
	if isTCP && too && len(e.loops) > 0 {
		l := e.loops[e.next.Add(1)%uint32(len(e.loops))]
		if j, err := join(l, c, o, opt); err == nil {
			return j
		} // out of descriptors or of kernel memory; the twin needs none
	}
	return startTwin(client, origin, opt)
}

// Close ends the engine's goroutines. Tunnels that are still open are aborted.
func (e *Engine) Close() {
	for _, l := range e.loops {
		l.close()
	}
}

// join makes a joint of two connections. Where it fails both are as they were.
func join(l *loop, client, origin *net.TCPConn, opt Options) (*joint, error) {
	j := &joint{loop: l, idle: opt.Idle, moved: opt.Moved, done: opt.Done, sides: [2]end{{fd: -1}, {fd: -1}}}
	for side, conn := range []*net.TCPConn{client, origin} {
		fd, err := duplicate(conn)
		if err != nil {
			j.closeDescriptors()
			return nil, err
		}
		j.sides[side].fd = int32(fd)
	}
	j.mu.Lock() // events that come from here on wait until it is complete
	defer j.mu.Unlock()
	if err := l.add(j); err != nil {
		j.closeDescriptors()
		return nil, err
	}
	_ = client.Close() // the descriptors live on, the runtime's part of the connections does not
	_ = origin.Close()
	if len(opt.Early) > 0 {
		j.send(clientSide, opt.Early)
	}
	j.settle()
	return j, nil
}

// duplicate gives a descriptor of its own for a connection's socket. It does not block, as Go's
// do not.
func duplicate(c *net.TCPConn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	closed := raw.Control(func(s uintptr) { fd, err = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(closed, err)
}
