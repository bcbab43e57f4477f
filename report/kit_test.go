package report

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/catalog"
)

// noon is when every trail of the tests begins.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// at is s seconds after noon.
func at(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }

// services is a small catalog: insight and telemetry share a host, liveupdate is never asked for.
var services = []catalog.Service{
	{ID: "agent.insight", Group: "agent", Title: catalog.Text{EN: "Insight", ES: "Información"},
		Purpose:   catalog.Text{EN: "File reputation", ES: "Reputación de archivos"},
		Endpoints: []catalog.Endpoint{https("rrs.example.com"), https("shared.example.com")}},
	{ID: "agent.telemetry", Group: "agent", Title: catalog.Text{EN: "Telemetry"},
		Endpoints: []catalog.Endpoint{https("shared.example.com")}},
	{ID: "sepm.liveupdate", Group: "sepm", Title: catalog.Text{EN: "LiveUpdate"},
		Endpoints: []catalog.Endpoint{{Scheme: "http", Host: "lu.example.com", Port: 80}}},
}

func https(host string) catalog.Endpoint {
	return catalog.Endpoint{Scheme: "https", Host: host, Port: 443}
}

// A trail is written line by line, as the proxy would.
type trail struct {
	bytes.Buffer
	sequence uint64
	name     string // goes into the chain, so that trails differ
}

func (tr *trail) add(r *audit.Record) {
	tr.sequence++
	r.Event.Dataset, r.Event.Sequence = "sepproxy.audit", tr.sequence
	r.Chain = fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%s %d", tr.name, tr.sequence)))
	line, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	tr.Write(append(line, '\n'))
}

// An ask is a request: who, when, for what, and what was decided.
type ask struct {
	at       time.Time
	client   string
	host     string
	port     uint16 // 0: 443
	deny     string // reason; "" is allowed by the catalog, or by a local rule if unlisted
	unlisted bool
	services []string
	count    int64
	policy   string
}

func (a ask) record(action string) *audit.Record {
	verdict, reason := "allow", "catalog"
	switch {
	case a.deny != "":
		verdict, reason = "deny", a.deny
	case a.unlisted:
		reason = "local_rule"
	}
	if a.port == 0 {
		a.port = 443
	}
	scheme := "https"
	if a.port == 80 {
		scheme = "http"
	}
	documented := !a.unlisted
	return &audit.Record{
		Time:   a.at,
		Event:  audit.Event{Action: action, Reason: reason},
		Source: &audit.Endpoint{IP: a.client, Port: 50000},
		URL:    &audit.URL{Scheme: scheme, Domain: a.host, Port: a.port},
		Sepproxy: audit.Sepproxy{Verdict: verdict, Reason: reason, Documented: &documented,
			Services: a.services, Count: a.count, Policy: a.policy},
	}
}

func (tr *trail) decision(a ask) { tr.add(a.record(audit.ActionDecision)) }

// outcome ends what a asked for, after the given seconds.
func (tr *trail) outcome(a ask, seconds int, sent, received int64, failure string) {
	a.at = a.at.Add(time.Duration(seconds) * time.Second)
	r := a.record(audit.ActionOutcome)
	r.Event.Duration = int64(seconds) * int64(time.Second)
	r.Event.Outcome = "success"
	if failure != "" {
		r.Event.Outcome, r.Sepproxy.Reason = "failure", failure
	}
	r.Source.Bytes = &sent
	r.Destination = &audit.Endpoint{IP: "192.0.2.1", Port: 443, Bytes: &received}
	tr.add(r)
}

// lifecycle tells something about the proxy itself.
func (tr *trail) lifecycle(t time.Time, policy string) {
	tr.add(&audit.Record{Time: t, Event: audit.Event{Action: audit.ActionLifecycle},
		Message: "policy loaded", Sepproxy: audit.Sepproxy{Lifecycle: audit.LifecyclePolicyLoaded, Policy: policy}})
}

// file writes data to a new file of the test and gives its path.
func file(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func zipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// build makes a report that has to succeed.
func build(t *testing.T, o Options, files ...string) *Report {
	t.Helper()
	if o.Services == nil {
		o.Services = services
	}
	r, err := Build(t.Context(), files, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// buildOf is build with a trail that write writes.
func buildOf(t *testing.T, o Options, write func(tr *trail)) *Report {
	t.Helper()
	var tr trail
	write(&tr)
	return build(t, o, file(t, "audit.jsonl", tr.Bytes()))
}

func (r *Report) service(id string) Service {
	for _, s := range r.Services {
		if s.ID == id {
			return s
		}
	}
	return Service{}
}

// as writes the report in a format that has to succeed.
func (r *Report) as(t *testing.T, format string) string {
	t.Helper()
	var out bytes.Buffer
	if err := r.Write(&out, format); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
