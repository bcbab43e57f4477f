package report

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sepproxy/sepproxy/audit"
)

// A truth is what happened, counted while it did, and nothing of the report's code.
type truth struct {
	transactions, denied, failures int64
	bytes                          Bytes
	policies                       []string
	clients                        map[string]int64 // requests by address
	services, undocumented         map[string]*happenings
	uploads                        map[string]int64 // to storage, by client
	days                           map[string]int64 // requests by day
}

type happenings struct {
	requests, denied int64
	bytes            Bytes
	clients          map[string]bool
	first, last      time.Time
}

func newTruth() truth {
	return truth{clients: map[string]int64{}, services: map[string]*happenings{}, undocumented: map[string]*happenings{},
		uploads: map[string]int64{}, days: map[string]int64{}}
}

// rows gives all that a visit counts in.
func (tr *truth) rows(v *visit) []*happenings {
	var rows []*happenings
	row := func(of map[string]*happenings, key string) {
		if of[key] == nil {
			of[key] = &happenings{clients: map[string]bool{}}
		}
		rows = append(rows, of[key])
	}
	for _, id := range v.record.Sepproxy.Services {
		row(tr.services, id)
	}
	if u := v.record.URL; u.Domain != "" && !*v.record.Sepproxy.Documented {
		row(tr.undocumented, fmt.Sprintf("%s://%s:%d", u.Scheme, u.Domain, u.Port))
	}
	return rows
}

func (tr *truth) decided(v *visit, at time.Time) {
	refused := int64(0)
	if v.record.Sepproxy.Verdict == "deny" {
		refused = v.count
	}
	tr.transactions += v.count
	tr.denied += refused
	tr.clients[v.client] += v.count
	tr.days[at.Format(time.DateOnly)] += v.count
	for _, row := range tr.rows(v) {
		row.requests += v.count
		row.denied += refused
		row.clients[v.client] = true
		if row.first.IsZero() {
			row.first = at
		}
		row.last = at
	}
}

func (tr *truth) ended(v *visit) {
	tr.bytes.Sent += v.sent
	tr.bytes.Received += v.received
	if v.record.URL.Domain == storage {
		tr.uploads[v.client] += v.sent
	}
	turned := int64(0)
	switch v.ends {
	case "success":
	case "sni_mismatch":
		turned = 1
	default:
		tr.failures++
	}
	tr.denied += turned
	for _, row := range tr.rows(v) {
		row.denied += turned
		row.bytes.Sent += v.sent
		row.bytes.Received += v.received
	}
}

func TestMonthOfASite(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			m := simulate(t, path, seed)
			files, err := audit.Files(path)
			if err != nil || len(files) < 5 {
				t.Fatalf("%d files, %v", len(files), err)
			}
			r := build(t, ofVendor(), files...)
			m.compareTotals(r)
			m.compareServices(r)
			m.compareUndocumented(r)
			m.compareTimes(r)
			m.namesTheCast(r)
		})
	}
}

func (m *month) compareTotals(r *Report) {
	want := m.truth
	if r.Transactions != want.transactions || r.Denied != want.denied || r.Allowed != want.transactions-want.denied ||
		r.Failures != want.failures || r.Bytes != want.bytes || r.Clients != len(want.clients) {
		m.t.Errorf("%d transactions, %d denied, %d failed, %+v, %d clients; truth: %d, %d, %d, %+v, %d", r.Transactions, r.Denied, r.Failures, r.Bytes, r.Clients,
			want.transactions, want.denied, want.failures, want.bytes, len(want.clients))
	}
	for _, c := range r.PerClient {
		if c.Requests != want.clients[c.Address] {
			m.t.Errorf("client %s: %d requests, truth: %d", c.Address, c.Requests, want.clients[c.Address])
		}
	}
	if !slices.Equal(r.Policies, want.policies) || len(r.PerClient) != len(want.clients) {
		m.t.Errorf("policies %v, %d clients; truth: %v, %d", r.Policies, len(r.PerClient), want.policies, len(want.clients))
	}
	if !r.Trail.Intact || r.Trail.Trails != 1 || r.Trail.Records != r.Records || len(r.Warnings) > 0 {
		m.t.Errorf("trail %+v, warnings %q", r.Trail, r.Warnings)
	}
}

func (m *month) compareServices(r *Report) {
	var alone, joint int64
	for _, s := range r.Services {
		want := m.truth.services[s.ID]
		if want == nil {
			want = &happenings{}
		}
		if s.Requests != want.requests || s.Denied != want.denied || s.Clients != len(want.clients) || s.Bytes != want.bytes || s.Used != (want.requests > 0) {
			m.t.Errorf("%s: %d requests, %d denied, %d clients, %+v; truth: %d, %d, %d, %+v", s.ID, s.Requests, s.Denied, s.Clients, s.Bytes,
				want.requests, want.denied, len(want.clients), want.bytes)
		}
		alone += s.Requests - s.Joint
	}
	for id := range m.truth.services {
		if r.service(id).ID == "" {
			m.t.Errorf("%s is missing", id)
		}
	}
	for _, j := range r.Joint {
		joint += j.Requests
	}
	none := int64(0)
	for _, v := range m.plan {
		if len(v.record.Sepproxy.Services) == 0 {
			none += v.count
		}
	}
	if alone+joint+none != r.Transactions {
		m.t.Errorf("%d of one service, %d of several, %d of none: not %d", alone, joint, none, r.Transactions)
	}
}

func (m *month) compareUndocumented(r *Report) {
	got := map[string]Undocumented{}
	for _, u := range r.Undocumented {
		got[fmt.Sprintf("%s://%s:%d", u.Scheme, u.Host, u.Port)] = u
	}
	for key, want := range m.truth.undocumented {
		u := got[key]
		if u.Requests != want.requests || u.Denied != want.denied || u.Clients != len(want.clients) || u.Bytes != want.bytes ||
			!u.FirstSeen.Equal(want.first) || !u.LastSeen.Equal(want.last) {
			m.t.Errorf("%s: %+v; truth: %+v", key, u, *want)
		}
	}
	if len(got) != len(m.truth.undocumented) {
		m.t.Errorf("%d undocumented endpoints, truth: %d", len(got), len(m.truth.undocumented))
	}
}

func (m *month) compareTimes(r *Report) {
	points, byDay := int64(0), map[string]int64{}
	for _, p := range r.Timeline.Points {
		points += p.Requests
		if p.Requests > 0 {
			byDay[p.At.Format(time.DateOnly)] += p.Requests
		}
	}
	if points != m.truth.transactions || !maps.Equal(byDay, m.truth.days) || len(r.Timeline.Days) != 30 || !r.Timeline.Days[0].Equal(m.begins) {
		m.t.Errorf("%d requests in points, days %v; truth: %d", points, r.Timeline.Days, m.truth.transactions)
	}
	for _, s := range r.Services {
		sum := int64(0)
		for _, n := range s.Days {
			sum += n
		}
		if sum != s.Requests {
			m.t.Errorf("%s: %d requests on days, %d in all", s.ID, sum, s.Requests)
		}
	}
	changes := 0
	for _, e := range r.Events {
		if e.Kind == audit.LifecyclePolicyLoaded && e.Policy == m.truth.policies[changes] {
			changes++
		}
	}
	if changes != 2 {
		m.t.Errorf("%d changes of the policy in %+v", changes, r.Events)
	}
}

// namesTheCast reads what people read.
func (m *month) namesTheCast(r *Report) {
	uploads := r.MultiTenant[0]
	if uploads.Host != storage || uploads.Uploads[0].Client != attacker {
		m.t.Errorf("most was uploaded to %s by %+v", uploads.Host, uploads.Uploads[0])
	}
	for _, u := range uploads.Uploads {
		if u.Sent != m.truth.uploads[u.Client] {
			m.t.Errorf("%s sent %d, truth: %d", u.Client, u.Sent, m.truth.uploads[u.Client])
		}
	}
	text, fragment := r.text(m.t, TextStyle{}), r.fragment(m.t)
	for what, want := range map[string]string{
		"attacker's upload":  "                          " + attacker,
		"misconfigured":      "\n  " + misconfigured,
		"attacker":           "\n  " + attacker,
		"the new host":       newHost + " resembles the documented usea1.r3.securitycloud.symantec.com",
		"certificate status": "ocsp.digicert.com",
		"the system's noise": "www.msftconnecttest.com",
		"wrong SNI":          "\n  sni_mismatch",
		"what nobody used":   "\n  icdm.console",
	} {
		if !strings.Contains(text, want) {
			m.t.Errorf("the text does not name %s (%q):\n%s", what, want, text)
		}
	}
	for _, want := range []string{
		"\n  # " + newHost + ":443: vendor: ",
		fmt.Sprintf("from %s", minute(Moment{m.truth.undocumented["https://"+newHost+":443"].first})),
		"\n  - {url: \"https://" + newHost + "\", service: local.vendor, ",
		"\n  - {url: \"http://ocsp.digicert.com\", service: local.pki, ",
		"\n#  - {url: \"http://www.msftconnecttest.com\", service: local.platform, ",
	} {
		if !strings.Contains(fragment, want) {
			m.t.Errorf("no %q in\n%.6000s", want, fragment)
		}
	}
	first := m.truth.undocumented["https://"+newHost+":443"].first
	if got := int(first.Sub(m.begins).Hours() / 24); got != newHostDay {
		m.t.Errorf("the new host appears on day %d", got)
	}
}
