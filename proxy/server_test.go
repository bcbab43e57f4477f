package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/proxy"
)

func TestTheDecisionIsRecordedBeforeAnythingElseHappens(t *testing.T) {
	accepted := make(chan int, 2)
	current := make(chan *site, 1)
	s := newSite(t, "", map[string]string{insight: origin(t, func(c net.Conn) {
		accepted <- len((<-current).trail.all(audit.ActionDecision))
		echo(c)
	})})
	current <- s
	_ = s.connect(insight+":443", "").Close()
	if n := <-accepted; n != 1 {
		t.Errorf("the origin was dialled with %d decisions recorded", n)
	}
}

func TestWithoutATrailNothingPasses(t *testing.T) {
	addr, requests := rawOrigin(t, ok)
	dialled := make(chan struct{}, 8)
	hosts := map[string]string{"plain.example": addr, insight: origin(t, func(c net.Conn) { dialled <- struct{}{}; echo(c) })}
	connect := "CONNECT " + insight + ":443 HTTP/1.1\r\nHost: x\r\n\r\n"
	check := func(t *testing.T, s *site) {
		for _, raw := range []string{connect, get("/")} {
			got := s.send(raw)
			if !strings.HasPrefix(got, "HTTP/1.1 503 ") || !strings.Contains(got, `details="audit_unavailable"`) {
				t.Errorf("answered %q", got)
			}
		}
		select {
		case <-dialled:
			t.Error("the origin was dialled")
		case <-requests:
			t.Error("the origin was asked")
		default:
		}
	}
	t.Run("it fails", func(t *testing.T) {
		s := newSite(t, allowing("http://plain.example"), hosts)
		s.trail.breakWith(errDisk)
		check(t, s)
		s.trail.breakWith(nil) // and by itself all is well again
		_ = s.connect(insight+":443", "").Close()
		<-dialled
	})
	t.Run("there is none", func(t *testing.T) {
		s := newSite(t, allowing("http://plain.example"), hosts, func(c *proxy.Config) { c.Record, c.PassUnrecorded = nil, true })
		check(t, s)
	})
	t.Run("the operator lets it pass", func(t *testing.T) {
		s := newSite(t, allowing("http://plain.example"), hosts, func(c *proxy.Config) { c.PassUnrecorded = true })
		s.trail.breakWith(errDisk)
		_ = s.connect(insight+":443", "").Close()
		<-dialled
		if got := s.send("CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 403 ") {
			t.Errorf("a denied request is answered %q", got)
		}
	})
}

func TestAServerWithoutAPolicyDeniesEverything(t *testing.T) {
	for name, change := range map[string]func(*proxy.Config){
		"no function": func(c *proxy.Config) { c.Policy = nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "", nil, change)
			s.answered(s.send("CONNECT "+insight+":443 HTTP/1.1\r\nHost: x\r\n\r\n"), "403", "client_not_allowed")
		})
	}
}

const denyInsight = "deny:\n  - {url: \"https://" + insight + "\", reason: test}\n"

func TestAChangeOfPolicyEndsWhatItNoLongerAllows(t *testing.T) {
	const other = "central.crsi.symantec.com"
	hosts := map[string]string{insight: origin(t, echo), other: origin(t, echo)}
	t.Run("tunnels", func(t *testing.T) {
		s := newSite(t, "", hosts)
		revoked, kept := s.connect(insight+":443", "x"), s.connect(other+":443", "x")
		for _, c := range []net.Conn{revoked, kept} {
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		s.setPolicy(denyInsight)
		s.server.PolicyChanged()
		if _, err := io.ReadAll(revoked); err == nil {
			t.Error("the revoked tunnel ends as if it were complete")
		}
		o := s.ended(1, "revoked")
		if o.URL.Domain != insight || o.Sepproxy.Verdict != "allow" {
			t.Errorf("outcome of %s, verdict %s", o.URL.Domain, o.Sepproxy.Verdict)
		}
		moved(t, o, 1, 1)
		_, _ = io.WriteString(kept, "y")
		if _, err := io.ReadFull(kept, make([]byte, 1)); err != nil {
			t.Errorf("the tunnel that is still allowed: %v", err)
		}
	})
	t.Run("unless it keeps them", func(t *testing.T) {
		s := newSite(t, "", hosts)
		c := s.connect(insight+":443", "")
		s.setPolicy("on_revoke: keep\n" + denyInsight)
		s.server.PolicyChanged()
		_, _ = io.WriteString(c, "y")
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Errorf("the kept tunnel: %v", err)
		}
	})
	t.Run("downloads", func(t *testing.T) {
		addr := origin(t, func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegin")
			_, _ = io.Copy(io.Discard, c)
		})
		s := plainSite(t, addr)
		resp, err := s.client().Get("http://plain.example/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		s.setPolicy("")
		s.server.PolicyChanged()
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Error("the revoked download looks complete")
		}
		moved(t, s.ended(1, "revoked"), 0, 5)
	})
	t.Run("while the name is being dialled", func(t *testing.T) {
		s := newSite(t, "", map[string]string{insight: blackHole(t)})
		c := s.dial()
		_, _ = io.WriteString(c, "CONNECT "+insight+":443 HTTP/1.1\r\nHost: x\r\n\r\n")
		s.trail.await(t, audit.ActionDecision, 1)
		s.setPolicy(denyInsight)
		s.server.PolicyChanged()
		got, _ := io.ReadAll(c)
		s.answered(string(got), "403", "revoked")
		s.ended(1, "revoked")
	})
}

func TestObservationEndsWithItsTunnels(t *testing.T) {
	const host = "unlisted.symantec.com"
	until := time.Now().Add(1500 * time.Millisecond)
	s := newSite(t, fmt.Sprintf("mode: observe\nobserve: {hosts: [\"*.symantec.com\"], until: %s}\n", until.UTC().Format(time.RFC3339Nano)),
		map[string]string{host: origin(t, echo)})
	c := s.connect(host+":443", "x")
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	d := s.decided("allow", "observed")
	if d.Sepproxy.Would != "not_listed" || d.Sepproxy.Mode != "observe" {
		t.Errorf("decision %+v", d.Sepproxy)
	}
	eventually(t, "the end of the observation", func() bool { return time.Now().After(until) })
	s.server.PolicyChanged()
	s.ended(1, "revoked")
	s.answered(s.send("CONNECT "+host+":443 HTTP/1.1\r\nHost: x\r\n\r\n"), "403", "not_listed")
}

func TestShutdownLetsFinishAndThenCloses(t *testing.T) {
	t.Run("what ends in time", func(t *testing.T) {
		s := newSite(t, "", map[string]string{insight: origin(t, echo)})
		c := s.connect(insight+":443", "x")
		left := make(chan int)
		go func() { left <- s.server.Shutdown(context.Background()) }()
		eventually(t, "closing the listener", func() bool {
			probe, err := net.Dial("tcp", s.addr)
			if err == nil {
				_ = probe.Close()
			}
			return err != nil
		})
		_, _ = io.WriteString(c, "y")
		_ = c.CloseWrite()
		if got, err := io.ReadAll(c); err != nil || string(got) != "xy" {
			t.Errorf("while draining the tunnel gave %q, %v", got, err)
		}
		if n := <-left; n != 0 {
			t.Errorf("%d were closed early", n)
		}
		moved(t, s.ended(1, ""), 2, 2)
	})
	t.Run("what does not", func(t *testing.T) {
		s := newSite(t, "", map[string]string{insight: origin(t, echo)})
		c := s.connect(insight+":443", "x")
		_, _ = io.ReadFull(c, make([]byte, 1))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if n := s.server.Shutdown(ctx); n != 1 {
			t.Errorf("%d were closed early, want 1", n)
		}
		// Its outcome is there when Shutdown is done.
		if got := s.trail.all(audit.ActionOutcome); len(got) != 1 {
			t.Fatalf("%d outcomes", len(got))
		}
		moved(t, s.ended(1, "drain_timeout"), 1, 1)
	})
	t.Run("new requests on open connections", func(t *testing.T) {
		s := newSite(t, "", map[string]string{insight: origin(t, echo)})
		tunnel := s.connect(insight+":443", "")
		waiting := s.dial()
		_, _ = io.WriteString(waiting, "CONN") // its head is not complete yet
		eventually(t, "accepting", func() bool { return s.server.ConnectionsActive() == 2 })
		done := make(chan struct{})
		go func() { defer close(done); s.server.Shutdown(context.Background()) }()
		eventually(t, "closing the listener", func() bool {
			probe, err := net.Dial("tcp", s.addr)
			if err == nil {
				_ = probe.Close()
			}
			return err != nil
		})
		_, _ = io.WriteString(waiting, "ECT "+insight+":443 HTTP/1.1\r\nHost: x\r\n\r\n")
		got, _ := io.ReadAll(waiting)
		s.answered(string(got), "503", "draining")
		if !strings.Contains(string(got), "Retry-After: ") {
			t.Errorf("no Retry-After in %q", got)
		}
		_ = tunnel.Close()
		<-done
	})
}

func TestConnectionsBeyondTheLimitAreToldSo(t *testing.T) {
	for name, limits := range map[string]proxy.Limits{
		"overall":    {HeaderBytes: 32 << 10, Connections: 2},
		"per client": {HeaderBytes: 32 << 10, ConnectionsPerClient: 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "", map[string]string{insight: origin(t, echo)}, func(c *proxy.Config) { c.Limits = limits })
			first := s.connect(insight+":443", "")
			s.connect(insight+":443", "")
			got := s.send("CONNECT " + insight + ":443 HTTP/1.1\r\nHost: x\r\n\r\n")
			s.answered(got, "429", "too_many_connections")
			if !strings.Contains(got, "Retry-After: ") {
				t.Errorf("no Retry-After in %q", got)
			}
			_ = first.Close()
			s.ended(1, "")
			eventually(t, "giving the place back", func() bool { return s.server.ConnectionsActive() < 2 })
			_ = s.connect(insight+":443", "").Close()
		})
	}
}

func TestAClientThatLeavesIsNotDialledForAnyMore(t *testing.T) {
	s := newSite(t, "", map[string]string{insight: blackHole(t)})
	c := s.dial()
	_, _ = io.WriteString(c, "CONNECT "+insight+":443 HTTP/1.1\r\nHost: x\r\n\r\n")
	s.trail.await(t, audit.ActionDecision, 1)
	left := time.Now()
	_ = c.Close()
	s.ended(1, "client_reset")
	if took := time.Since(left); took > patience/2 {
		t.Errorf("dialled on for %v", took)
	}
}

func TestBytesThatComeWhileDiallingTakesLongArrive(t *testing.T) {
	addr, got := sink(t)
	hole := netip.MustParseAddrPort(blackHole(t))
	s := newSite(t, "", nil, func(c *proxy.Config) { // three that are silent, so that it takes a while
		c.Upstream.Hosts[insight] = []netip.AddrPort{hole, hole, hole, netip.MustParseAddrPort(addr)}
		c.Timeouts.Connect = 4 * time.Second
	})
	c := s.dial()
	_, _ = io.WriteString(c, "CONNECT "+insight+":443 HTTP/1.1\r\nHost: x\r\n\r\nearly ")
	s.trail.await(t, audit.ActionDecision, 1)
	_, _ = io.WriteString(c, "and later")
	_ = c.CloseWrite()
	if all := <-got; all != "early and later" {
		t.Errorf("the origin got %q", all)
	}
}

func TestAFloodIsRefusedAndGatheredInTheTrail(t *testing.T) {
	const limit, asked = 5, 40
	s := newSite(t, "", nil, func(c *proxy.Config) { c.Limits.RequestsPerClient = limit })
	limited, ids := 0, map[string]bool{}
	for range asked {
		got := s.send("CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n")
		if strings.HasPrefix(got, "HTTP/1.1 429 ") {
			limited++
			if !strings.Contains(got, `details="rate_limited"`) || !strings.Contains(got, "Retry-After: ") {
				t.Errorf("answered %q", got)
			}
			_, id, _ := strings.Cut(got, "transaction: ")
			ids[strings.Fields(id)[0]] = true
		}
	}
	if limited == 0 {
		t.Fatal("nothing was refused")
	}
	sum := func() (alone, gathered int, records int) {
		for _, d := range s.trail.all(audit.ActionDecision) {
			if d.Sepproxy.Reason != "rate_limited" {
				alone++
				continue
			}
			records++
			gathered += int(d.Sepproxy.Count)
			if !ids[d.Transaction.ID] || d.Source.IP != "127.0.0.1" || d.Sepproxy.Client != "private" {
				t.Errorf("recorded %+v %+v", d.Source, d.Sepproxy)
			}
		}
		return
	}
	eventually(t, "recording the flood", func() bool { _, gathered, _ := sum(); return gathered == limited })
	if alone, _, records := sum(); alone != asked-limited || records != len(ids) {
		t.Errorf("%d recorded alone and %d floods, want %d and %d", alone, records, asked-limited, len(ids))
	}
}

// A flood whose second is not over when the proxy stops is recorded all the same.
func TestAFloodIsRecordedWhenTheProxyStops(t *testing.T) {
	s := newSite(t, "", nil, func(c *proxy.Config) { c.Limits.RequestsPerClient = 1 })
	limited := int64(0)
	for limited == 0 {
		if got := s.send("CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n"); strings.HasPrefix(got, "HTTP/1.1 429 ") {
			limited++
		}
	}
	s.server.Shutdown(context.Background())
	all := s.trail.all(audit.ActionDecision)
	if last := all[len(all)-1]; last.Sepproxy.Reason != "rate_limited" || last.Sepproxy.Count != limited {
		t.Errorf("the trail ends with %+v", last.Sepproxy)
	}
}

func TestHeadsThatDoNotComeInTime(t *testing.T) {
	s := newSite(t, "", nil, func(c *proxy.Config) { c.Timeouts.Header = 50 * time.Millisecond })
	c := s.dial()
	_, _ = io.WriteString(c, "CONNECT "+insight+":443 HTTP/1.1\r\nHo")
	got, _ := io.ReadAll(c)
	s.answered(string(got), "400", "malformed_request")
	silent := s.dial()
	if got, _ := io.ReadAll(silent); len(got) > 0 {
		t.Errorf("a connection on which nothing was asked is answered %q", got)
	}
	if n := len(s.trail.all(audit.ActionDecision)); n != 1 {
		t.Errorf("%d decisions, want the one request's", n)
	}
}

func TestMetricsCountOnceWithTheFinalVerdict(t *testing.T) {
	type label struct{ verdict, reason, service string }
	counted := make(chan label, 8)
	bytes := make(chan int, 64)
	s := newSite(t, "", map[string]string{insight: origin(t, echo), "storage.googleapis.com": origin(t, echo)}, func(c *proxy.Config) {
		c.Metrics.Request = func(v, r, svc string) { counted <- label{v, r, svc} }
		c.Metrics.TunnelBytes = func(sent, received int) { bytes <- sent + received }
	})
	c := s.connect(insight+":443", "x")
	eventually(t, "counting the tunnel", func() bool { return s.server.TunnelsActive() == 1 })
	if sent, received := <-bytes, <-bytes; sent+received != 2 {
		t.Errorf("%d bytes counted while the tunnel is open", sent+received)
	}
	_, _ = io.ReadFull(c, make([]byte, 1))
	_ = c.Close()
	s.ended(1, "")
	_ = s.connect("storage.googleapis.com:443", "").Close()
	s.ended(2, "")
	s.send("CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n")
	for _, want := range []label{{"allow", "catalog", "agent.insight"}, {"allow", "catalog", "shared"}, {"deny", "not_listed", "none"}} {
		if got := <-counted; got != want {
			t.Errorf("counted %v, want %v", got, want)
		}
	}
	eventually(t, "closing the tunnels", func() bool { return s.server.TunnelsActive() == 0 && s.server.ConnectionsActive() == 0 })
}

func TestClientsAreTheirAddresses(t *testing.T) {
	s := newSite(t, "clients: [{name: lab, cidrs: [127.0.0.0/8], groups: [agent]}, {name: consoles, cidrs: [10.0.0.0/8]}]\n", map[string]string{insight: origin(t, echo)})
	c, err := (&net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.9.9:0"))}).Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "CONNECT sep.securitycloud.symantec.com:443 HTTP/1.1\r\nHost: x\r\n\r\n")
	_, _ = io.ReadAll(c)
	d := s.decided("deny", "group_not_allowed")
	if d.Source.IP != "127.0.9.9" || d.Source.Port == 0 || d.Sepproxy.Client != "lab" {
		t.Errorf("recorded as %+v, client %s", d.Source, d.Sepproxy.Client)
	}
}

// While tunnels come and go, outcomes go to the trail with decisions and cost no write of their own.
func TestOutcomesShareTheWritesOfDecisions(t *testing.T) {
	const tunnels = 50
	var shared atomic.Int32
	s := newSite(t, "", map[string]string{insight: origin(t, echo)}, func(c *proxy.Config) {
		record := c.Record
		c.Record = func(r ...*audit.Record) error {
			if r[0].Event.Action == audit.ActionOutcome && r[len(r)-1].Event.Action == audit.ActionDecision {
				shared.Add(1)
			}
			return record(r...)
		}
	})
	for range tunnels {
		_ = s.connect(insight+":443", "").Close()
	}
	s.trail.await(t, audit.ActionOutcome, tunnels)
	if shared.Load() == 0 {
		t.Errorf("no outcome of %d is written together with a decision", tunnels)
	}
}
