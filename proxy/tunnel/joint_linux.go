package tunnel

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A side is one end of a tunnel, and the direction that begins there.
type side int32

const (
	clientSide side = iota
	originSide
)

func (s side) other() side { return 1 - s }

// failed is the cause of a tunnel's end when this side fails.
func (s side) failed() Cause {
	if s == clientSide {
		return ClientReset
	}
	return UpstreamReset
}

// A joint is a tunnel that a loop carries. There may be a hundred thousand: it holds no buffer, no
// pipe, no timer and no goroutine while nothing moves.
type joint struct {
	loop  *loop
	idle  time.Duration
	moved func(sent, received int)
	done  func(Result)
	last  atomic.Int64 // when the last byte moved, on the loop's clock
	place place        // nowhere while it has none

	mu    sync.Mutex // held while events are handled: Abort waits for that
	over  bool       // both descriptors are closed
	sides [2]end
	flows [2]flow // by the side where they begin
}

// An end is what there is of a side.
type end struct {
	fd      int32
	watched uint16 // events that the kernel is asked for
	muted   bool   // it is not in the epoll set
}

// Abort implements Tunnel.
func (j *joint) Abort() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stop(Aborted)
}

// gone are the events that come unasked, and again and again.
const gone = unix.EPOLLERR | unix.EPOLLHUP

// handle implements handler: it does what an event on one side allows.
func (j *joint) handle(s side, events uint32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.over {
		return
	}
	if into := s.other(); j.flows[into].held != nil && events&(unix.EPOLLOUT|gone) != 0 {
		j.pump(into)
	}
	if !j.over && j.flows[s].isReading() && events&(unix.EPOLLIN|gone) != 0 {
		j.pump(s)
	}
	j.settle()
	if !j.over && !j.flows[s].isReading() && events&gone != 0 {
		j.mute(s)
	}
}

// mute takes a side that has failed, and that nobody reads from now, out of the epoll set, which would
// tell it without end. Its failure is found by whoever reads or writes there next. If nobody does it is
// none: a client that has closed resets what still comes, as every TLS connection's last alert does.
func (j *joint) mute(s side) {
	j.watch(s, unix.EPOLL_CTL_DEL, 0)
	j.sides[s].muted = true
}

// settle ends the tunnel if both directions have, and otherwise waits for what comes next: bytes from
// each side, unless they cannot be passed on; then for room on the other.
func (j *joint) settle() {
	if j.over {
		return
	}
	if j.flows[clientSide].ended && j.flows[originSide].ended {
		j.finish(Ended)
		return
	}
	for _, s := range [...]side{clientSide, originSide} {
		var want uint16
		if j.flows[s].isReading() {
			want |= unix.EPOLLIN
		}
		if j.flows[s.other()].held != nil {
			want |= unix.EPOLLOUT
		}
		switch e := &j.sides[s]; {
		case e.watched == want:
		case e.muted:
			e.muted = false
			j.watch(s, unix.EPOLL_CTL_ADD, want)
		default:
			j.watch(s, unix.EPOLL_CTL_MOD, want)
		}
	}
}

// watch changes what is waited for. Where the kernel cannot (it has no memory) nobody would ever
// look at the tunnel again, so it ends.
func (j *joint) watch(s side, op int, events uint16) {
	if j.over {
		return
	}
	e := &j.sides[s]
	e.watched = events
	if err := j.loop.control(j.place, s, int(e.fd), op, uint32(events)); err != nil {
		j.stop(s.failed())
	}
}

// isLate implements handler. The sweep holds the loop's lock and not the tunnel's.
func (j *joint) isLate(now int64) bool {
	return j.idle > 0 && time.Duration(now-j.last.Load()) >= j.idle
}

// expire implements handler: the tunnel ends unless a byte came in the meantime.
func (j *joint) expire(now int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.isLate(now) {
		j.stop(Idle)
	}
}

// end implements handler.
func (j *joint) end() { j.Abort() }

// stop ends the tunnel, unless it has, with a reset of both sides.
func (j *joint) stop(c Cause) {
	if j.over {
		return
	}
	for _, e := range j.sides {
		// On a connection that is gone already there is nothing to reset.
		_ = unix.SetsockoptLinger(int(e.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	j.finish(c)
}

// finish closes both sides and tells how it went.
func (j *joint) finish(c Cause) {
	j.over = true
	j.loop.release(j.place)
	for _, e := range j.sides {
		_ = unix.Close(int(e.fd)) // the socket's only one: that also takes it out of the epoll set
	}
	for i := range j.flows {
		j.flows[i].drop(j.loop)
	}
	j.done(Result{Cause: c, Sent: j.flows[clientSide].moved, Received: j.flows[originSide].moved})
}
