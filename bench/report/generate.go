//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/gofrs/uuid/v5"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/catalog"
)

// logs are the same transactions twice: as the audit trail that sepproxy writes and as the log of Squid.
type logs struct {
	trail, squid         string // files
	trailBytes, squidLen int64
}

const clients = 2000

// generate writes both files. Equal seeds give equal transactions.
func generate(dir string, transactions int, seed uint64) (l *logs, err error) {
	l = &logs{trail: filepath.Join(dir, "audit.jsonl"), squid: filepath.Join(dir, "access.log")}
	g := &generator{random: rand.New(rand.NewPCG(seed, 0))} //nolint:gosec // it has to be the same again
	g.clock.Store(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	for s := range catalog.Builtin().Services() {
		for _, e := range s.Endpoints {
			g.documented = append(g.documented, target{e, s.ID})
		}
	}
	for i := range 60 {
		g.others = append(g.others, target{catalog.Endpoint{Scheme: "https", Host: fmt.Sprintf("host-%d.example.net", i), Port: 443}, ""})
	}
	if g.trail, err = audit.Open(audit.Options{Path: l.trail, Sync: audit.SyncNever, Hostname: "proxy-1", Version: "bench",
		Now: g.now}); err != nil {
		return nil, err
	}
	squid, err := os.Create(l.squid)
	if err != nil {
		return nil, errors.Join(err, g.trail.Close())
	}
	g.squid = bufio.NewWriter(squid)
	for range transactions {
		if err == nil {
			err = g.transaction()
		}
	}
	err = errors.Join(err, g.squid.Flush(), squid.Close(), g.trail.Close())
	for path, size := range map[string]*int64{l.trail: &l.trailBytes, l.squid: &l.squidLen} {
		if info, statErr := os.Stat(path); statErr == nil {
			*size = info.Size()
		}
	}
	return l, err
}

type target struct {
	catalog.Endpoint
	service string // "" for what is not documented, and denied
}

type generator struct {
	random             *rand.Rand
	clock              atomic.Int64 // nanoseconds since 1970; the trail asks from other goroutines too
	documented, others []target
	trail              *audit.Log
	squid              *bufio.Writer
}

func (g *generator) now() time.Time { return time.Unix(0, g.clock.Load()).UTC() }

// transaction writes one to both files: decision and outcome of the trail, one line of Squid's.
func (g *generator) transaction() error {
	to := g.documented[g.random.IntN(len(g.documented))]
	if g.random.IntN(50) == 0 {
		to = g.others[g.random.IntN(len(g.others))]
	}
	now := time.Unix(0, g.clock.Add(g.random.Int64N(20_000_000))).UTC()
	n := g.random.IntN(clients)
	client := fmt.Sprintf("10.0.%d.%d", n/250, 1+n%250)
	decision := g.record(to, client)
	if err := g.trail.Write(decision); err != nil {
		return err
	}
	took, sent, received := 1+g.random.Int64N(60_000), 500+g.random.Int64N(5_000), 500+g.random.Int64N(100_000)
	status := "TCP_DENIED/403"
	if to.service != "" {
		status = "TCP_TUNNEL/200"
		if err := g.trail.Write(outcome(decision, took, sent, received)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(g.squid, "%d.%03d %6d %s %s %d CONNECT %s:%d - HIER_DIRECT/192.0.2.7 -\n",
		now.Unix(), now.Nanosecond()/1e6, took, client, status, received, to.Host, to.Port)
	return err
}

func (g *generator) record(to target, client string) *audit.Record {
	id, _ := uuid.NewV7AtTime(g.now()) // fails only where the system has no random numbers
	documented := to.service != ""
	r := &audit.Record{
		Time:        g.now(),
		Event:       audit.Event{Category: []string{"network"}, Action: audit.ActionDecision, Type: []string{"connection", "start", "allowed"}, Reason: "catalog"},
		Transaction: &audit.Transaction{ID: id.String()},
		Source:      &audit.Endpoint{IP: client, Port: uint16(32768 + g.random.IntN(28000))},
		HTTP:        &audit.HTTP{Request: &audit.HTTPRequest{Method: "CONNECT"}},
		URL:         &audit.URL{Scheme: to.Scheme, Domain: to.Host, Port: to.Port},
		Sepproxy: audit.Sepproxy{Verdict: "allow", Reason: "catalog", Documented: &documented, Client: "private",
			Mode: "enforce", Policy: "3f2a9c01d4e7"},
	}
	if documented {
		r.Rule = &audit.Rule{Name: to.service, Ruleset: "sep-ses"}
		r.Sepproxy.Services = []string{to.service}
		return r
	}
	r.Event.Type, r.Event.Reason = []string{"connection", "denied"}, "not_listed"
	r.Sepproxy.Verdict, r.Sepproxy.Reason = "deny", "not_listed"
	return r
}

func outcome(decision *audit.Record, milliseconds, sent, received int64) *audit.Record {
	r := *decision
	r.Event.Action, r.Event.Type, r.Event.Outcome = audit.ActionOutcome, []string{"connection", "end"}, "success"
	r.Event.Duration = milliseconds * int64(time.Millisecond)
	r.Source = &audit.Endpoint{IP: r.Source.IP, Port: r.Source.Port, Bytes: &sent}
	r.Destination = &audit.Endpoint{IP: "192.0.2.7", Port: r.URL.Port, Bytes: &received}
	r.TLS = &audit.TLS{Client: &audit.TLSClient{ServerName: r.URL.Domain}}
	r.Sepproxy.TLS = &audit.Offered{ALPN: []string{"h2", "http/1.1"}, Version: []string{"1.3", "1.2"}}
	return &r
}
