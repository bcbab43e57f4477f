package tunnel

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// eventually waits until cond holds; it is for what no channel tells.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		time.Sleep(time.Millisecond)
	}
}

// pingPong sends a byte each way.
func pingPong(t testing.TB, client, origin net.Conn) {
	t.Helper()
	one := make([]byte, 1)
	for _, way := range [][2]net.Conn{{client, origin}, {origin, client}} {
		if _, err := way[0].Write([]byte{7}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(way[1], one); err != nil || one[0] != 7 {
			t.Fatalf("got %v, %v", one, err)
		}
	}
}

// fill writes to c until nobody takes any more, and gives how much that was.
func fill(t testing.TB, c net.Conn) (n int) {
	t.Helper()
	piece := make([]byte, 256<<10)
	for {
		_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		wrote, err := c.Write(piece)
		if n += wrote; err != nil {
			_ = c.SetWriteDeadline(time.Now().Add(patience))
			return n
		}
	}
}

func TestAReaderThatDoesNotReadCostsNoMemoryAndStopsNobody(t *testing.T) {
	each(t, func(t *testing.T, start starter) {
		const slow = 8 // more than there are loops
		var before, after runtime.MemStats
		var clients, origins []*net.TCPConn
		var ends []chan Result
		for range slow {
			client, origin, _, ended := start(Options{})
			_, _ = origin.SetReadBuffer(64<<10), client.SetWriteBuffer(64<<10)
			clients, origins, ends = append(clients, client), append(origins, origin), append(ends, ended)
		}
		runtime.GC()
		runtime.ReadMemStats(&before)
		total := make([]int, slow)
		var writers sync.WaitGroup
		for i := range slow {
			writers.Go(func() { total[i] = fill(t, clients[i]); _ = clients[i].CloseWrite() })
		}
		writers.Wait()
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > slow*(pieceSize+16<<10) {
			t.Errorf("%d tunnels with nobody reading hold %d bytes", slow, grown)
		}
		for range slow {
			client, origin, _, _ := start(Options{})
			pingPong(t, client, origin)
		}
		for i := range slow {
			_ = origins[i].SetReadDeadline(time.Now().Add(patience))
			if n, err := io.Copy(io.Discard, origins[i]); err != nil || int(n) != total[i] {
				t.Errorf("%d of %d bytes arrive when somebody reads, %v", n, total[i], err)
			}
			_ = origins[i].Close()
			if r := result(t, ends[i]); r != (Result{Ended, int64(total[i]), 0}) {
				t.Errorf("result %+v", r)
			}
		}
	})
}

func TestBulkDoesNotStarveTheRest(t *testing.T) {
	each(t, func(t *testing.T, start starter) {
		const bulk, rounds = 8, 50
		var moved atomic.Int64
		stop := make(chan struct{})
		var flows sync.WaitGroup
		defer flows.Wait()
		defer close(stop)
		for range bulk {
			client, origin, _, _ := start(Options{})
			_ = origin.SetDeadline(time.Time{})
			flows.Go(func() {
				piece := make([]byte, 64<<10)
				for {
					select {
					case <-stop:
						_ = origin.Close()
						return
					default:
						_, _ = origin.Write(piece)
					}
				}
			})
			flows.Go(func() {
				_ = client.SetDeadline(time.Time{})
				_, _ = io.Copy(counter{&moved}, client)
			})
		}
		client, origin, _, _ := start(Options{})
		var slowest time.Duration
		eventually(t, "bulk", func() bool { return moved.Load() > 1<<20 })
		before := moved.Load()
		for range rounds {
			began := time.Now()
			_, _ = client.SetDeadline(began.Add(patience)), origin.SetDeadline(began.Add(patience))
			pingPong(t, client, origin)
			slowest = max(slowest, time.Since(began))
		}
		during := moved.Load() - before
		t.Logf("the slowest of %d round trips beside %d bulk flows took %v; they moved %d MiB", rounds, bulk, slowest, during>>20)
		if slowest > patience/2 || during == 0 {
			t.Error("one starves the other")
		}
	})
}

// A counter counts what is written to it.
type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

func TestManyIdleTunnelsEndWhenTheirTimeIsUp(t *testing.T) {
	each(t, func(t *testing.T, start starter) {
		const many, idle = 150, 400 * time.Millisecond
		var quiet []chan Result
		busyClient, busyOrigin, busy, busyEnded := start(Options{Idle: idle})
		for range many {
			_, _, _, ended := start(Options{Idle: idle})
			quiet = append(quiet, ended)
			pingPong(t, busyClient, busyOrigin)
		}
		for _, ended := range quiet {
			var r Result
			for over := false; !over; {
				select {
				case r = <-ended:
					over = true
				case <-time.After(idle / 10):
					pingPong(t, busyClient, busyOrigin)
				}
			}
			if r != (Result{Idle, 0, 0}) {
				t.Fatalf("result %+v", r)
			}
		}
		pingPong(t, busyClient, busyOrigin)
		busy.Abort()
		if r := result(t, busyEnded); r.Cause != Aborted {
			t.Errorf("the tunnel that was used: %+v", r)
		}
	})
}

// Tunnels that come and go at once, and are aborted at any moment, never get what is another's.
func TestTunnelsThatComeAndGoDoNotMeet(t *testing.T) {
	for name, carry := range carriers(t) {
		t.Run(name, func(t *testing.T) {
			start := over(t, carry)
			var workers sync.WaitGroup
			for w := range 8 {
				workers.Go(func() {
					for i := range 40 {
						comeAndGo(t, start, byte(w*31+i), i%3 == 0)
					}
				})
			}
			workers.Wait()
		})
	}
}

func comeAndGo(t *testing.T, start starter, mark byte, abort bool) {
	client, origin, tun, ended := start(Options{Early: []byte{mark}, Idle: time.Minute})
	defer client.Close()
	defer origin.Close()
	_ = origin.SetDeadline(time.Now().Add(patience))
	if abort {
		go tun.Abort()
	} else {
		_ = client.CloseWrite()
	}
	got, err := io.ReadAll(origin)
	switch {
	case len(got) > 0 && got[0] != mark:
		t.Errorf("byte %d arrives where %d was sent", got[0], mark)
	case !abort && (err != nil || len(got) != 1):
		t.Errorf("got %v, %v", got, err)
	case abort && !errors.Is(err, syscall.ECONNRESET):
		t.Errorf("an aborted tunnel gives %v, %v", got, err)
	}
	_ = origin.Close()
	if r := result(t, ended); abort != (r.Cause == Aborted) || !abort && r.Sent != 1 {
		t.Errorf("result %+v, aborted: %v", r, abort)
	}
}
