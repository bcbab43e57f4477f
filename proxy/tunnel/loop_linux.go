package tunnel

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A loop is one goroutine that waits for the descriptors of many tunnels, and the places where
// those tunnels are found. Its epoll descriptor is registered in the runtime's own poller, so that
// waiting costs no thread.
//
// A joint's lock may be held when the loop's is taken, never the other way round.
type loop struct {
	epoll   *os.File
	fd      int // of epoll
	wait    syscall.RawConn
	stopped chan struct{} // closed when run has returned
	started time.Time

	// Used by run alone.
	events [128]unix.EpollEvent
	n      int // events that are valid
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

// A place is where a tunnel is found, and what an event brings back. The generation tells apart who
// had the slot one after the other: an event that was on its way while a tunnel ended never meets the
// next one.
type place struct{ slot, generation int32 }

// A slot holds a tunnel, or is free.
type slot struct {
	joint      *joint
	generation int32
	next       int32 // of a free slot: the next free one, -1: none
}

// A readiness is what one event says.
type readiness struct {
	joint  *joint
	side   side
	events uint32
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

// run handles events until the loop is closed. They are level-triggered, and each is handled for a
// bounded amount of bytes: what is left comes again after all others had their turn.
func (l *loop) run() {
	defer close(l.stopped)
	poll := l.poll
	for l.wait.Read(poll) == nil {
		l.find()
		for i, r := range l.ready {
			r.joint.handle(r.side, r.events)
			l.ready[i].joint = nil
		}
	}
}

// poll is what the runtime's poller calls: false means nothing there yet, wait.
func (l *loop) poll(fd uintptr) bool {
	n, err := unix.EpollWait(int(fd), l.events[:], 0)
	l.n = max(n, 0)
	return n > 0 || err != nil // an interrupted call is made again
}

// find gives the tunnels that the events are for. An event for one that is gone is dropped.
func (l *loop) find() {
	l.ready = l.ready[:0]
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ev := range l.events[:l.n] {
		if s := l.slots[ev.Fd>>1]; s.joint != nil && s.generation == ev.Pad {
			l.ready = append(l.ready, readiness{s.joint, side(ev.Fd & 1), ev.Events})
		}
	}
}

// add gives j a place and begins to watch both its sides.
func (l *loop) add(j *joint) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return os.ErrClosed
	}
	j.place = l.take(j)
	j.last.Store(l.now())
	for s := range j.sides {
		if err := l.control(j, side(s), unix.EPOLL_CTL_ADD, unix.EPOLLIN); err != nil {
			// The connection holds what its duplicate registered: closing that is not enough.
			_ = l.control(j, clientSide, unix.EPOLL_CTL_DEL, 0)
			l.release(j.place.slot)
			return err
		}
		j.sides[s].watched = unix.EPOLLIN
	}
	if p := sweepPeriod(j.idle); l.period == 0 || p < l.period {
		l.period = p
		l.timer.Reset(p)
	}
	return nil
}

// control tells the kernel which events of one side to wait for.
func (l *loop) control(j *joint, s side, op int, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: j.place.slot<<1 | int32(s), Pad: j.place.generation}
	return unix.EpollCtl(l.fd, op, int(j.sides[s].fd), &ev)
}

// take gives j a free slot.
func (l *loop) take(j *joint) place {
	l.open++
	if l.free < 0 {
		l.slots = append(l.slots, slot{joint: j})
		return place{slot: int32(len(l.slots) - 1)}
	}
	i := l.free
	s := &l.slots[i]
	l.free, s.joint = s.next, j
	return place{i, s.generation}
}

func (l *loop) release(i int32) {
	s := &l.slots[i]
	*s = slot{generation: s.generation + 1, next: l.free}
	l.free = i
	l.open--
}

// remove gives up the place of a tunnel that ended.
func (l *loop) remove(j *joint) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release(j.place.slot)
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

// sweep ends what was idle for too long, and closes pipes that nobody needed since the last sweep.
// One timer serves all tunnels; it stops where there are none.
func (l *loop) sweep() {
	now := l.now()
	var late []*joint
	l.mu.Lock()
	for _, s := range l.slots {
		if s.joint != nil && s.joint.isLate(now) {
			late = append(late, s.joint)
		}
	}
	if spare := l.pipes.trim(); l.closed || l.open == 0 && spare == 0 {
		l.period = 0
	} else {
		l.timer.Reset(l.period)
	}
	l.mu.Unlock()
	for _, j := range late {
		j.expire(now)
	}
}

// close ends the loop and whatever it still carries.
func (l *loop) close() {
	l.mu.Lock()
	l.closed = true
	l.timer.Stop()
	var open []*joint
	for _, s := range l.slots {
		if s.joint != nil {
			open = append(open, s.joint)
		}
	}
	l.mu.Unlock()
	for _, j := range open {
		j.Abort()
	}
	l.epoll.Close()
	<-l.stopped
	l.pipes.close()
}
