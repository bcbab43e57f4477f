package report

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/catalog"
	"github.com/sepproxy/sepproxy/policy"
)

// The cast of a month, besides agents and managers.
const (
	misconfigured = "10.1.9.9"  // sends everything it does through the proxy
	attacker      = "10.1.6.66" // looks for a way out, and finds storage that others share
	newHost       = "euwe1.r3.securitycloud.symantec.com"
	storage       = "storage.googleapis.com"
)

const (
	newHostDay = 15 // since when the product asks for newHost
	allowedDay = 20 // since when a rule lets it
	attackDay  = 11
)

const firstPolicy = `clients:
  - {name: agents, cidrs: [10.1.0.0/16, 10.2.0.0/16], groups: [agent, agent-cloud]}
  - {name: managers, cidrs: [10.0.0.0/28], groups: [sepm, sepm-cloud]}
`

const secondPolicy = firstPolicy + `allow:
  - {url: "https://` + newHost + `", service: local.r3, reason: "new in the middle of the month"}
`

// A month simulates thirty days of a site and knows what happened.
type month struct {
	t      *testing.T
	random *rand.Rand
	clock  atomic.Int64 // of the trail, which asks from other goroutines too: nanoseconds since 1970
	begins time.Time
	plan   []*visit
	policy *policy.Policy
	log    *audit.Log
	truth  truth
}

// A visit is one request that somebody will make.
type visit struct {
	at             time.Time
	client, target string // host:port of a tunnel, http:// URL, or anything
	takes          time.Duration
	sent, received int64
	ends           string // success, a failure, or what its first bytes are denied for
	count          int64  // requests that a flood's record stands for
	record         *audit.Record
}

// simulate writes the trail of a month at path, in weekly files.
func simulate(t *testing.T, path string, seed uint64) *month {
	t.Helper()
	m := &month{t: t, random: rand.New(rand.NewPCG(seed, 7)), begins: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), truth: newTruth()}
	m.clock.Store(m.begins.UnixNano())
	var err error
	m.log, err = audit.Open(audit.Options{Path: path, Sync: audit.SyncNever, Hostname: "proxy-1", Version: "test", Now: m.now,
		Rotate: audit.Rotate{Every: 7 * 24 * time.Hour, Compress: true}, OnError: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	for day := range 30 {
		m.agents(day)
		m.managers(day)
		m.roaming(day)
		m.misconfigured(day)
		m.attacker(day)
	}
	m.live()
	if err := m.log.Close(); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *month) now() time.Time { return time.Unix(0, m.clock.Load()).UTC() }

// visit plans one between 6 and 22 o'clock.
func (m *month) visit(day int, client, target string) *visit {
	v := &visit{at: m.begins.AddDate(0, 0, day).Add(time.Duration(6*3600+m.random.IntN(16*3600)) * time.Second),
		client: client, target: target, takes: time.Duration(m.random.IntN(600)) * time.Second,
		sent: 500 + m.random.Int64N(5_000), received: 1_000 + m.random.Int64N(100_000), ends: "success", count: 1}
	m.plan = append(m.plan, v)
	return v
}

func (m *month) agents(day int) {
	for i := range 40 {
		client := fmt.Sprintf("10.1.0.%d", i+1)
		for range 1 + m.random.IntN(4) {
			m.visit(day, client, "ent-shasta-rrs.symantec.com:443")
		}
		m.visit(day, client, "liveupdate.symantec.com:443")
		m.visit(day, client, "telemetry.broadcom.com:443")
		m.visit(day, client, "http://ocsp.digicert.com/MFEwTzBNMEsw")
		if i%8 == 0 {
			m.visit(day, client, storage+":443")
		}
		if i%10 == day%10 {
			m.visit(day, client, "us.spoc.securitycloud.symantec.com:443").ends = "connect_timeout"
		}
		if day >= newHostDay {
			m.visit(day, client, newHost+":443")
		}
	}
}

func (m *month) managers(day int) {
	for i := range 2 {
		client := fmt.Sprintf("10.0.0.%d", i+2)
		m.visit(day, client, "http://liveupdate.symantec.com/minitri.flg")
		m.visit(day, client, "telemetry.broadcom.com:443")
		m.visit(day, client, "sp.cwfservice.net:443") // of another group
	}
}

// roaming machines have another address every day, and talk about their system.
func (m *month) roaming(day int) {
	for range 10 {
		client := fmt.Sprintf("10.2.%d.%d", day, 1+m.random.IntN(250))
		m.visit(day, client, "ent-shasta-rrs.symantec.com:443")
		m.visit(day, client, "http://www.msftconnecttest.com/connecttest.txt")
	}
}

func (m *month) misconfigured(day int) {
	for i := range 30 {
		m.visit(day, misconfigured, fmt.Sprintf("site-%d.example.org:443", m.random.IntN(200)))
		if i%10 == 0 {
			m.visit(day, misconfigured, "192.0.2.80:443")
			m.visit(day, misconfigured, "nonsense")
		}
	}
	m.visit(day, misconfigured, "www.example.org:443").count = 1 + m.random.Int64N(5_000)
}

func (m *month) attacker(day int) {
	if day < attackDay {
		return
	}
	for range 100 {
		m.visit(day, attacker, fmt.Sprintf("%x.tunnel.example.com:443", m.random.Uint64()))
	}
	m.visit(day, attacker, "ent-shasta-rrs.symantec.com:443").ends = "sni_mismatch"
	m.visit(day, attacker, storage+":443").sent = 2 << 30
}

// live lets everything happen in the order of time.
func (m *month) live() {
	type moment struct {
		at time.Time
		do func()
	}
	moments := []moment{
		{m.begins, func() { m.load(firstPolicy) }},
		{m.begins.AddDate(0, 0, allowedDay), func() { m.load(secondPolicy) }},
	}
	for _, v := range m.plan {
		moments = append(moments, moment{v.at, func() { m.decide(v) }}, moment{v.at.Add(v.takes), func() { m.end(v) }})
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return a.at.Compare(b.at) })
	for _, next := range moments {
		m.clock.Store(next.at.UnixNano())
		next.do()
	}
}

func (m *month) write(r *audit.Record) {
	r.Time = m.now()
	if err := m.log.Write(r); err != nil {
		m.t.Fatal(err)
	}
}

func (m *month) load(text string) {
	var err error
	if m.policy, err = policy.Compile("policy.yaml", []byte(text), catalog.Builtin(), m.now()); err != nil {
		m.t.Fatal(err)
	}
	m.truth.policies = append(m.truth.policies, m.policy.Revision())
	m.write(&audit.Record{Event: audit.Event{Category: []string{"configuration"}, Action: audit.ActionLifecycle, Type: []string{"change"}},
		Message: "policy in force", Sepproxy: audit.Sepproxy{Lifecycle: audit.LifecyclePolicyLoaded, Policy: m.policy.Revision()}})
}

func (m *month) decide(v *visit) {
	method := "CONNECT"
	var target policy.Target
	var err error
	if strings.HasPrefix(v.target, "http://") {
		method = "GET"
		target, err = policy.ParseAbsolute(v.target)
	} else {
		target, err = policy.ParseAuthority(v.target)
	}
	request := policy.Request{Method: method, Target: target, Client: netip.MustParseAddr(v.client), Time: m.now()}
	if err != nil {
		request.Target = policy.Target{}
	}
	if v.count > 1 {
		request.Condition = policy.ReasonRateLimited
	}
	verdict := m.policy.Decide(request)
	v.record = recordOf(v, method, target, verdict)
	m.write(v.record)
	m.truth.decided(v, m.now())
}

func recordOf(v *visit, method string, target policy.Target, verdict policy.Verdict) *audit.Record {
	r := &audit.Record{
		Event:  audit.Event{Category: []string{"network"}, Action: audit.ActionDecision, Type: []string{"connection", "denied"}, Reason: string(verdict.Reason)},
		Source: &audit.Endpoint{IP: v.client, Port: 50000},
		HTTP:   &audit.HTTP{Request: &audit.HTTPRequest{Method: method}},
		URL:    &audit.URL{Scheme: target.Scheme, Domain: target.Host, Port: target.Port, Path: target.Path},
		Sepproxy: audit.Sepproxy{Verdict: "deny", Reason: string(verdict.Reason), Documented: &verdict.Documented,
			Services: verdict.Services, Client: verdict.Client, Mode: verdict.Mode, Policy: verdict.Policy},
	}
	if target.Host == "" {
		r.URL = &audit.URL{Original: v.target}
	}
	if verdict.Allow {
		r.Event.Type, r.Sepproxy.Verdict = []string{"connection", "start", "allowed"}, "allow"
	}
	if v.count > 1 {
		r.Sepproxy.Count = v.count
	}
	return r
}

// end writes the outcome of what was allowed.
func (m *month) end(v *visit) {
	if v.record.Sepproxy.Verdict != "allow" {
		return
	}
	r := *v.record
	r.Event.Action, r.Event.Type, r.Event.Outcome, r.Event.Duration = audit.ActionOutcome, []string{"connection", "end"}, "success", int64(v.takes)
	switch v.ends {
	case "success":
	case "sni_mismatch":
		v.sent, v.received = 517, 0
		r.Event.Type, r.Sepproxy.Verdict = []string{"connection", "end", "denied"}, "deny"
	default:
		v.sent, v.received = 0, 0
	}
	if v.ends != "success" {
		r.Event.Outcome, r.Event.Reason, r.Sepproxy.Reason = "failure", v.ends, v.ends
	}
	r.Source = &audit.Endpoint{IP: v.client, Port: 50000, Bytes: &v.sent}
	r.Destination = &audit.Endpoint{IP: "192.0.2.1", Port: r.URL.Port, Bytes: &v.received}
	m.write(&r)
	m.truth.ended(v)
}
