package tunnel

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Splicing moves bytes from socket to socket without a visit to this process, but a pipe has to lie
// between them (splice(2)). A flow borrows one for as long as bytes are in it, which is the blink of
// an eye unless the receiver is slow.

const (
	// pipeSize is what a pipe shall hold, in bytes.
	pipeSize = 256 << 10
	// leastPipe is the smallest pipe that is worth it. The kernel gives an unprivileged user with many
	// pipes less than was asked for.
	leastPipe = pieceSize
	// maxPipes bounds the pipes of a loop: each is two descriptors. Without one, bytes are copied.
	maxPipes = 32
	// sparePipes is how many empty ones wait to be borrowed.
	sparePipes = 4
)

// A pipe holds bytes that were read and not yet written.
type pipe struct {
	r, w int // descriptors
	size int // what it can hold, in bytes
	n    int // bytes in it
}

// A rack holds the empty pipes of a loop.
type rack struct {
	mu    sync.Mutex
	spare []*pipe
	open  int // pipes that exist, borrowed or not
	least int // spare pipes that nobody needed since the last trim
}

// borrow gives an empty pipe, or nil if there is none to be had.
func (r *rack) borrow() *pipe {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last := len(r.spare) - 1; last >= 0 {
		p := r.spare[last]
		r.spare = r.spare[:last]
		r.least = min(r.least, last)
		return p
	}
	if r.open >= maxPipes {
		return nil
	}
	p := newPipe()
	if p != nil {
		r.open++
	}
	return p
}

// take takes a pipe back. One that is not empty is closed with what is in it.
func (r *rack) take(p *pipe) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.n == 0 && len(r.spare) < sparePipes {
		r.spare = append(r.spare, p)
		return
	}
	r.shut(p)
}

func (r *rack) shut(p *pipe) {
	_ = unix.Close(p.r)
	_ = unix.Close(p.w)
	r.open--
}

// trim closes the pipes that nobody needed since it was last called, and gives how many are left.
func (r *rack) trim() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range r.least {
		last := len(r.spare) - 1
		r.shut(r.spare[last])
		r.spare = r.spare[:last]
	}
	r.least = len(r.spare)
	return len(r.spare)
}

// close closes every spare pipe.
func (r *rack) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.spare {
		r.shut(p)
	}
	r.spare = nil
}

// newPipe gives nil where the system has none to give, or only one too small.
func newPipe() *pipe {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil
	}
	size, err := unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, pipeSize)
	if err != nil {
		size, err = unix.FcntlInt(uintptr(fds[1]), unix.F_GETPIPE_SZ, 0)
	}
	if err != nil || size < leastPipe {
		_ = unix.Close(fds[0])
		_ = unix.Close(fds[1])
		return nil
	}
	return &pipe{r: fds[0], w: fds[1], size: size}
}

const spliceFlags = unix.SPLICE_F_MOVE | unix.SPLICE_F_NONBLOCK

// splice moves one pipe full. True means that there may be more. The pipe is empty before, so that
// EAGAIN means that the sender has sent nothing, or urgent data, which a splice never passes.
func (j *joint) splice(from side) bool {
	f, l := &j.flows[from], j.loop
	p := l.pipes.borrow()
	if p == nil {
		f.demote()
		return true
	}
	n, err := again(func() (int64, error) {
		return unix.Splice(int(j.sides[from].fd), nil, p.w, nil, p.size, spliceFlags)
	})
	switch {
	case err == unix.EINVAL || n == 0 && err == nil: // not this kind of socket; the end, or urgent data before it
		l.pipes.take(p)
		f.demote()
		return true
	case err != nil:
		l.pipes.take(p)
		f.judge(0)
		j.noneRead(from, err)
		return false
	}
	p.n = int(n)
	f.judge(p.n)
	if !j.drain(from, p) {
		f.held = &held{pipe: p}
		return false
	}
	l.pipes.take(p)
	return p.size == int(n)
}

// judge demotes a flow that moves little at a time.
func (f *flow) judge(n int) {
	if n >= smallSplice {
		f.streak = 0
		return
	}
	if f.streak++; f.streak >= demoteAfter {
		f.demote()
	}
}

func (f *flow) demote() { f.spliced, f.streak = false, 0 }

// drain empties p into the other side. False means that something is left in it that may still go.
func (j *joint) drain(from side, p *pipe) bool {
	to := from.other()
	for p.n > 0 {
		n, err := again(func() (int64, error) {
			return unix.Splice(p.r, nil, int(j.sides[to].fd), nil, p.n, spliceFlags)
		})
		switch {
		case err == unix.EAGAIN:
			return false
		case err != nil || n <= 0:
			j.refused(from)
			return true
		}
		p.n -= int(n)
		j.count(from, int(n))
	}
	return true
}
