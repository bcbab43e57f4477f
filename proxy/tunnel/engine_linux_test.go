package tunnel

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// descriptors is how many this process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all) - 1 // without the one that read the directory
}

func TestAnIdleTunnelIsTwoDescriptorsAndNoGoroutine(t *testing.T) {
	const many = 1000
	e := NewEngine(time.Minute)
	start := over(t, func(client, origin *net.TCPConn, o Options) Tunnel { return e.Start(client, origin, o) })
	descriptorsBefore, goroutines := descriptors(t), runtime.NumGoroutine()
	var clients, origins []*net.TCPConn
	var tunnels []Tunnel
	var ends []chan Result
	for range many {
		client, origin, tun, ended := start(Options{Idle: time.Hour})
		pingPong(t, client, origin)
		clients, origins, tunnels, ends = append(clients, client), append(origins, origin), append(tunnels, tun), append(ends, ended)
	}
	if n := runtime.NumGoroutine() - goroutines; n > 0 {
		t.Errorf("%d tunnels have %d goroutines", many, n)
	}
	if n := descriptors(t) - descriptorsBefore; n != 4*many { // the far ends are here, too
		t.Errorf("%d tunnels and their far ends have %d descriptors", many, n)
	}
	for _, tun := range tunnels {
		go tun.Abort()
		tun.Abort()
	}
	for i, ended := range ends {
		if r := result(t, ended); r != (Result{Aborted, 1, 1}) {
			t.Fatalf("result %+v", r)
		}
		for _, c := range []*net.TCPConn{clients[i], origins[i]} {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Fatalf("an end of an aborted tunnel sees %v", err)
			}
			_ = c.Close()
		}
		select {
		case r := <-ended:
			t.Fatalf("Done was called again, with %+v", r)
		default:
		}
	}
	if n := descriptors(t) - descriptorsBefore; n != 0 {
		t.Errorf("%d descriptors are left", n)
	}
	for _, l := range e.loops {
		if len(l.slots) > many || l.open != 0 {
			t.Errorf("%d slots, %d of them in use", len(l.slots), l.open)
		}
	}
	e.Close()
}

// A hand is a loop that a test turns by hand.
type hand struct {
	*loop
	t *testing.T
}

func byHand(t *testing.T) hand {
	t.Helper()
	l, err := newLoop()
	if err != nil {
		t.Fatal(err)
	}
	close(l.stopped) // there is no run to wait for
	t.Cleanup(l.close)
	return hand{l, t}
}

func (h hand) start(o Options) (client, origin *net.TCPConn, j *joint, ended chan Result) {
	client, origin, tun, ended := over(h.t, func(client, origin *net.TCPConn, o Options) Tunnel {
		return join(h.conn(client), h.conn(origin), o)
	})(o)
	return client, origin, tun.(*joint), ended
}

// conn makes a connection the loop's.
func (h hand) conn(c *net.TCPConn) *Conn {
	return (&Engine{loops: []*loop{h.loop}}).adopt(c).(*Conn)
}

// await waits until there are at least n events, and gets them.
func (h hand) await(n int) {
	h.t.Helper()
	eventually(h.t, "events", func() bool {
		got, err := unix.EpollWait(h.fd, h.events[:], 0)
		if err != nil && err != unix.EINTR {
			h.t.Fatal(err)
		}
		h.find(max(got, 0))
		return got >= n
	})
}

// handle handles what was found.
func (h hand) handle() {
	for _, r := range h.ready {
		r.handler.handle(r.side, r.events)
	}
}

// quiet turns the loop until nothing happens any more. It has to: an event that nobody wants comes
// again and again.
func (h hand) quiet() {
	h.t.Helper()
	for range 1000 {
		n, err := unix.EpollWait(h.fd, h.events[:], 0)
		if n == 0 {
			return
		}
		if err == nil {
			h.find(n)
			h.handle()
		}
	}
	h.t.Fatalf("the loop spins: %+v", h.events[:2])
}

func TestAnEventNeverMeetsTheNextTunnelInItsPlace(t *testing.T) {
	h := byHand(t)
	client, origin, first, ended := h.start(Options{})
	_, _ = client.Write([]byte("x"))
	_, _ = origin.Write([]byte("y"))
	h.await(2)
	first.Abort()
	result(t, ended)
	_, _, second, _ := h.start(Options{})
	if second.place.slot != first.place.slot || second.sides[0].fd != first.sides[0].fd {
		t.Fatal("the place was not used again: the test shows nothing")
	}
	if h.find(2); len(h.ready) != 0 {
		t.Errorf("%d events of a tunnel that is gone met the next", len(h.ready))
	}
	h.quiet()
	second.mu.Lock()
	defer second.mu.Unlock()
	if second.over || second.flows[clientSide].moved+second.flows[originSide].moved > 0 {
		t.Errorf("the next tunnel: %+v", second.flows)
	}
}

func TestATunnelThatEndsInTheMiddleOfABatch(t *testing.T) {
	h := byHand(t)
	client, origin, j, ended := h.start(Options{})
	_, _ = client.Write([]byte("x"))
	_, _ = origin.Write([]byte("y"))
	h.await(2)
	j.Abort()
	h.handle()
	if r := result(t, ended); r != (Result{Aborted, 0, 0}) {
		t.Errorf("result %+v", r)
	}
}

func TestNothingSpins(t *testing.T) {
	stuck := func(h hand) (client, origin *net.TCPConn, j *joint, ended chan Result) {
		client, origin, j, ended = h.start(Options{})
		_, _ = origin.SetReadBuffer(64<<10), client.SetWriteBuffer(64<<10)
		piece := make([]byte, 64<<10)
		for j.flows[clientSide].held == nil {
			_ = client.SetWriteDeadline(time.Now().Add(time.Millisecond))
			_, _ = client.Write(piece)
			h.quiet()
		}
		return client, origin, j, ended
	}
	t.Run("one end has ended", func(t *testing.T) {
		h := byHand(t)
		client, origin, _, _ := h.start(Options{})
		_ = client.CloseWrite()
		h.await(1)
		h.handle()
		h.quiet()
		if _, err := origin.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the other end sees %v", err)
		}
	})
	t.Run("one end has ended and is gone", func(t *testing.T) {
		h := byHand(t)
		client, origin, _, ended := h.start(Options{})
		_ = client.CloseWrite()
		h.await(1)
		h.quiet()
		_ = client.Close()
		_, _ = origin.Write([]byte("an answer that nobody waits for, and that is reset"))
		_ = origin.Close()
		eventually(t, "the end", func() bool { h.quiet(); return len(ended) > 0 })
		if r := result(t, ended); r.Cause != Ended {
			t.Errorf("result %+v", r)
		}
	})
	t.Run("nobody reads what comes", func(t *testing.T) {
		h := byHand(t)
		_, _, j, _ := stuck(h)
		h.quiet()
		if j.flows[clientSide].isReading() {
			t.Error("it is not stuck: the test shows nothing")
		}
	})
	t.Run("nobody reads what comes, and the sender is gone", func(t *testing.T) {
		h := byHand(t)
		client, origin, j, ended := stuck(h)
		_ = client.SetLinger(0)
		_ = client.Close()
		h.await(1)
		h.quiet()
		if j.over || !j.sides[clientSide].muted {
			t.Fatalf("over: %v, sides %+v: the rest was not kept", j.over, j.sides)
		}
		go func() { _, _ = io.Copy(io.Discard, origin) }()
		eventually(t, "the end", func() bool { h.quiet(); return len(ended) > 0 })
		if r := result(t, ended); r.Cause != ClientReset {
			t.Errorf("result %+v", r)
		}
	})
	t.Run("nobody reads what comes, and the receiver is gone", func(t *testing.T) {
		h := byHand(t)
		_, origin, _, ended := stuck(h)
		_ = origin.SetLinger(0)
		_ = origin.Close()
		h.await(1)
		h.quiet()
		if r := result(t, ended); r.Cause != UpstreamReset {
			t.Errorf("result %+v", r)
		}
	})
}

func TestPipesAreOnlyBorrowed(t *testing.T) {
	h := byHand(t)
	var clients []*net.TCPConn
	var joints []*joint
	before := descriptors(t)
	const many, size = maxPipes + 4, 2 << 20
	for range many {
		client, origin, j, _ := h.start(Options{})
		_ = client.SetReadBuffer(64 << 10)
		_ = unix.SetsockoptInt(int(j.sides[clientSide].fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 64<<10)
		go func() { _, _ = origin.Write(make([]byte, size)) }()
		clients, joints = append(clients, client), append(joints, j)
	}
	isStuck := func(j *joint) bool {
		n, err := unix.EpollWait(h.fd, h.events[:], 0)
		return j.flows[originSide].held != nil && n == 0 && err == nil
	}
	for _, j := range joints {
		eventually(t, "back-pressure", func() bool { h.quiet(); return isStuck(j) })
	}
	withPipe := 0
	for _, j := range joints {
		if j.flows[originSide].held.pipe != nil {
			withPipe++
		}
	}
	if withPipe != maxPipes || h.pipes.open != maxPipes {
		t.Errorf("%d of %d pipes are held, %d tunnels", withPipe, h.pipes.open, many)
	}
	for i, c := range clients {
		if i == 0 {
			joints[0].Abort() // with what is in its pipe
			continue
		}
		done := make(chan error, 1)
		go func() { _, err := io.ReadFull(c, make([]byte, size)); done <- err }()
		eventually(t, "the rest", func() bool { h.quiet(); return len(done) > 0 })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if h.pipes.open > sparePipes {
		t.Errorf("%d pipes are open and nobody uses them", h.pipes.open)
	}
	h.sweep()
	h.sweep()
	if n := descriptors(t) - before; n != 4*many-2 {
		t.Errorf("%d descriptors, want those of the connections", n)
	}
}

func TestAFlowIsSplicedWhileThatPays(t *testing.T) {
	h := byHand(t)
	client, origin, j, _ := h.start(Options{})
	f := &j.flows[clientSide]
	move := func(n int) {
		t.Helper()
		sent := bytes.Repeat([]byte{byte(n), byte(n >> 8), 3}, n)[:n]
		_, _ = client.Write(sent)
		got, rest := make([]byte, n), 0
		for rest < n {
			h.await(1)
			h.handle()
			_ = origin.SetReadDeadline(time.Now().Add(time.Millisecond))
			read, _ := io.ReadAtLeast(origin, got[rest:], n-rest)
			rest += read
		}
		if !bytes.Equal(got, sent) {
			t.Fatalf("%d bytes did not arrive as they were sent", n)
		}
	}
	for !f.spliced {
		move(512 << 10)
	}
	for i := 0; f.spliced; i++ {
		if move(100); i > 2*demoteAfter {
			t.Fatal("100 bytes at a time go through a pipe")
		}
	}
	for !f.spliced {
		move(512 << 10)
	}
}

// The buffer is the loop's, and the next tunnel's bytes are in it a moment later.
func TestWhatIsHeldStaysWhatItWas(t *testing.T) {
	h := byHand(t)
	client, origin, j, _ := h.start(Options{})
	_ = origin.SetReadBuffer(16 << 10)
	_ = unix.SetsockoptInt(int(j.sides[originSide].fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 16<<10)
	sent := bytes.Repeat([]byte("mine "), 1<<20/5)
	go func() { _, _ = client.Write(sent); _ = client.CloseWrite() }()
	f := &j.flows[clientSide]
	eventually(t, "back-pressure", func() bool { h.quiet(); return f.held != nil && len(f.held.rest) > 0 })
	other, far, _, _ := h.start(Options{})
	if _, err := other.Write(bytes.Repeat([]byte("yours"), pieceSize/5)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other tunnel", func() bool { h.quiet(); n, _ := far.Read(make([]byte, pieceSize)); return n > 0 })
	got := make(chan []byte, 1)
	go func() { all, _ := io.ReadAll(origin); got <- all }()
	eventually(t, "the rest", func() bool { h.quiet(); return len(got) > 0 })
	if all := <-got; !bytes.Equal(all, sent) {
		t.Errorf("%d bytes arrived of %d, or others", len(all), len(sent))
	}
}

func TestAPipeIsNotLentWithWhatSomebodyLeftInIt(t *testing.T) {
	h := byHand(t)
	client, origin, j, ended := h.start(Options{})
	f := &j.flows[originSide]
	piece := make([]byte, 512<<10)
	for !f.spliced {
		wrote := make(chan error, 1)
		go func() { _, err := origin.Write(piece); wrote <- err }()
		_ = client.SetReadDeadline(time.Now().Add(patience))
		go func() { _, _ = io.CopyN(io.Discard, client, int64(len(piece))) }()
		eventually(t, "bulk", func() bool { h.quiet(); return len(wrote) > 0 })
	}
	before := h.pipes.open
	_ = unix.Shutdown(int(j.sides[clientSide].fd), unix.SHUT_WR) // the next write there fails
	if _, err := origin.Write(piece[:pieceSize]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end", func() bool { h.quiet(); return len(ended) > 0 })
	if r := <-ended; r.Cause != ClientReset {
		t.Errorf("result %+v", r)
	}
	if before == 0 || h.pipes.open != before-1 {
		t.Errorf("%d pipes before, %d after one was left with bytes in it", before, h.pipes.open)
	}
	for _, p := range h.pipes.spare {
		if n, err := unix.IoctlGetInt(p.r, unix.TIOCINQ); n != 0 || err != nil {
			t.Errorf("%d bytes in a spare pipe, %v", n, err)
		}
	}
}

func TestWithoutDescriptorsATunnelIsATwin(t *testing.T) {
	for _, free := range []int{0, 1} { // none, then one of the two that are needed
		t.Run(strconv.Itoa(free), func(t *testing.T) { twinWith(t, free) })
	}
}

func twinWith(t *testing.T, free int) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	e := NewEngine(time.Minute)
	defer e.Close()
	client, origin, tun, ended := over(t, func(client, origin *net.TCPConn, o Options) Tunnel {
		next, err := unix.Dup(0) // the lowest that is free
		if err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(next)
		defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) }()
		few := limit
		few.Cur = uint64(next + free)
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
			t.Fatal(err)
		}
		return e.Start(client, origin, o)
	})(Options{})
	if _, ok := tun.(*twin); !ok {
		t.Errorf("it is a %T", tun)
	}
	pingPong(t, client, origin)
	_ = client.Close()
	_ = origin.Close()
	if r := result(t, ended); r != (Result{Ended, 1, 1}) {
		t.Errorf("result %+v", r)
	}
}

func TestAnEngineThatIsClosedAbortsWhatIsLeft(t *testing.T) {
	e := NewEngine(time.Minute)
	client, origin, _, ended := over(t, func(client, origin *net.TCPConn, o Options) Tunnel { return e.Start(client, origin, o) })(Options{})
	pingPong(t, client, origin)
	e.Close()
	if r := result(t, ended); r != (Result{Aborted, 1, 1}) {
		t.Errorf("result %+v", r)
	}
	_, _, _, ended = over(t, func(client, origin *net.TCPConn, o Options) Tunnel { return e.Start(client, origin, o) })(Options{})
	if r := result(t, ended); r != (Result{Aborted, 0, 0}) {
		t.Errorf("a tunnel after that: %+v", r)
	}
}
