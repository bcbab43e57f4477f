package tunnel

import (
	"errors"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// An outer is the poller that a loop waits in, as the runtime's: it is told of what is new, and once.
type outer struct {
	hand
	fd int
}

func within(h hand) outer {
	h.t.Helper()
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, h.loop.fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET}); err != nil {
		h.t.Fatal(err)
	}
	return outer{h, fd}
}

// until lets the loop have a turn whenever something is new, until cond holds.
func (o outer) until(what string, cond func() bool) {
	o.t.Helper()
	eventually(o.t, what, func() bool {
		n, err := unix.EpollWait(o.fd, make([]unix.EpollEvent, 1), 0)
		if n > 0 || err == unix.EINTR {
			o.turn(uintptr(o.hand.fd))
		}
		return cond()
	})
}

// Both directions are stuck, and come free in the same turn: what is asked of the kernel in the middle of
// a turn is nothing new to the poller.
func TestWhatComesFreeInTheMiddleOfATurnGoesOn(t *testing.T) {
	h := byHand(t)
	client, origin, j, _ := h.start(Options{})
	for i, c := range []*net.TCPConn{client, origin} {
		_ = c.SetReadBuffer(16 << 10)
		_ = unix.SetsockoptInt(int(j.sides[i].fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 16<<10)
	}
	for s, c := range []*net.TCPConn{client, origin} {
		for j.flows[s].held == nil {
			_, _ = c.Write(make([]byte, 8<<10))
			h.quiet()
		}
	}
	_, _ = client.Write([]byte("the last words"))
	_ = client.CloseWrite()
	ended := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, origin); ended <- err }()
	go func() { _, _ = io.Copy(io.Discard, client) }()
	h.await(2)
	within(h).until("the end", func() bool { return len(ended) > 0 })
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Urgent data is out of band: it goes no further, as with package net. What comes behind it does.
func TestUrgentDataStopsNothing(t *testing.T) {
	for name, bulk := range map[string]int{"copied": 0, "spliced": 512 << 10} {
		for order, endsAtOnce := range map[string]bool{"the end comes later": false, "the end comes with it": true} {
			t.Run(name+", "+order, func(t *testing.T) { pastUrgentData(t, bulk, endsAtOnce) })
		}
	}
}

func pastUrgentData(t *testing.T, bulk int, endsAtOnce bool) {
	t.Helper()
	h := byHand(t)
	client, origin, j, _ := h.start(Options{})
	f := &j.flows[clientSide]
	got := make(chan []byte, 1)
	go func() { all, _ := io.ReadAll(origin); got <- all }()
	for bulk > 0 && !f.spliced {
		wrote := f.moved + int64(bulk)
		_, _ = client.Write(make([]byte, bulk))
		eventually(t, "bulk", func() bool { h.quiet(); return f.moved == wrote })
	}
	o, before := within(h), f.moved
	sendUrgently(t, client, "before", "!", "after")
	if !endsAtOnce {
		o.until("what comes behind", func() bool { return f.moved == before+int64(len("beforeafter")) })
	}
	_ = client.CloseWrite()
	o.until("the end", func() bool { return len(got) > 0 })
	if all := (<-got)[before:]; string(all) != "beforeafter" {
		t.Errorf("the origin got %.50q", all)
	}
}

// sendUrgently sends three pieces, the second of which is urgent.
func sendUrgently(t *testing.T, c *net.TCPConn, before, urgent, after string) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Write(func(fd uintptr) bool {
		err = errors.Join(unix.Sendto(int(fd), []byte(before), 0, nil), unix.Sendto(int(fd), []byte(urgent), unix.MSG_OOB, nil),
			unix.Sendto(int(fd), []byte(after), 0, nil))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
}
