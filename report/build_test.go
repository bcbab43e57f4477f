package report

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sepproxy/sepproxy/audit"
)

var (
	insight   = []string{"agent.insight"}
	both      = []string{"agent.insight", "agent.telemetry"}
	lookup    = ask{at: at(1), client: "10.0.0.7", host: "rrs.example.com", services: insight, policy: "aaaaaaaaaaaa"}
	upload    = ask{at: at(5), client: "10.0.0.8", host: "shared.example.com", services: both, policy: "bbbbbbbbbbbb"}
	forbidden = ask{at: at(6), client: "10.0.0.7", host: "other.example.net", deny: "not_listed", unlisted: true, policy: "bbbbbbbbbbbb"}
)

// site is a short day: two look-ups, of which one fails, an upload to a shared host, a request that
// is denied though documented, one for something else, and nonsense.
func site(tr *trail) {
	tr.lifecycle(at(0), "aaaaaaaaaaaa")
	tr.decision(lookup)
	tr.outcome(lookup, 1, 100, 2000, "")
	again := lookup
	again.at = at(3)
	tr.decision(again)
	tr.outcome(again, 1, 10, 0, "connect_refused")
	tr.decision(upload)
	tr.decision(forbidden)
	wrongPort := lookup
	wrongPort.at, wrongPort.port, wrongPort.deny = at(7), 8443, "port_not_listed"
	tr.decision(wrongPort)
	tr.decision(ask{at: at(8), client: "10.0.0.9", deny: "malformed_request", unlisted: true})
	tr.outcome(upload, 9, 5000, 300, "")
}

func TestCounting(t *testing.T) {
	r := buildOf(t, Options{}, site)
	if r.From.Time != at(0) || r.To.Time != at(14) || r.Records != 10 {
		t.Errorf("period and records: %v to %v, %d", r.From, r.To, r.Records)
	}
	if r.Transactions != 6 || r.Allowed != 3 || r.Denied != 3 || r.Failures != 1 || r.Clients != 3 {
		t.Errorf("totals: %+v", r)
	}
	if r.Bytes != (Bytes{Received: 2300, Sent: 5110}) {
		t.Errorf("bytes of shared endpoints count once in the totals, got %+v", r.Bytes)
	}
	if want := []string{"aaaaaaaaaaaa", "bbbbbbbbbbbb"}; !slices.Equal(r.Policies, want) {
		t.Errorf("policies %v, want %v", r.Policies, want)
	}
	if want := []string{"sepm.liveupdate"}; !slices.Equal(r.Unused, want) {
		t.Errorf("unused %v, want %v", r.Unused, want)
	}
}

func TestServiceRow(t *testing.T) {
	got := buildOf(t, Options{}, site).service("agent.insight")
	want := Service{
		ID: "agent.insight", Group: "agent", Title: "Insight", Purpose: "File reputation", Documented: true, Used: true,
		Requests: 4, Joint: 1, Failures: 1, Denied: 1, Clients: 2, Days: []int64{4}, Bytes: Bytes{Received: 2300, Sent: 5110},
		FirstSeen: Moment{at(1)}, LastSeen: Moment{at(7)}, SharedWith: []string{"agent.telemetry"},
		Endpoints: []Endpoint{
			{Host: "rrs.example.com", Port: 443, Requests: 2, Failures: 1, Clients: 1, Bytes: Bytes{2000, 110},
				FirstSeen: Moment{at(1)}, LastSeen: Moment{at(3)}},
			{Host: "shared.example.com", Port: 443, Requests: 1, Clients: 1, Bytes: Bytes{300, 5000},
				FirstSeen: Moment{at(5)}, LastSeen: Moment{at(5)}},
			{Host: "rrs.example.com", Port: 8443, Requests: 1, Denied: 1, Clients: 1,
				FirstSeen: Moment{at(7)}, LastSeen: Moment{at(7)}},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestUnusedServiceHasItsRow(t *testing.T) {
	got := buildOf(t, Options{Lang: "es"}, site).service("sepm.liveupdate")
	want := Service{ID: "sepm.liveupdate", Group: "sepm", Title: "LiveUpdate", Documented: true,
		SharedWith: []string{}, Endpoints: []Endpoint{{Host: "lu.example.com", Port: 80}}, Days: []int64{0}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestServicesThatOnlyRecordsNameAreAppended(t *testing.T) {
	local := ask{at: at(1), client: "10.0.0.7", host: "app.example.org", unlisted: true, services: []string{"local.app"}}
	r := buildOf(t, Options{}, func(tr *trail) { tr.decision(local) })
	last := r.Services[len(r.Services)-1]
	if len(r.Services) != 4 || last.ID != "local.app" || last.Documented || last.Requests != 1 ||
		len(last.Endpoints) != 1 || last.Endpoints[0].Host != "app.example.org" {
		t.Errorf("got %+v", r.Services)
	}
	if slices.Contains(r.Unused, "local.app") || len(r.Unused) != 3 {
		t.Errorf("unused %v", r.Unused)
	}
}

func TestUndocumented(t *testing.T) {
	r := buildOf(t, Options{}, func(tr *trail) {
		local := ask{at: at(1), client: "10.0.0.7", host: "app.example.org", unlisted: true, services: []string{"local.app"}}
		tr.decision(local)
		tr.outcome(local, 1, 1, 1, "")
		tr.decision(forbidden)
		tr.decision(ask{at: at(9), client: "10.0.0.1", host: "other.example.net", deny: "rate_limited", unlisted: true, count: 40})
		tr.decision(ask{at: at(9), client: "10.0.0.1", host: "plain.example.net", port: 80, deny: "not_listed", unlisted: true})
		tr.decision(ask{at: at(9), client: "10.0.0.1", host: "plain.example.net", port: 8443, deny: "not_listed", unlisted: true})
		tr.decision(ask{at: at(9), client: "10.0.0.1", host: "no.example.net", deny: "denied_by_rule", unlisted: true})
		tr.decision(ask{at: at(9), client: "10.0.0.1", host: "192.0.2.1", deny: "not_listed", unlisted: true})
		tr.decision(lookup)
	})
	seen := Moment{at(9)}
	type row struct {
		host                      string
		port                      uint16
		requests, allowed, denied int64
		clients                   int
		first, last               Moment
		suggest                   string
	}
	want := []row{
		{"other.example.net", 443, 41, 0, 41, 2, Moment{at(6)}, seen, "https://other.example.net"},
		{"192.0.2.1", 443, 1, 0, 1, 1, seen, seen, ""},
		{"app.example.org", 443, 1, 1, 0, 1, Moment{at(1)}, Moment{at(1)}, ""},
		{"no.example.net", 443, 1, 0, 1, 1, seen, seen, ""},
		{"plain.example.net", 80, 1, 0, 1, 1, seen, seen, "http://plain.example.net"},
		{"plain.example.net", 8443, 1, 0, 1, 1, seen, seen, "https://plain.example.net:8443"},
	}
	var got []row
	for _, u := range r.Undocumented {
		got = append(got, row{u.Host, u.Port, u.Requests, u.Allowed, u.Denied, u.Clients, u.FirstSeen, u.LastSeen, u.Suggest})
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDenialsByReason(t *testing.T) {
	r := buildOf(t, Options{}, func(tr *trail) {
		site(tr)
		tr.decision(forbidden)
	})
	want := []Denial{
		{"not_listed", 2, 1, []DeniedHost{{"other.example.net", 443, 2, 1}}},
		{"malformed_request", 1, 1, nil},
		{"port_not_listed", 1, 1, []DeniedHost{{"rrs.example.com", 8443, 1, 1}}},
	}
	if !reflect.DeepEqual(r.Denials, want) {
		t.Errorf("got  %+v\nwant %+v", r.Denials, want)
	}
}

// A tunnel that fails the check of its first bytes was allowed by its decision and is denied once.
func TestOutcomeTurnsItsTransactionToDenied(t *testing.T) {
	turned := lookup
	turned.deny = "sni_mismatch"
	var early, late trail
	early.name, late.name = "a", "b"
	early.decision(lookup)
	early.decision(upload)
	late.outcome(turned, 2, 517, 0, "")
	begin, end := file(t, "1.jsonl", early.Bytes()), file(t, "2.jsonl", late.Bytes())
	for _, files := range [][]string{{begin, end}, {end, begin}} {
		r := build(t, Options{}, files...)
		s := r.service("agent.insight")
		if r.Transactions != 2 || r.Allowed != 1 || r.Denied != 1 || s.Requests != 2 || s.Denied != 1 || s.Failures != 0 {
			t.Errorf("got %+v", r)
		}
		if s.Endpoints[0].Denied != 1 || s.Endpoints[1].Denied != 0 {
			t.Errorf("endpoints %+v", s.Endpoints)
		}
		if len(r.Denials) != 1 || r.Denials[0].Reason != "sni_mismatch" || r.Denials[0].Requests != 1 {
			t.Errorf("denials %+v", r.Denials)
		}
	}
	for _, tc := range []struct {
		name            string
		r               *Report
		allowed, denied int64
	}{
		{"decided before the period", build(t, Options{Since: at(2)}, begin, end), 1, 0},
		{"without the file of its decision", build(t, Options{}, end), 0, 0},
		{"denied after the period", build(t, Options{Until: at(3)}, begin, end), 1, 0},
	} {
		if tc.r.Allowed != tc.allowed || tc.r.Denied != tc.denied || tc.r.Transactions != tc.allowed+tc.denied {
			t.Errorf("%s: %d allowed + %d denied, %d transactions", tc.name, tc.r.Allowed, tc.r.Denied, tc.r.Transactions)
		}
	}
}

func TestPeriodJudgesEachRecord(t *testing.T) {
	for _, tc := range []struct {
		name         string
		o            Options
		records      int64
		transactions int64
		sent         int64
	}{
		{"all", Options{}, 10, 6, 5110},
		{"since is included", Options{Since: at(5)}, 5, 4, 5000},
		{"until is not", Options{Until: at(5)}, 5, 2, 110},
		{"both", Options{Since: at(3), Until: at(6)}, 3, 2, 10},
		{"nothing", Options{Since: at(100)}, 0, 0, 0},
	} {
		r := buildOf(t, tc.o, site)
		if r.Records != tc.records || r.Transactions != tc.transactions || r.Bytes.Sent != tc.sent {
			t.Errorf("%s: %d records, %d transactions, %d bytes, want %d, %d, %d", tc.name,
				r.Records, r.Transactions, r.Bytes.Sent, tc.records, tc.transactions, tc.sent)
		}
	}
}

// What was held open all day by a request of yesterday is in use today.
func TestServiceWithOnlyAnOutcomeIsUsed(t *testing.T) {
	r := buildOf(t, Options{Since: at(10)}, site)
	s := r.service("agent.telemetry")
	if !s.Used || s.Requests != 0 || s.Sent != 5000 || s.LastSeen.Time != at(14) || slices.Contains(r.Unused, s.ID) {
		t.Errorf("got %+v, unused %v", s, r.Unused)
	}
}

func TestFileGivenTwiceCountsOnce(t *testing.T) {
	var whole, other trail
	other.name = "other"
	site(&whole)
	site(&other)
	part := whole.Bytes()[:whole.Len()/2] // ends in the middle of a line
	plain := file(t, "audit.jsonl", whole.Bytes())
	compressed := file(t, "audit.jsonl.gz", zipped(t, whole.Bytes()))
	short := file(t, "audit-old.jsonl", part)
	another := file(t, "audit.jsonl", other.Bytes())
	for _, tc := range []struct {
		name    string
		files   []string
		records int64
	}{
		{"plain", []string{plain}, 10},
		{"compressed", []string{compressed}, 10},
		{"twice", []string{plain, plain}, 10},
		{"plain and compressed", []string{compressed, plain}, 10},
		{"the longer after the shorter", []string{short, compressed}, 10},
		{"the longer before the shorter", []string{plain, short}, 10},
		{"three copies", []string{short, plain, compressed}, 10},
		{"another trail", []string{plain, another}, 20},
	} {
		r := build(t, Options{}, tc.files...)
		if r.Records != tc.records || len(r.Warnings) != 0 {
			t.Errorf("%s: %d records, warnings %q, want %d and none", tc.name, r.Records, r.Warnings, tc.records)
		}
	}
}

func TestCopyThatDiffersIsToldOf(t *testing.T) {
	var sound, forged trail
	site(&sound)
	forged.decision(lookup)
	forged.Reset()
	forged.Write(sound.Bytes()[:strings.IndexByte(sound.String(), '\n')+1])
	forged.name = "f"
	forged.decision(upload)
	r := build(t, Options{}, file(t, "forged.jsonl", forged.Bytes()), file(t, "sound.jsonl", sound.Bytes()))
	if r.Records != 10 || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "forged.jsonl begins like ") {
		t.Errorf("%d records, warnings %q", r.Records, r.Warnings)
	}
}

func TestDamageIsReportedAndDoesNotStop(t *testing.T) {
	var tr trail
	tr.decision(lookup)
	tr.WriteString("\x1b[2Jnonsense\n{}\n")
	tr.decision(upload)
	tr.WriteString(`{"@timestamp":"2026-11-23T1`)
	path := file(t, "audit.jsonl", tr.Bytes())
	r := build(t, Options{}, path)
	if r.Transactions != 2 || r.Broken != 3 || len(r.Warnings) != 3 {
		t.Fatalf("%d transactions, %d broken, warnings %q", r.Transactions, r.Broken, r.Warnings)
	}
	for i, line := range []string{":2: ", ":3: ", ":5: "} {
		if !strings.HasPrefix(r.Warnings[i], path+line) || strings.ContainsAny(r.Warnings[i], "\x1b\n") {
			t.Errorf("warning %q, want it to begin with %s%s", r.Warnings[i], path, line)
		}
	}
}

func TestCutOffCompressedFileCountsAsFarAsItGoes(t *testing.T) {
	var tr trail
	for range 5000 {
		tr.decision(lookup)
	}
	whole := zipped(t, tr.Bytes())
	r := build(t, Options{}, file(t, "audit.jsonl.gz", whole[:len(whole)/2]))
	if r.Transactions == 0 || r.Transactions == 5000 || len(r.Warnings) == 0 {
		t.Errorf("%d transactions, warnings %q", r.Transactions, r.Warnings)
	}
}

func TestDamagedFileGivenTwiceIsReportedOnce(t *testing.T) {
	path := file(t, "audit.jsonl", []byte("nonsense\n"))
	if r := build(t, Options{}, path, path); r.Broken != 1 {
		t.Errorf("%d broken lines", r.Broken)
	}
}

func TestWarningsAreBounded(t *testing.T) {
	r := build(t, Options{}, file(t, "audit.jsonl", []byte(strings.Repeat("x\n", 1000))))
	if r.Broken != 1000 || len(r.Warnings) != maxWarnings+1 || r.Warnings[maxWarnings] != "900 more of these" {
		t.Errorf("%d broken, %d warnings, the last %q", r.Broken, len(r.Warnings), r.Warnings[len(r.Warnings)-1])
	}
}

func TestBuildNeedsItsFiles(t *testing.T) {
	if _, err := Build(t.Context(), []string{t.TempDir() + "/none.jsonl"}, Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := Build(t.Context(), []string{t.TempDir()}, Options{}); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("got %v", err)
	}
	var tr trail
	site(&tr)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Build(ctx, []string{file(t, "audit.jsonl", tr.Bytes())}, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestProgressEndsAtTheTotal(t *testing.T) {
	var tr trail
	site(&tr)
	path, second := file(t, "audit.jsonl", tr.Bytes()), trail{name: "2"}
	site(&second)
	var done, total int64
	build(t, Options{Progress: func(d, of int64) {
		if d < done {
			t.Errorf("%d after %d", d, done)
		}
		done, total = d, of
	}}, path, file(t, "b.jsonl.gz", zipped(t, second.Bytes())))
	if done != total || total <= int64(tr.Len()) {
		t.Errorf("ended at %d of %d", done, total)
	}
}

// The log itself, not the test's idea of it.
func TestReportOfARealTrail(t *testing.T) {
	path := t.TempDir() + "/audit.jsonl"
	log, err := audit.Open(audit.Options{Path: path, Hostname: "proxy-1", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Write(lookup.record(audit.ActionDecision)); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := audit.Files(path)
	if err != nil {
		t.Fatal(err)
	}
	r := build(t, Options{}, files...)
	if r.Transactions != 1 || r.service("agent.insight").Requests != 1 || len(r.Warnings) != 0 || r.Records < 1 {
		t.Errorf("got %+v", r)
	}
	if tr := r.Trail; !tr.Intact || tr.Files != 1 || tr.Records != r.Records || tr.First != 1 || len(tr.Chain) != 64 {
		t.Errorf("the trail is %+v", tr)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if r := build(t, Options{SkipChain: true}, files...); r.Transactions != 1 || r.Trail.Intact || r.Trail.Files != 0 {
		t.Errorf("without the chain: %+v", r)
	}
	forged := build(t, Options{}, file(t, "audit.jsonl", bytes.Replace(data, []byte("rrs.example.com"), []byte("xxx.example.com"), 1)))
	if tr := forged.Trail; tr.Intact || len(tr.Problems) != 1 || !strings.Contains(tr.Problems[0], "does not fit its chain") {
		t.Errorf("the forged trail is %+v", tr)
	}
}
