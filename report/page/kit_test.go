package page

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/catalog"
	"github.com/sepproxy/sepproxy/report"
)

// noon is when the trails of the tests begin.
var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// A site writes a trail by its own clock.
type site struct {
	t    testing.TB
	log  *audit.Log
	path string
	now  atomic.Int64 // Unix seconds; the log's own goroutines ask too
	id   int
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, path: filepath.Join(t.TempDir(), "audit.jsonl")}
	s.now.Store(noon.Unix())
	var err error
	s.log, err = audit.Open(audit.Options{Path: s.path, Hostname: "proxy-1", Version: "1", Sync: audit.SyncNever, Now: func() time.Time { return time.Unix(s.now.Load(), 0) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.log.Close() })
	return s
}

func (s *site) write(r *audit.Record) {
	s.t.Helper()
	if err := s.log.Write(r); err != nil {
		s.t.Fatal(err)
	}
}

// An ask is one request. failure is of what was allowed.
type ask struct {
	client, name, host, reason, failure string
	documented                          bool
	services                            []string
	sent, received                      int64
}

func (s *site) ask(a ask) {
	s.id++
	verdict := "deny"
	if a.reason == "catalog" || a.reason == "local_rule" || a.reason == "observed" {
		verdict = "allow"
	}
	record := func(action string) *audit.Record {
		return &audit.Record{
			Event:       audit.Event{Category: []string{"network"}, Action: action, Type: []string{"connection"}, Reason: a.reason},
			Transaction: &audit.Transaction{ID: fmt.Sprint(s.id)},
			Source:      &audit.Endpoint{IP: a.client, Port: 50000},
			HTTP:        &audit.HTTP{Request: &audit.HTTPRequest{Method: "CONNECT"}},
			URL:         &audit.URL{Scheme: "https", Domain: a.host, Port: 443},
			Sepproxy: audit.Sepproxy{Verdict: verdict, Reason: a.reason, Documented: &a.documented, Services: a.services,
				Client: a.name, Mode: "enforce", Policy: "3f2a9c01d4e7"},
		}
	}
	s.write(record(audit.ActionDecision))
	if verdict == "deny" {
		return
	}
	r := record(audit.ActionOutcome)
	r.Event.Outcome = "success"
	if a.failure != "" {
		r.Event.Outcome, r.Event.Reason, r.Sepproxy.Reason = "failure", a.failure, a.failure
	}
	r.Source.Bytes = &a.sent
	r.Destination = &audit.Endpoint{IP: "192.0.2.1", Port: 443, Bytes: &a.received}
	s.write(r)
}

func (s *site) policy(revision string) {
	r := &audit.Record{Event: audit.Event{Category: []string{"configuration"}, Action: audit.ActionLifecycle, Type: []string{"change"}},
		Message:  "policy " + revision + " in force from /etc/sepproxy/policy.yaml: mode enforce, 23 services, 51 endpoints",
		Sepproxy: audit.Sepproxy{Lifecycle: audit.LifecyclePolicyLoaded, Policy: revision, Mode: "enforce"}}
	s.write(r)
}

// live is two weeks of a small site, the same each time.
func (s *site) live() {
	random := rand.New(rand.NewPCG(5, 6))
	used := []struct {
		id   string
		host string
	}{{"agent.insight", "ent-shasta-rrs.symantec.com"}, {"agent.liveupdate", "liveupdate.symantec.com"}, {"agent.telemetry", "stnd-avpg.crsi.symantec.com"},
		{"sepm.licence", "licensing.dmas.symantec.com"}, {"agent.pulse", "sp.cwfservice.net"}, {"agent-cloud.storage", "storage.googleapis.com"}}
	s.policy("0a3f81cdbb51")
	for hour := range 14 * 24 {
		now := noon.Add(time.Duration(hour) * time.Hour)
		s.now.Store(now.Unix())
		busy := 4
		if h := now.Hour(); h > 7 && h < 19 && now.Weekday()%6 != 0 {
			busy = 18
		}
		if hour == 150 {
			s.policy("3f2a9c01d4e7")
		}
		for range busy {
			u := used[random.IntN(len(used))]
			if u.id == "sepm.licence" && random.IntN(6) > 0 {
				u = used[0]
			}
			a := ask{client: fmt.Sprintf("10.20.%d.%d", random.IntN(2), 10+random.IntN(40)), name: "agents", host: u.host, reason: "catalog", documented: true,
				services: []string{u.id}, sent: 700 + random.Int64N(6000), received: 3000 + random.Int64N(600_000)}
			switch random.IntN(30) {
			case 0:
				a.failure = "connect_timeout"
			case 1:
				a.host, a.reason, a.documented, a.services = "update.googleapis.com", "not_listed", false, nil
			case 2:
				a.host, a.reason, a.documented, a.services = "ocsp.digicert.com", "not_listed", false, nil
			case 3:
				a.host, a.reason, a.documented, a.services, a.client = "c2.evil-exfil.example", "not_listed", false, nil, "10.20.0.66"
			case 4:
				a.reason = "group_not_allowed"
			}
			s.ask(a)
		}
		if hour > 200 && hour%9 == 0 {
			s.ask(ask{client: "10.20.1.12", name: "agents", host: "usea2.r3.securitycloud.symantec.com", reason: "not_listed"})
		}
	}
}

// report reads what was written.
func (s *site) report(lang string) *report.Report {
	s.t.Helper()
	r, err := report.Build(s.t.Context(), []string{s.path}, report.Options{Services: inForce(), Catalog: catalog.Builtin(), Lang: lang})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func inForce() (list []catalog.Service) {
	for s := range catalog.Builtin().Services() {
		list = append(list, *s)
	}
	return list
}

func options(lang string) Options {
	return Options{Lang: lang, Version: "1.2.3", Now: noon.Add(15 * 24 * time.Hour), Groups: catalog.Builtin().Groups}
}

// now is a live page on the report.
func now(r *report.Report) *Now {
	return &Now{Started: noon, Policy: Policy{Revision: "3f2a9c01d4e7", Mode: "enforce", File: "/etc/sepproxy/policy.yaml", Loaded: noon},
		Audit: Audit{Path: "audit.jsonl", Records: 12345, Sequence: 54321, DiskFree: 0.61}, Tunnels: 12, Conns: 19, Received: 123_456, Sent: 7_890,
		Report: r, Failures: []report.Count{{Name: "connect_timeout", Count: 7}}, LangQuery: "lang=es"}
}

func written(t testing.TB, write func(*bytes.Buffer) error) string {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
