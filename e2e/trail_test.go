//go:build linux

package e2e_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sepproxy/sepproxy/audit"
)

// records reads the whole trail, rotated files too. It is an error if a line is no record.
func (p *proxy) records() []*audit.Record {
	p.t.Helper()
	files, err := audit.Files(p.trail)
	if err != nil {
		p.t.Fatal(err)
	}
	return scan(p.t, files...)
}

func scan(t testing.TB, files ...string) (all []*audit.Record) {
	t.Helper()
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		err = audit.Scan(path, f, func(line int, raw []byte, r *audit.Record) error {
			if r == nil {
				return fmt.Errorf("%s:%d: %q is not a record", path, line, raw)
			}
			all = append(all, r)
			return nil
		})
		_ = f.Close() // only read
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func ofAction(all []*audit.Record, action string) []*audit.Record {
	return slices.DeleteFunc(slices.Clone(all), func(r *audit.Record) bool { return r.Event.Action != action })
}

// told gives the lifecycle records that tell what.
func told(all []*audit.Record, what string) []*audit.Record {
	return slices.DeleteFunc(slices.Clone(all), func(r *audit.Record) bool { return r.Sepproxy.Lifecycle != what })
}

// awaitOutcome waits for the outcome of the one transaction with host.
func (p *proxy) awaitOutcome(host string) *audit.Record {
	p.t.Helper()
	var found *audit.Record
	eventually(p.t, "an outcome for "+host, func() bool {
		for _, r := range ofAction(p.records(), audit.ActionOutcome) {
			if r.URL.Domain == host {
				found = r
			}
		}
		return found != nil
	})
	return found
}

// awaitTold waits for the n-th lifecycle record of one kind.
func (p *proxy) awaitTold(what string, n int) *audit.Record {
	p.t.Helper()
	var found []*audit.Record
	eventually(p.t, fmt.Sprintf("record %d of %s", n, what), func() bool {
		found = told(p.records(), what)
		return len(found) >= n
	})
	return found[n-1]
}

// sound asserts what holds for every trail: the chain verifies, and each allowed decision has
// exactly one outcome, behind it, and a denied one has none.
func (p *proxy) sound() {
	p.t.Helper()
	if out, code := sepproxy(p.t, "audit", "verify", p.config()); code != 0 || !strings.HasPrefix(out, "ok: ") {
		p.t.Errorf("audit verify ends with %d and says %q", code, out)
	}
	paired(p.t, p.records())
}

func paired(t testing.TB, all []*audit.Record) {
	t.Helper()
	decided := map[string]*audit.Record{}
	outcomes := map[string]int{}
	for _, r := range ofAction(all, audit.ActionDecision) {
		if decided[r.Transaction.ID] != nil {
			t.Errorf("transaction %s was decided twice", r.Transaction.ID)
		}
		decided[r.Transaction.ID] = r
	}
	for _, o := range ofAction(all, audit.ActionOutcome) {
		outcomes[o.Transaction.ID]++
		d := decided[o.Transaction.ID]
		if d == nil || d.Event.Sequence >= o.Event.Sequence {
			t.Errorf("the outcome with sequence %d has no decision before it", o.Event.Sequence)
		}
	}
	for id, d := range decided {
		want := 0
		if d.Sepproxy.Verdict == "allow" {
			want = 1
		}
		if outcomes[id] != want {
			t.Errorf("%s %s:%d was decided %s %s and has %d outcomes, want %d", d.HTTP.Request.Method, d.URL.Domain,
				d.URL.Port, d.Sepproxy.Verdict, d.Sepproxy.Reason, outcomes[id], want)
		}
	}
}

// named asserts that every tunnel in which bytes passed has the server name of its TLS on record.
func named(t testing.TB, all []*audit.Record) {
	t.Helper()
	for _, o := range ofAction(all, audit.ActionOutcome) {
		if o.HTTP.Request.Method != "CONNECT" || *o.Source.Bytes == 0 {
			continue
		}
		if o.TLS == nil || o.TLS.Client == nil || o.TLS.Client.ServerName != o.URL.Domain {
			t.Errorf("the outcome of a tunnel to %s has tls %s", o.URL.Domain, asJSON(o.TLS))
		}
	}
}
