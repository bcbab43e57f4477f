//go:build linux

package e2e_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sepproxy/sepproxy/audit"
)

// A disk is a small file system of its own.
type disk struct {
	t      testing.TB
	dir    string
	filler string
}

func newDisk(t testing.TB) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "a full disk needs a file system of its own, and only root may mount one")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		missing(t, "a full disk needs a file system of its own: mounting one: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	})
	return &disk{t, dir, filepath.Join(dir, "filler")}
}

// fill leaves no page free. What a file has of its last page it can still use.
func (d *disk) fill() {
	d.t.Helper()
	f, err := os.OpenFile(d.filler, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for page := make([]byte, 4096); err == nil; {
		_, err = f.Write(page)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		d.t.Fatalf("filling the disk: %v", err)
	}
}

func (d *disk) free() {
	d.t.Helper()
	if err := os.Remove(d.filler); err != nil {
		d.t.Fatal(err)
	}
}

// diskful is more requests than the last page of the trail has room for.
const diskful = 40

// TestFullDiskDenies: what cannot be recorded does not pass, until it can be again.
func TestFullDiskDenies(t *testing.T) {
	d := newDisk(t)
	p := start(t, settings{hosts: everyHost(echoOrigin(t)), audit: filepath.Join(d.dir, "audit.jsonl")})
	p.passes(always)
	d.fill()
	refused := 0
	for range diskful {
		a, err := p.answerTo(http.MethodConnect, always+":443")
		if err != nil {
			t.Fatal(err)
		}
		if a.status != http.StatusOK {
			refused++
			if err := a.refused(http.StatusServiceUnavailable, "audit_unavailable"); err != nil {
				t.Error(err)
			}
		}
	}
	if refused == 0 {
		t.Fatal("with a full disk nothing was refused")
	}
	if n := p.metrics()["sepproxy_audit_errors_total"]; n < float64(refused) {
		t.Errorf("%v audit errors are counted, at least %d happened", n, refused)
	}
	if n := p.metrics()[`sepproxy_requests_total{reason="audit_unavailable",service="agent.insight",verdict="deny"}`]; n != float64(refused) {
		t.Errorf("%v requests are counted as audit_unavailable, %d were", n, refused)
	}
	d.free()
	p.passes(always)
	p.resumed()
}

// TestFullDiskAllows: where the operator wants it so, everything passes and is counted.
func TestFullDiskAllows(t *testing.T) {
	d := newDisk(t)
	p := start(t, settings{hosts: everyHost(echoOrigin(t)), audit: filepath.Join(d.dir, "audit.jsonl"), more: ", on_error: allow"})
	d.fill()
	for range diskful {
		p.passes(always)
	}
	p.refuses(unlisted, 403, "not_listed")
	eventually(t, "the end of every tunnel", func() bool { return p.metrics()["sepproxy_tunnels_active"] == 0 })
	if n := p.metrics()["sepproxy_audit_errors_total"]; n == 0 {
		t.Error("no audit errors are counted")
	}
	d.free()
	p.passes(always)
	p.resumed()
}

// resumed ends the proxy and asserts that the trail is whole and tells how much it is missing.
func (p *proxy) resumed() {
	p.t.Helper()
	eventually(p.t, "the end of every tunnel", func() bool { return p.metrics()["sepproxy_tunnels_active"] == 0 })
	lost := p.metrics()["sepproxy_audit_errors_total"]
	p.stop()
	if out, code := sepproxy(p.t, "audit", "verify", p.config()); code != 0 {
		p.t.Errorf("audit verify ends with %d and says %q", code, out)
	}
	total := int64(0)
	for _, r := range told(p.records(), audit.LifecycleAuditResumed) {
		total += r.Sepproxy.Resumed.Unrecorded
	}
	if float64(total) != lost {
		p.t.Errorf("the trail tells of %d missing records, %v errors were counted", total, lost)
	}
}

// TestTrailTakenAway: the directory of the trail is gone for a while, and the proxy is told to
// reopen it. Nothing passes meanwhile, and nothing that was recorded is lost.
func TestTrailTakenAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trail")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p := start(t, settings{hosts: everyHost(echoOrigin(t)), audit: filepath.Join(dir, "audit.jsonl")})
	p.passes(always)
	p.quiet()
	before := p.records()
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(dir, dir+".away")
	p.signal(syscall.SIGHUP)
	p.logged("reopening the audit trail", 1)
	p.refuses(always, 503, "audit_unavailable")
	move(dir+".away", dir)
	eventually(t, "recording goes on", func() bool {
		a, err := p.answerTo(http.MethodConnect, always+":443")
		return err == nil && a.status == http.StatusOK
	})
	p.stop()
	kept := map[string]bool{}
	for _, r := range p.records() {
		kept[r.Chain] = true
	}
	for _, r := range before {
		if !kept[r.Chain] {
			t.Errorf("record %d was there before the directory was taken away, and is not any more", r.Event.Sequence)
		}
	}
	if out, code := sepproxy(t, "audit", "verify", p.config()); code != 0 {
		t.Errorf("audit verify ends with %d and says %q", code, out)
	}
}
