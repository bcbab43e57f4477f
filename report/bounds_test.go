package report

import (
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/sepproxy/sepproxy/audit"
)

// Names are the attacker's: of a hundred thousand, the report keeps as many as it has room for.
func TestUndocumentedEndpointsAreBounded(t *testing.T) {
	const asked, rest = 100_000, 100_000 - maxUndocumented
	r := buildOf(t, Options{}, func(tr *trail) {
		for i := range asked {
			tr.decision(ask{at: at(i), client: "10.0.0.1", host: fmt.Sprintf("h%x.example.net", i*7919), deny: "not_listed", unlisted: true})
		}
	})
	if len(r.Undocumented) != maxUndocumented+1 {
		t.Fatalf("%d rows", len(r.Undocumented))
	}
	u := r.Undocumented[maxUndocumented]
	if u.Host != Other || u.Port != 0 || u.Requests != rest || u.Denied != rest || u.Clients != 1 || u.Suggest != "" || u.Class != ClassOther {
		t.Errorf("the rest is %+v", u)
	}
	if r.Denied != asked || r.Denials[0].Requests != asked || len(r.Denials[0].Hosts) != maxDenials+1 {
		t.Errorf("%d denied, %d by reason, want %d", r.Denied, r.Denials[0].Requests, asked)
	}
	for format, most := range map[string]int{"text": 20_000, "md": 20_000, "csv": 4 << 20, "json": 16 << 20} {
		if size := len(r.as(t, format)); size > most {
			t.Errorf("%d bytes of %s", size, format)
		}
	}
	if size := len(r.fragment(t)); size > 100_000 {
		t.Errorf("%d bytes of suggestions", size)
	}
}

func TestNamesOfServicesAreBounded(t *testing.T) {
	r := buildOf(t, Options{}, func(tr *trail) {
		for i := range maxServices + 5 {
			tr.decision(ask{at: noon, host: "x.example.net", unlisted: true, services: []string{fmt.Sprintf("a.%d", i), fmt.Sprintf("b.%d", i)}})
		}
	})
	if got := r.service(Other).Requests; got != maxServices/2+5 {
		t.Errorf("%d requests for other services, want %d", got, maxServices/2+5)
	}
	if len(r.Services) != len(services)+maxServices+1 {
		t.Errorf("%d services", len(r.Services))
	}
}

func TestClientSetCountsExactlyUpToItsBound(t *testing.T) {
	x, set := newClientIndex(), clientSet{}
	for i := range maxClients + 1000 {
		set.add(numberOf(x, fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)))
		if i%7 == 0 {
			set.add(numberOf(x, "10.0.0.0"))
		}
		if want := min(i+1, maxClients+1); i%997 == 0 && set.len() != want {
			t.Fatalf("%d clients, want %d", set.len(), want)
		}
	}
	if len(x.numbers) != maxClients || set.len() != maxClients+1 {
		t.Errorf("%d known, %d counted", len(x.numbers), set.len())
	}
}

func numberOf(x *clientIndex, ip string) int {
	n, _ := x.number(ip)
	return n
}

func TestOneClientHasOneAddress(t *testing.T) {
	x := newClientIndex()
	if numberOf(x, "10.0.0.7") != numberOf(x, "::ffff:10.0.0.7") || numberOf(x, "fe80::1%eth0") != numberOf(x, "fe80::1") {
		t.Error("one client counts as two")
	}
	if numberOf(x, "10.0.0.7") == numberOf(x, "10.0.0.8") || numberOf(x, "") != -1 {
		t.Error("two clients count as one")
	}
}

func TestEditedNumbersDoNotRunOver(t *testing.T) {
	r := buildOf(t, Options{}, func(tr *trail) {
		for range 3 {
			tr.decision(ask{at: noon, host: "rrs.example.com", services: insight, count: math.MaxInt64})
			tr.decision(ask{at: noon, host: "rrs.example.com", services: insight, count: -5, deny: "rate_limited"})
			tr.outcome(lookup, 1, math.MaxInt64, -1, "")
		}
	})
	if r.Transactions != math.MaxInt64 || r.Denied != 3 || r.Bytes != (Bytes{Sent: math.MaxInt64}) {
		t.Errorf("got %d transactions, %d denied, %+v", r.Transactions, r.Denied, r.Bytes)
	}
}

// The trail is read as it comes, as from a pipe: nothing of it is kept.
func TestMemoryDoesNotGrowWithTheTrail(t *testing.T) {
	const few, many = 10_000, 60_000
	heap := func(records int) uint64 {
		r, w := io.Pipe()
		go generate(w, records)
		c, n := newCollector(&Options{Services: services}), 0
		var most uint64
		err := audit.Map(t.Context(), r, decode, func(_ int, v *entry) error {
			if v.err != nil {
				t.Error(v.err)
			}
			c.count(&v.event)
			if n++; n%(records/4) == 0 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
			return nil
		})
		if err != nil || c.records != int64(records) {
			t.Fatalf("%d records, %v", c.records, err)
		}
		return most
	}
	before, after := heap(few), heap(many)
	t.Logf("heap: %d bytes in %d records, %d bytes in %d", before, few, after, many)
	if after > before+4<<20 { // what is under way differs
		t.Errorf("heap grew from %d to %d bytes with the trail", before, after)
	}
}

// generate writes decisions and outcomes of 200 clients to w and closes it.
func generate(w *io.PipeWriter, records int) {
	var tr trail
	for i := range records / 2 {
		a := lookup
		a.at = at(i)
		a.client = fmt.Sprintf("10.0.%d.1", i%200)
		if i%10 == 0 {
			a.host, a.deny, a.unlisted, a.services = fmt.Sprintf("h%d.example.net", i%100), "not_listed", true, nil
		}
		tr.decision(a)
		if a.deny == "" {
			tr.outcome(a, 1, 10, 10, "")
		} else {
			tr.lifecycle(a.at, a.policy) // keeps the number of records even
		}
		if _, err := w.Write(tr.Next(tr.Len())); err != nil {
			return // the reader has told why it stopped
		}
	}
	_ = w.Close() // never fails
}

func TestBarIsForPeopleWhoWait(t *testing.T) {
	for _, tc := range []struct {
		terminal bool
		elapsed  time.Duration
		want     bool
	}{
		{true, 2 * time.Second, true},
		{true, time.Second, false},
		{false, time.Hour, false},
	} {
		if got := worthABar(tc.terminal, tc.elapsed); got != tc.want {
			t.Errorf("terminal %t after %s: %t", tc.terminal, tc.elapsed, got)
		}
	}
}

func TestBarDrawsNothingUntilItIsDue(t *testing.T) {
	path := file(t, "stderr", nil)
	out, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	elapsed := time.Duration(0)
	b := NewBar(out)
	b.now = func() time.Time { return b.began.Add(elapsed) }
	size := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	elapsed = time.Hour
	b.Update(1, 100)
	b.Finish()
	if size() != 0 {
		t.Error("a bar where no terminal is")
	}
	b.terminal, elapsed = true, 0
	b.Update(2, 100)
	if size() != 0 {
		t.Error("a bar before it is due")
	}
	elapsed = 2 * time.Second
	b.Update(50, 100)
	b.Update(200, 100) // a pipe among the files: more than the total
	b.Finish()
	if size() == 0 {
		t.Error("no bar where it is due")
	}
}
