package tunnel

import (
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A loop is one goroutine that waits for many descriptors, and the places where whoever they belong to
// is found. Its epoll descriptor is registered in the runtime's own poller, so that
// waiting costs no thread.
//
// A handler's lock may be held when the loop's is taken, never the other way round.
type loop struct {
	epoll   *os.File
	fd      int // of epoll
	wait    syscall.RawConn
	stopped chan struct{} // closed when run has returned
	started time.Time

	// Used by run alone.
	events [128]unix.EpollEvent
	ready  []readiness
	buf    []byte

	mu     sync.Mutex
	closed bool
	slots  []slot
	free   int32 // the first free slot, -1: none
	open   int   // slots in use
	timer  *time.Timer
	period time.Duration // of the timer; 0: it is not running
	pipes  rack
}

// A handler is what a loop waits for: a joint, or a Conn that no tunnel has yet.
type handler interface {
	handle(s side, events uint32)
	isLate(now int64) bool // it was idle for longer than it may be
	expire(now int64)      // end, if it is late still
	end()                  // the loop ends
}

// A place is where a handler is found, and what an event brings back. The generation tells apart who
// had the slot one after the other: an event that was on its way while a tunnel ended never meets the
// next one.
type place struct{ slot, generation int32 }

// nowhere is no place.
var nowhere = place{slot: -1}

// A slot holds a handler, or is free.
type slot struct {
	handler    handler
	generation int32
	next       int32 // of a free slot: the next free one, -1: none
}

// A readiness is what one event says.
type readiness struct {
	handler handler
	side    side
	events  uint32
}

func newLoop() (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making an epoll set: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // os.NewFile asks the runtime to poll it only then
		_ = unix.Close(fd)
		return nil, fmt.Errorf("making an epoll set: %w", err)
	}
	l := &loop{epoll: os.NewFile(uintptr(fd), "epoll"), fd: fd, free: -1, started: time.Now(),
		stopped: make(chan struct{}), buf: make([]byte, pieceSize)}
	l.timer = time.AfterFunc(time.Hour, l.sweep)
	l.timer.Stop()
	if l.wait, err = l.epoll.SyscallConn(); err != nil {
		l.epoll.Close()
		return nil, err
	}
	return l, nil
}

// now is the time on the loop's clock, in nanoseconds.
func (l *loop) now() int64 { return int64(time.Since(l.started)) }

// run handles events until the loop is closed. All but those of a Conn are level-triggered, and each is
// handled for a bounded amount of bytes: what is left comes again after all others had their turn.
func (l *loop) run() {
	defer close(l.stopped)
	_ = l.wait.Read(l.turn) // ends when epoll is closed
}

// turn is what the runtime's poller calls: false means nothing there any more, wait. It asks until that is
// true. The poller is told only of what the epoll set did not hold before, and the set still holds what
// it has just given: neither what is left there is told, nor what it is asked for in the middle of a turn.
func (l *loop) turn(fd uintptr) bool {
	for {
		n, err := unix.EpollWait(int(fd), l.events[:], 0)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 {
			return false
		}
		l.find(n)
		for i, r := range l.ready {
			r.handler.handle(r.side, r.events)
			l.ready[i].handler = nil
		}
	}
}

// find gives the handlers that the first n events are for. An event for one that is gone is dropped.
func (l *loop) find(n int) {
	l.ready = l.ready[:0]
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ev := range l.events[:n] {
		if s := l.slots[ev.Fd>>1]; s.handler != nil && s.generation == ev.Pad {
			l.ready = append(l.ready, readiness{s.handler, side(ev.Fd & 1), ev.Events})
		}
	}
}

// enter gives h a place. It fails once the loop is closed.
func (l *loop) enter(h handler) (place, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nowhere, net.ErrClosed
	}
	l.open++
	if l.free < 0 {
		l.slots = append(l.slots, slot{handler: h})
		return place{slot: int32(len(l.slots) - 1)}, nil
	}
	i := l.free
	s := &l.slots[i]
	l.free, s.handler = s.next, h
	return place{i, s.generation}, nil
}

// release gives up a place.
func (l *loop) release(p place) {
	if p == nowhere {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slots[p.slot] = slot{generation: p.generation + 1, next: l.free}
	l.free = p.slot
	l.open--
}

// control tells the kernel which events of a descriptor to wait for, and where they go.
func (l *loop) control(p place, s side, fd, op int, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: p.slot<<1 | int32(s), Pad: p.generation}
	return unix.EpollCtl(l.fd, op, fd, &ev)
}

// Bounds of the time between two sweeps.
const (
	shortestSweep = 10 * time.Millisecond
	longestSweep  = 5 * time.Second
)

// sweepPeriod is how often to look for tunnels that were idle for as long as they may be.
func sweepPeriod(idle time.Duration) time.Duration {
	if idle == 0 {
		return longestSweep
	}
	return min(max(idle/8, shortestSweep), longestSweep)
}

// sweepFor has the sweep run often enough for a tunnel that may be idle for so long.
func (l *loop) sweepFor(idle time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := sweepPeriod(idle); !l.closed && (l.period == 0 || p < l.period) {
		l.period = p
		l.timer.Reset(p)
	}
}

// sweep ends what was idle for too long, and closes pipes that nobody needed since the last sweep.
// One timer serves all tunnels; it stops where there are none.
func (l *loop) sweep() {
	now := l.now()
	var late []handler
	l.mu.Lock()
	for _, s := range l.slots {
		if s.handler != nil && s.handler.isLate(now) {
			late = append(late, s.handler)
		}
	}
	if spare := l.pipes.trim(); l.closed || l.open == 0 && spare == 0 {
		l.period = 0
	} else {
		l.timer.Reset(l.period)
	}
	l.mu.Unlock()
	for _, h := range late {
		h.expire(now)
	}
}

// close ends the loop and whatever it still carries.
func (l *loop) close() {
	l.mu.Lock()
	l.closed = true
	l.timer.Stop()
	var open []handler
	for _, s := range l.slots {
		if s.handler != nil {
			open = append(open, s.handler)
		}
	}
	l.mu.Unlock()
	for _, h := range open {
		h.end()
	}
	l.epoll.Close()
	<-l.stopped
	l.pipes.close()
}
