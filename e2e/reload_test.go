//go:build linux

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sepproxy/sepproxy/audit"
)

// Names of the reload tests: one that every policy allows, one that every policy denies although
// the catalog has it, one that none has, and one that comes and goes.
const (
	always   = "ent-shasta-rrs.symantec.com"
	never    = "storage.googleapis.com"
	unlisted = "nobody.example"
	flips    = "flips.example"
)

// rules makes a policy.yaml. Every mark makes another file, and the same rules.
func rules(flipsAllowed bool, mark int, more string) string {
	allow := "[]"
	if flipsAllowed {
		allow = "\n  - {url: \"https://" + flips + "\", service: local.flips, reason: for now}"
	}
	return fmt.Sprintf("# edition %d\ndeny:\n  - {url: \"https://%s\", reason: never}\nallow: %s\n%s", mark, never, allow, more)
}

// broken are files that hold no policy, and would allow what they must not if they were read
// leniently or in part.
var broken = []string{
	"",
	"deny: []\nallow: [\n",
	"deny: []\nallow:\n  - {url: \"https://nobody.example\", service: local.x, reasn: misspelt}\n",
	"mode: observe\n",
	"\x00\x01\x02",
	"allow:\n  - {url: \"https://nobody.example\", reason: a, reason: b}\n",
	"---\nmode: enforce\n---\nmode: enforce\n",
}

func everyHost(address string) map[string]string {
	return map[string]string{always: address, never: address, unlisted: address, flips: address}
}

// An editor rewrites policy.yaml in the ways in which people and orchestrators do.
type editor struct {
	*proxy
	versions int // of the directory that ..data points to
}

func (e *editor) write(turn int, content string) {
	e.t.Helper()
	switch turn % 3 {
	case 0:
		e.replacePolicy(content)
	case 1: // in place, through the link if there is one
		e.writeFile("policy.yaml", content)
	default:
		e.swap(content)
	}
}

// swap does what Kubernetes does with a mounted ConfigMap.
func (e *editor) swap(content string) {
	e.t.Helper()
	e.versions++
	dir := fmt.Sprintf("..version-%d", e.versions)
	if err := os.Mkdir(e.path(dir), 0o755); err != nil {
		e.t.Fatal(err)
	}
	e.writeFile(dir+"/policy.yaml", content)
	e.link(dir, "..data")
	e.link("..data/policy.yaml", "policy.yaml")
}

// link makes name a symbolic link to target, in place of what is there.
func (e *editor) link(target, name string) {
	e.t.Helper()
	_ = os.Remove(e.path("new-link")) // left only by a failure
	if err := errors.Join(os.Symlink(target, e.path("new-link")), os.Rename(e.path("new-link"), e.path(name))); err != nil {
		e.t.Fatal(err)
	}
}

const (
	inForce  = "policy in force"
	rejected = "policy rejected, the one in force stays"
)

// rewrites is how often the storm rewrites the policy. Most of it is told to the process with
// SIGHUP, some is left for it to find; broken files are mixed in.
const rewrites = 300

func (e *editor) storm() {
	e.t.Helper()
	for turn := range rewrites {
		before := len(e.said(inForce, rejected))
		content := rules(turn%2 == 0, turn, "")
		if turn%5 == 4 {
			content = broken[turn/5%len(broken)]
		}
		e.write(turn, content)
		switch turn % 12 {
		case 0, 1, 2: // a burst: the next follows at once
		case 3:
			e.loggedAny(before+1, inForce, rejected) // found without help
		default:
			e.signal(syscall.SIGHUP)
			e.loggedAny(before+1, inForce, rejected)
		}
	}
}

// A crowd hammers the proxy until its context ends.
type crowd struct {
	*proxy
	requests atomic.Int64
	allowed  atomic.Int64 // of the name that comes and goes
	denied   atomic.Int64
}

func (c *crowd) hammer(ctx context.Context, step func() error) {
	for ctx.Err() == nil {
		if err := step(); err != nil {
			c.t.Errorf("during the storm: %v", err)
			return
		}
		c.requests.Add(1)
	}
}

func (c *crowd) useAlways() error {
	conn, raw, err := secure(c.proxy, always)
	if err != nil {
		return err
	}
	return errors.Join(echo(conn), part(conn, raw))
}

func (c *crowd) tryDenied(host, reason string) func() error {
	return func() error {
		a, err := c.answerTo(http.MethodConnect, host+":443")
		if err != nil {
			return err
		}
		return a.refused(http.StatusForbidden, reason)
	}
}

// tryFlips takes both answers, and none but these. A tunnel that a reload revokes before its
// answer is written is told so.
func (c *crowd) tryFlips() error {
	a, err := c.answerTo(http.MethodConnect, flips+":443")
	switch {
	case err != nil:
		return err
	case a.status == http.StatusOK:
		c.allowed.Add(1)
		return nil
	}
	c.denied.Add(1)
	if a.refused(http.StatusForbidden, "revoked") == nil {
		return nil
	}
	return a.refused(http.StatusForbidden, "not_listed")
}

// TestReloadStorm rewrites the policy hundreds of times while clients use the proxy: nobody ever
// gets a wrong verdict, and what stays allowed is not disturbed.
func TestReloadStorm(t *testing.T) {
	p := start(t, settings{policy: rules(false, -1, ""), hosts: everyHost(echoOrigin(t))})
	held := openPipe(p, always)
	c := &crowd{proxy: p}
	ctx, cancel := context.WithCancel(t.Context())
	var hammering sync.WaitGroup
	for _, step := range []func() error{c.useAlways, c.useAlways, c.tryDenied(never, "denied_by_rule"),
		c.tryDenied(unlisted, "not_listed"), c.tryFlips} {
		hammering.Go(func() { c.hammer(ctx, step) })
	}
	e := &editor{proxy: p}
	e.storm()
	held.echoes()
	cancel()
	hammering.Wait()
	t.Logf("%d requests, the flipping name allowed %d times and denied %d times", c.requests.Load(), c.allowed.Load(), c.denied.Load())
	if c.requests.Load() < rewrites || c.allowed.Load() == 0 || c.denied.Load() == 0 {
		t.Error("the storm had too few requests to say anything")
	}

	settled := len(p.said(inForce))
	p.replacePolicy(rules(true, rewrites, ""))
	p.logged(inForce, settled+1)
	p.passes(flips)
	held.finish()
	metrics := p.metrics()
	p.stop()
	p.sound()
	compareReloads(t, p.records(), metrics)
	oneVerdictEach(t, p.records())
}

// compareReloads holds metrics against the trail, and both against what the storm was.
func compareReloads(t *testing.T, all []*audit.Record, metrics map[string]float64) {
	t.Helper()
	applied := len(told(all, audit.LifecyclePolicyLoaded)) - 1 // the first one was not a reload
	refused := len(told(all, audit.LifecyclePolicyRejected))
	if applied < rewrites/2 || refused < rewrites/10 {
		t.Errorf("%d policies were applied and %d rejected, too few for %d rewrites", applied, refused, rewrites)
	}
	for name, want := range map[string]int{"applied": applied, "rejected": refused} {
		if got := metrics[`sepproxy_policy_reloads_total{result="`+name+`"}`]; got != float64(want) {
			t.Errorf("the metric has %v reloads %s, the trail %d", got, name, want)
		}
	}
}

// oneVerdictEach asserts that in the whole trail each revision has one verdict for each name, and
// that there were two revisions in all: a broken file was never in force.
func oneVerdictEach(t *testing.T, all []*audit.Record) {
	t.Helper()
	verdicts := map[string]string{} // by revision and name
	revisions := map[string]bool{}
	for _, d := range ofAction(all, audit.ActionDecision) {
		revisions[d.Sepproxy.Policy] = true
		key := d.Sepproxy.Policy + " " + d.URL.Domain
		if was := verdicts[key]; was != "" && was != d.Sepproxy.Verdict {
			t.Errorf("policy and name %s: %s and also %s", key, was, d.Sepproxy.Verdict)
		}
		verdicts[key] = d.Sepproxy.Verdict
	}
	if len(revisions) != 2 {
		t.Errorf("decisions were made by %d revisions, want 2", len(revisions))
	}
	for key, verdict := range verdicts {
		if strings.HasSuffix(key, always) != (verdict == "allow") && !strings.HasSuffix(key, flips) {
			t.Errorf("policy and name %s: %s", key, verdict)
		}
	}
}

// TestRevokedTunnels sees what becomes of an open tunnel whose name is no longer allowed.
func TestRevokedTunnels(t *testing.T) {
	t.Run("close", func(t *testing.T) {
		p := start(t, settings{policy: rules(true, 0, "on_revoke: close\n"), hosts: everyHost(echoOrigin(t))})
		revoked, kept := openPipe(p, flips), openPipe(p, always)
		p.replacePolicy(rules(false, 1, "on_revoke: close\n"))
		revoked.torn()
		if o := p.awaitOutcome(flips); o.Event.Outcome != "failure" || o.Sepproxy.Reason != "revoked" || o.Sepproxy.Verdict != "allow" {
			t.Errorf("outcome %s, %s %s", o.Event.Outcome, o.Sepproxy.Verdict, o.Sepproxy.Reason)
		}
		p.refuses(flips, 403, "not_listed")
		kept.echoes()
		kept.finish()
		p.stop()
		p.sound()
	})
	t.Run("keep", func(t *testing.T) {
		p := start(t, settings{policy: rules(true, 0, "on_revoke: keep\n"), hosts: everyHost(echoOrigin(t))})
		kept := openPipe(p, flips)
		p.replacePolicy(rules(false, 1, "on_revoke: keep\n"))
		p.logged(inForce, 2)
		p.refuses(flips, 403, "not_listed")
		kept.echoes()
		kept.finish()
		p.stop()
		p.sound()
		if o := p.awaitOutcome(flips); o.Event.Outcome != "success" {
			t.Errorf("outcome %s %s, want success", o.Event.Outcome, o.Sepproxy.Reason)
		}
	})
}

// TestObservationEnds lets unlisted names pass until the policy says that it is enough.
func TestObservationEnds(t *testing.T) {
	until := time.Now().Add(3 * time.Second)
	p := start(t, settings{hosts: everyHost(echoOrigin(t)), policy: rules(false, 0, fmt.Sprintf(
		"mode: observe\nobserve: {until: %s}\n", until.UTC().Format(time.RFC3339Nano)))})
	observed, listed := openPipe(p, unlisted), openPipe(p, always)
	p.refuses(never, 403, "denied_by_rule")
	observed.torn()
	if left := time.Until(until); left > 0 {
		t.Errorf("the tunnel was closed %v before observation ended", left)
	}
	p.refuses(unlisted, 403, "not_listed")
	listed.echoes()
	listed.finish()
	p.awaitTold(audit.LifecycleModeExpired, 1)
	p.stop()
	p.sound()

	all := p.records()
	d := ofAction(all, audit.ActionDecision)[0]
	if d.Sepproxy.Verdict != "allow" || d.Sepproxy.Reason != "observed" || d.Sepproxy.Would != "not_listed" || d.Sepproxy.Mode != "observe" {
		t.Errorf("the unlisted name was decided %s %s, would %q, mode %s", d.Sepproxy.Verdict, d.Sepproxy.Reason, d.Sepproxy.Would, d.Sepproxy.Mode)
	}
	if o := p.awaitOutcome(unlisted); o.Sepproxy.Reason != "revoked" {
		t.Errorf("its outcome is %s %s, want revoked", o.Event.Outcome, o.Sepproxy.Reason)
	}
	if n := len(told(all, audit.LifecycleModeExpired)); n != 1 {
		t.Errorf("mode_expired was recorded %d times", n)
	}
}
