package proxy_test

import (
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/proxy"
)

// slowConnections is how many connections a test holds that never send a whole head.
const slowConnections = 2000

func TestThousandsOfSlowConnectionsDoNotDelayAGoodOne(t *testing.T) {
	s := newSite(t, "", map[string]string{insight: origin(t, echo)}, func(c *proxy.Config) { c.Timeouts.Header = time.Minute })
	alone := timeOfATunnel(s)
	for i := range slowConnections {
		c := s.dial()
		if i%2 == 0 {
			_, _ = io.WriteString(c, "GET http://")
		}
	}
	eventually(t, "accepting them", func() bool { return s.server.ConnectionsActive() >= slowConnections })
	if beside := timeOfATunnel(s); beside > 20*alone+100*time.Millisecond {
		t.Errorf("a tunnel takes %v beside %d slow connections, %v alone", beside, slowConnections, alone)
	}
}

// timeOfATunnel is the shortest of a few, set up, used and closed.
func timeOfATunnel(s *site) time.Duration {
	best := patience
	for range 5 {
		began := time.Now()
		c := s.connect(insight+":443", "x")
		_, _ = io.ReadFull(c, make([]byte, 1))
		best = min(best, time.Since(began))
		_ = c.Close()
	}
	return best
}

func TestNothingIsLeftOfConnectionsThatAreOver(t *testing.T) {
	addr, requests := rawOrigin(t, ok)
	s := newSite(t, allowing("http://plain.example"), map[string]string{insight: origin(t, echo), "plain.example": addr})
	round := func() {
		for _, end := range []func(*net.TCPConn){
			func(c *net.TCPConn) { _ = c.Close() },
			func(c *net.TCPConn) { _ = c.SetLinger(0); _ = c.Close() },
			func(c *net.TCPConn) { _ = c.CloseWrite(); _, _ = io.ReadAll(c); _ = c.Close() },
		} {
			c := s.connect(insight+":443", "x")
			_, _ = io.ReadFull(c, make([]byte, 1))
			end(c)
			end(s.dial())
		}
		s.send("CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n")
		s.send("nonsense\r\n\r\n")
		s.send(get("/"))
		<-requests
		eventually(t, "ending", func() bool { return s.server.ConnectionsActive() == 0 && s.server.TunnelsActive() == 0 })
	}
	round() // whatever is made once is made now
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	for range 20 {
		round()
	}
	eventually(t, "giving goroutines back", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
	eventually(t, "giving descriptors back", func() bool { return openFiles(t) <= files+2 })
	const allowed = 21 * 4
	if outcomes := s.trail.await(t, audit.ActionOutcome, allowed); len(outcomes) != allowed {
		t.Errorf("%d outcomes of %d allowed requests", len(outcomes), allowed)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("there is no /proc here to count descriptors in")
	}
	return len(entries)
}
