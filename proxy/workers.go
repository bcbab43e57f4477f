package proxy

import "sync/atomic"

// workers are goroutines that serve one connection after the other: a stack that has grown to what
// serving takes is worth keeping for the next.
type workers struct {
	serve func(*clientConn)
	next  chan *clientConn
	idle  atomic.Int32
	stop  chan struct{}
}

// maxIdleWorkers is how many wait at most.
const maxIdleWorkers = 64

func newWorkers(serve func(*clientConn)) *workers {
	return &workers{serve: serve, next: make(chan *clientConn), stop: make(chan struct{})}
}

// take has c served, by somebody who waits or by somebody new.
func (w *workers) take(c *clientConn) {
	select {
	case w.next <- c:
	default:
		go w.run(c)
	}
}

func (w *workers) run(c *clientConn) {
	for c != nil {
		w.serve(c)
		c = w.wait()
	}
}

// wait gives the next connection; nil: there are enough who wait, or nobody is needed any more.
func (w *workers) wait() *clientConn {
	defer w.idle.Add(-1)
	if w.idle.Add(1) > maxIdleWorkers {
		return nil
	}
	select {
	case c := <-w.next:
		return c
	case <-w.stop:
		return nil
	}
}
