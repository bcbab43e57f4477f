//go:build linux

package e2e_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sepproxy/sepproxy/audit"
)

// plainHost is where these tests fetch by plain HTTP what the catalog allows to everybody.
const plainHost = "liveupdate.symantec.com"

// TestDrain stops a proxy that has a tunnel open, which does not end by itself.
func TestDrain(t *testing.T) {
	p := start(t, settings{hosts: everyHost(echoOrigin(t)), drain: "1s"})
	held := openPipe(p, always)
	fresh, err := visitor(p).dial() // a connection on which nothing was asked yet
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	eventually(t, "two connections", func() bool { return p.metrics()["sepproxy_connections_active"] == 2 })
	p.signal(syscall.SIGTERM)
	p.logged("stopping", 1)
	held.echoes()
	a, err := askOn(fresh, bufio.NewReader(fresh), http.MethodConnect, always+":443")
	if err == nil {
		err = a.refused(http.StatusServiceUnavailable, "draining")
	}
	if err != nil || a.header.Get("Retry-After") == "" {
		t.Errorf("a CONNECT during the drain: %v; want 503 with Retry-After", err)
	}
	held.torn()
	if code := p.ended(); code != 0 {
		t.Errorf("the proxy ended with code %d, want 0", code)
	}
	if o := p.awaitOutcome(always); o.Sepproxy.Reason != "drain_timeout" || o.Event.Outcome != "failure" {
		t.Errorf("outcome %s %s, want drain_timeout", o.Event.Outcome, o.Sepproxy.Reason)
	}
	all := p.records()
	if last := all[len(all)-1]; last.Sepproxy.Lifecycle != audit.LifecycleStop {
		t.Errorf("the trail ends with %s %s, want stop", last.Event.Action, last.Sepproxy.Lifecycle)
	}
	p.sound()
}

// TestDrainOfKeptConnection: a connection that served a request and waits for the next either gets
// a refusal during the drain, or was closed, which HTTP allows at any time between requests.
func TestDrainOfKeptConnection(t *testing.T) {
	hosts := everyHost(echoOrigin(t))
	hosts[plainHost] = webOrigin(t, http.HandlerFunc(serveStatus))
	p := start(t, settings{hosts: hosts})
	held := openPipe(p, always)
	kept, err := visitor(p).dial()
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	in := bufio.NewReader(kept)
	if a, err := askOn(kept, in, http.MethodGet, "http://"+plainHost+"/"); err != nil || a.status != http.StatusOK {
		t.Fatalf("a plain request: %v, %v", a, err)
	}
	p.signal(syscall.SIGTERM)
	p.logged("stopping", 1)
	if a, err := askOn(kept, in, http.MethodConnect, always+":443"); err == nil {
		if err := a.refused(http.StatusServiceUnavailable, "draining"); err != nil {
			t.Error(err)
		}
	}
	held.finish()
	if code := p.ended(); code != 0 {
		t.Errorf("the proxy ended with code %d, want 0", code)
	}
	p.sound()
}

// TestSecondSignal ends a drain that would take long.
func TestSecondSignal(t *testing.T) {
	p := start(t, settings{hosts: everyHost(echoOrigin(t)), drain: "1h"})
	held := openPipe(p, always)
	p.signal(syscall.SIGTERM)
	p.logged("stopping", 1)
	held.echoes()
	p.signal(syscall.SIGTERM)
	held.torn()
	if code := p.ended(); code != 0 {
		t.Errorf("the proxy ended with code %d, want 0", code)
	}
	if o := p.awaitOutcome(always); o.Sepproxy.Reason != "drain_timeout" {
		t.Errorf("outcome %s, want drain_timeout", o.Sepproxy.Reason)
	}
	p.sound()
}

// TestSeveralListeners stops a proxy that listens on two addresses: neither accepts any more.
func TestSeveralListeners(t *testing.T) {
	p := start(t, settings{hosts: everyHost(echoOrigin(t)), listen: `, {address: "127.0.0.2:0"}`})
	p.passes(always)
	p.address = p.logged("listening for clients", 2).Address
	p.passes(always)
	p.stop()
	if c, err := visitor(p).dial(); err == nil {
		_ = c.Close()
		t.Error("the second address still accepts connections")
	}
	p.sound()
}

// TestKilled lets a proxy die in the middle, and another go on with its trail.
func TestKilled(t *testing.T) {
	s := settings{hosts: everyHost(echoOrigin(t))}
	p := start(t, s)
	p.passes(always)
	openPipe(p, always)
	p.refuses(unlisted, 403, "not_listed")
	p.signal(syscall.SIGKILL)
	p.ended()
	before := p.records()

	next := startIn(t, p.dir, s)
	next.passes(always)
	next.stop()
	if out, code := sepproxy(t, "audit", "verify", next.config()); code != 0 {
		t.Errorf("audit verify ends with %d and says %q", code, out)
	}
	all := next.records()
	if len(all) <= len(before) || all[len(before)-1].Chain != before[len(before)-1].Chain {
		t.Fatalf("of %d records before the end there are not all among %d after it", len(before), len(all))
	}
	resumed := told(all, audit.LifecycleAuditResumed)
	if len(resumed) != 1 || resumed[0].Sepproxy.Resumed.EndedBefore != uint64(len(before))+1 {
		t.Errorf("audit_resumed: %s, want one that ends what was before %d", asJSON(resumed), len(before)+1)
	}
}

// TestKilledUnderLoad kills a proxy while many clients ask: whatever was answered is in the trail.
func TestKilledUnderLoad(t *testing.T) {
	s := settings{hosts: everyHost(echoOrigin(t))}
	p := start(t, s)
	var answered sync.Map // transaction ids that clients were told
	var clients sync.WaitGroup
	enough := make(chan struct{}, 1)
	for range 8 {
		clients.Go(func() {
			for {
				a, err := p.answerTo(http.MethodConnect, unlisted+":443")
				if err != nil {
					return // it was killed
				}
				_, id, _ := strings.Cut(string(a.content), "transaction: ")
				if answered.Store(strings.Fields(id)[0], true); p.lastSequence() > 300 {
					select {
					case enough <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	<-enough
	p.signal(syscall.SIGKILL)
	p.ended()
	clients.Wait()
	next := startIn(t, p.dir, s)
	next.stop()
	next.sound()
	recorded := map[string]bool{}
	for _, d := range ofAction(next.records(), audit.ActionDecision) {
		recorded[d.Transaction.ID] = true
	}
	n := 0
	answered.Range(func(id, _ any) bool {
		if n++; !recorded[id.(string)] {
			t.Errorf("transaction %s was answered and is not in the trail", id)
		}
		return true
	})
	if n < 100 {
		t.Errorf("only %d requests were answered", n)
	}
}

// lastSequence is cheap: it looks at the size of the file, some 600 bytes a record.
func (p *proxy) lastSequence() int64 {
	info, err := os.Stat(p.trail)
	if err != nil {
		return 0
	}
	return info.Size() / 600
}

// TestOneTrailOneProcess refuses a second process, and the first one is not disturbed.
func TestOneTrailOneProcess(t *testing.T) {
	s := settings{hosts: everyHost(echoOrigin(t))}
	p := start(t, s)
	second := prepare(t, t.TempDir(), settings{audit: p.trail})
	_, stderr, code := sepproxyBoth(t, "serve", second.config())
	if code != 1 {
		t.Errorf("the second process ended with code %d, want 1", code)
	}
	if holder := fmt.Sprintf("process %d", p.cmd.Process.Pid); !strings.Contains(stderr, holder) || !strings.Contains(stderr, p.trail) {
		t.Errorf("the second process wrote %q, which names not both %s and %s", stderr, holder, p.trail)
	}
	p.passes(always)
	p.stop()
	p.sound()
}

// TestLogrotate moves the trail away while the proxy writes, as logrotate does.
func TestLogrotate(t *testing.T) {
	p := start(t, settings{hosts: everyHost(echoOrigin(t))})
	held := openPipe(p, always)
	p.passes(always)
	if err := os.Rename(p.trail, p.trail+".1"); err != nil {
		t.Fatal(err)
	}
	p.passes(always) // goes where the file went
	p.signal(syscall.SIGHUP)
	eventually(t, "a new file", func() bool {
		info, err := os.Stat(p.trail)
		return err == nil && info.Size() > 0
	})
	p.passes(always)
	held.finish()
	p.stop()
	p.sound()
	old, now := scan(t, p.trail+".1"), scan(t, p.trail)
	if n := len(ofAction(old, audit.ActionDecision)); n != 3 {
		t.Errorf("the old file has %d decisions, want 3", n)
	}
	if n := len(ofAction(now, audit.ActionDecision)); n != 1 {
		t.Errorf("the new file has %d decisions, want 1", n)
	}
	if now[0].Sepproxy.Previous == nil || now[0].Sepproxy.Previous.Chain != old[len(old)-1].Chain {
		t.Errorf("the new file begins with %s, which does not name the end of the old", asJSON(now[0]))
	}
}

// TestAdminAgrees holds health, readiness and metrics against what was done.
func TestAdminAgrees(t *testing.T) {
	hosts := everyHost(echoOrigin(t))
	hosts[plainHost] = webOrigin(t, http.HandlerFunc(serveStatus))
	hosts["tses.broadcom.com"] = "127.0.0.1:1" // nobody listens there
	p := start(t, settings{hosts: hosts})
	if got := p.health(); got != 0 {
		t.Errorf("health ends with %d while the proxy runs, want 0", got)
	}
	p.passes(always)
	held := openPipe(p, always)
	p.refuses(unlisted, 403, "not_listed")
	p.refuses("tses.broadcom.com", 502, "connect_refused")
	if a, err := p.answerTo(http.MethodGet, "http://"+plainHost+"/"); err != nil || a.status != http.StatusOK {
		t.Errorf("a plain request: %v, %v", a, err)
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/other": 404} {
		if status, _ := p.ask(path); status != want {
			t.Errorf("%s answers %d, want %d", path, status, want)
		}
	}
	if n := p.metrics()["sepproxy_tunnels_active"]; n != 1 {
		t.Errorf("%v tunnels are active, want 1", n)
	}
	held.finish()
	p.quiet()
	p.compareMetrics()
	p.stop()
	p.sound()
	if got := p.health(); got != 1 {
		t.Errorf("health ends with %d after the proxy stopped, want 1", got)
	}
}

// TestNotReady runs a proxy without its policy: it denies everything and says that it is not ready.
func TestNotReady(t *testing.T) {
	p := prepare(t, t.TempDir(), settings{hosts: everyHost(echoOrigin(t))})
	if err := os.Remove(p.path("policy.yaml")); err != nil {
		t.Fatal(err)
	}
	p.run()
	p.refuses(always, 403, "client_not_allowed")
	if status, why := p.ask("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(why, "policy") {
		t.Errorf("/readyz answers %d %q, want 503 and a word about the policy", status, why)
	}
	if status, _ := p.ask("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz answers %d, want 200", status)
	}
	if got := p.health(); got != 1 {
		t.Errorf("health ends with %d, want 1", got)
	}
	p.replacePolicy(rules(false, 0, ""))
	p.logged(inForce, 1)
	p.passes(always)
	if got := p.health(); got != 0 {
		t.Errorf("health ends with %d once there is a policy, want 0", got)
	}
	p.stop()
	p.sound()
}

// health asks as a container's health check does and gives the exit code. The configuration that
// it is given names the address that the process got.
func (p *proxy) health() int {
	p.t.Helper()
	p.writeFile("health.yaml", fmt.Sprintf("admin: {address: %q}\n", p.admin))
	_, code := sepproxy(p.t, "health", "--config="+p.path("health.yaml"))
	return code
}

// quiet waits until everything that was allowed has its outcome, in the trail and in the metrics.
func (p *proxy) quiet() {
	p.t.Helper()
	eventually(p.t, "an outcome for every decision", func() bool {
		open := 0
		for _, e := range ofAction(p.records(), audit.ActionDecision) {
			if e.Sepproxy.Verdict == "allow" {
				open++
			}
		}
		return p.metrics()[`sepproxy_audit_records_total{action="outcome"}`] == float64(open)
	})
}

// compareMetrics holds the counters against the trail.
func (p *proxy) compareMetrics() {
	p.t.Helper()
	all := p.records()
	want := (&ledger{entries: entriesOf(all)}).samples()
	got := countedRequests(p.metrics())
	if asJSON(got) != asJSON(want) {
		p.t.Errorf("the metrics are\n%s\nand the trail has\n%s", asJSON(got), asJSON(want))
	}
	lifecycle := `sepproxy_audit_records_total{action="lifecycle"}`
	if n := len(ofAction(all, audit.ActionLifecycle)); p.metrics()[lifecycle] != float64(n) {
		p.t.Errorf("%v lifecycle records are counted, the trail has %d", p.metrics()[lifecycle], n)
	}
}

// TestPlainDownload carries content that is longer than any buffer, whole and unchanged.
func TestPlainDownload(t *testing.T) {
	content := random(9 << 20)
	p := start(t, settings{hosts: map[string]string{plainHost: webOrigin(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(content)
	}))}})
	l, err := visitor(p).line()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fmt.Fprintf(l, "GET http://%s/ HTTP/1.1\r\nHost: %[1]s\r\n\r\n", plainHost)
	resp, err := http.ReadResponse(l.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	sum := sha256.New()
	if n, err := io.Copy(sum, resp.Body); err != nil || n != int64(len(content)) || [32]byte(sum.Sum(nil)) != sha256.Sum256(content) {
		t.Errorf("%d bytes arrived of %d, %v", n, len(content), err)
	}
	p.stop()
	p.sound()
}
