package tunnel

import (
	"slices"

	"golang.org/x/sys/unix"
)

// A flow is one direction of a tunnel. It reads, and holds nothing; or it is stuck, because the
// receiving side did not take all, and holds that: one piece or one pipe at most. Then nothing is
// read until it is gone, and the sender has to wait. Or it has ended.
type flow struct {
	moved   int64 // bytes handed to the receiving side
	held    *held // nil unless it is stuck
	ended   bool  // the sender's end was passed on
	sunk    bool  // the receiver wants nothing more: what comes is dropped
	spliced bool  // promoted: bytes go through a pipe and not through this process
	streak  uint8 // reads in a row that speak for the other way of carrying
}

// held is what a flow that is stuck still has to pass on: rest, or what is in pipe.
type held struct {
	rest []byte
	pipe *pipe
}

const (
	// roundsPerEvent bounds what one event moves: everybody else waits that long.
	roundsPerEvent = 2
	// promoteAfter full reads a flow is worth a pipe.
	promoteAfter = 2
	// demoteAfter small splices it is not.
	demoteAfter = 4
	// smallSplice is what copying moves as cheaply, in bytes.
	smallSplice = 16 << 10
)

func (f *flow) isReading() bool { return f.held == nil && !f.ended }

// drop gives up what is held.
func (f *flow) drop(l *loop) {
	if f.held != nil && f.held.pipe != nil {
		l.pipes.take(f.held.pipe)
	}
	f.held = nil
}

// pump moves some of what side from sends to the other side. Only the loop calls it: the buffer is its.
func (j *joint) pump(from side) {
	for more, round := true, 0; more && round < roundsPerEvent && j.flush(from); round++ {
		if j.flows[from].spliced {
			more = j.splice(from)
		} else {
			more = j.copy(from)
		}
	}
}

// flush passes on what is held. False means that it is held still, or that the tunnel is over.
func (j *joint) flush(from side) bool {
	f := &j.flows[from]
	if j.over || f.held == nil {
		return !j.over
	}
	h := f.held
	f.held = nil
	switch {
	case h.pipe == nil:
		h.rest = j.write(from, h.rest)
	case j.drain(from, h.pipe):
		j.loop.pipes.take(h.pipe)
		h.pipe = nil
	}
	if h.pipe != nil || len(h.rest) > 0 {
		f.held = h
		return false
	}
	return !j.over
}

// copy moves one piece through the loop's buffer. True means that there may be more.
func (j *joint) copy(from side) bool {
	f, buf := &j.flows[from], j.loop.buf
	n, err := again(func() (int, error) { return unix.Read(int(j.sides[from].fd), buf) })
	if n <= 0 || err != nil {
		j.noneRead(from, err)
		return false
	}
	j.send(from, buf[:n])
	if n < len(buf) {
		f.streak = 0
		return false
	}
	if f.streak++; f.streak >= promoteAfter && !f.sunk {
		f.spliced, f.streak = true, 0
	}
	return true
}

// noneRead is told how a read ended that brought nothing: not yet, the end, or a failure.
func (j *joint) noneRead(from side, err error) {
	switch err {
	case unix.EAGAIN:
	case nil:
		j.flows[from].ended = true
		if !j.flows[from.other()].ended { // or closing says it
			_ = unix.Shutdown(int(j.sides[from.other()].fd), unix.SHUT_WR) // fails only where the peer is gone
		}
	default:
		j.stop(from.failed())
	}
}

// send passes on a piece, and keeps a copy of what is not taken.
func (j *joint) send(from side, piece []byte) {
	if rest := j.write(from, piece); len(rest) > 0 {
		j.flows[from].held = &held{rest: slices.Clone(rest)}
	}
}

// write gives what the other side did not take.
func (j *joint) write(from side, p []byte) (rest []byte) {
	if j.flows[from].sunk {
		return nil
	}
	n, err := again(func() (int, error) { return unix.Write(int(j.sides[from.other()].fd), p) })
	switch {
	case err == unix.EAGAIN:
		return p
	case err != nil:
		j.refused(from)
		return nil
	}
	j.count(from, n)
	return p[n:]
}

// refused is told that the receiver of what from sends takes no more. That is a failure, unless it is a
// server that has said its last byte: whatever a client adds then, a TLS alert most often, is answered
// with a reset and missed by nobody.
func (j *joint) refused(from side) {
	if to := from.other(); to != originSide || !j.flows[originSide].ended {
		j.stop(to.failed())
		return
	}
	j.flows[from].sunk = true
	j.flows[from].demote()
}

// count takes note of bytes that were handed to the other side.
func (j *joint) count(from side, n int) {
	j.flows[from].moved += int64(n)
	j.last.Store(j.loop.now())
	switch {
	case j.moved == nil:
	case from == clientSide:
		j.moved(n, 0)
	default:
		j.moved(0, n)
	}
}

// again makes a call until no signal interrupts it.
func again[N int | int64](call func() (N, error)) (n N, err error) {
	for {
		if n, err = call(); err != unix.EINTR {
			return n, err
		}
	}
}
