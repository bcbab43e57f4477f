package admin

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// used is a Metrics in which every metric has a value.
func used() *Metrics {
	m := NewMetrics(Gauges{
		Tunnels:        func() int { return 3 },
		Connections:    func() int { return 5 },
		PolicyRevision: func() string { return "3f2a9c01d4e7" },
		DiskFreeRatio:  func() (float64, error) { return 0.25, nil },
	})
	m.Request("allow", "catalog", "agent.insight")
	m.Request("allow", "catalog", "agent.insight")
	m.Request("deny", "not_listed", ServiceNone)
	m.TunnelBytes(Sent, 100)
	m.TunnelBytes(Received, 7000)
	m.TunnelBytes(Received, -1)
	m.UpstreamDial(20 * time.Millisecond)
	m.PolicyReload(true)
	m.PolicyReload(false)
	m.PolicyReload(false)
	m.AuditRecord("decision")
	m.AuditError()
	return m
}

func TestMetricsAreWellFormed(t *testing.T) {
	problems, err := testutil.GatherAndLint(used().registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// The names and labels that dashboards depend on.
func TestMetricsHaveTheirNamesLabelsAndValues(t *testing.T) {
	const want = `
# HELP sepproxy_audit_disk_free_ratio Free share of the file system that holds the audit trail.
# TYPE sepproxy_audit_disk_free_ratio gauge
sepproxy_audit_disk_free_ratio 0.25
# HELP sepproxy_audit_errors_total Records that could not be written to the audit trail.
# TYPE sepproxy_audit_errors_total counter
sepproxy_audit_errors_total 1
# HELP sepproxy_audit_records_total Records written to the audit trail, by action.
# TYPE sepproxy_audit_records_total counter
sepproxy_audit_records_total{action="decision"} 1
sepproxy_audit_records_total{action="lifecycle"} 0
sepproxy_audit_records_total{action="outcome"} 0
# HELP sepproxy_connections_active Client connections that are open now, tunnels among them.
# TYPE sepproxy_connections_active gauge
sepproxy_connections_active 5
# HELP sepproxy_policy_info Always 1; the label is the revision of the policy in force.
# TYPE sepproxy_policy_info gauge
sepproxy_policy_info{revision="3f2a9c01d4e7"} 1
# HELP sepproxy_policy_reloads_total Policies read after the first one, by what became of them.
# TYPE sepproxy_policy_reloads_total counter
sepproxy_policy_reloads_total{result="applied"} 1
sepproxy_policy_reloads_total{result="rejected"} 2
# HELP sepproxy_requests_total Proxied requests by final verdict, reason and service.
# TYPE sepproxy_requests_total counter
sepproxy_requests_total{reason="catalog",service="agent.insight",verdict="allow"} 2
sepproxy_requests_total{reason="not_listed",service="none",verdict="deny"} 1
# HELP sepproxy_tunnel_bytes_total Bytes through tunnels: sent by clients, received from servers.
# TYPE sepproxy_tunnel_bytes_total counter
sepproxy_tunnel_bytes_total{direction="received"} 7000
sepproxy_tunnel_bytes_total{direction="sent"} 100
# HELP sepproxy_tunnels_active Tunnels that are open now.
# TYPE sepproxy_tunnels_active gauge
sepproxy_tunnels_active 3
`
	names := []string{}
	for line := range strings.Lines(want) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			names = append(names, strings.Fields(name)[0])
		}
	}
	if err := testutil.GatherAndCompare(used().registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
	if got := own(t, used()); len(got) != len(names)+1 || !slices.Contains(got, "sepproxy_upstream_dial_seconds") {
		t.Errorf("the registry has %v, want %v and sepproxy_upstream_dial_seconds", got, names)
	}
}

func TestDialTimesFallIntoBuckets(t *testing.T) {
	families, err := used().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "sepproxy_upstream_dial_seconds" {
			continue
		}
		h := f.GetMetric()[0].GetHistogram()
		if h.GetSampleCount() != 1 || h.GetSampleSum() != 0.02 {
			t.Errorf("got %d dials of %g s together, want 1 of 0.02 s", h.GetSampleCount(), h.GetSampleSum())
		}
		for _, b := range h.GetBucket() {
			if in := b.GetUpperBound() >= 0.02; in != (b.GetCumulativeCount() == 1) {
				t.Errorf("bucket up to %g s has %d", b.GetUpperBound(), b.GetCumulativeCount())
			}
		}
		return
	}
	t.Error("no sepproxy_upstream_dial_seconds")
}

func TestWhatIsNotKnownIsLeftOut(t *testing.T) {
	for name, g := range map[string]Gauges{
		"nil functions": {},
		"no answers": {
			PolicyRevision: func() string { return "" },
			DiskFreeRatio:  func() (float64, error) { return 0, errors.New("statfs") },
		},
	} {
		for _, metric := range own(t, NewMetrics(g)) {
			if metric == "sepproxy_policy_info" || metric == "sepproxy_audit_disk_free_ratio" {
				t.Errorf("%s: %s is there", name, metric)
			}
		}
	}
}

func TestCountingDoesNotAllocate(t *testing.T) {
	m := used()
	for name, count := range map[string]func(){
		"Request":      func() { m.Request("allow", "catalog", "agent.insight") },
		"TunnelBytes":  func() { m.TunnelBytes(Received, 4096) },
		"UpstreamDial": func() { m.UpstreamDial(time.Second) },
		"AuditRecord":  func() { m.AuditRecord("decision") },
	} {
		if got := testing.AllocsPerRun(100, count); got != 0 {
			t.Errorf("%s allocates %g times", name, got)
		}
	}
}

func TestTheGoRuntimeAndTheProcessAreMeasured(t *testing.T) {
	families, err := used().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range families {
		prefix, _, _ := strings.Cut(f.GetName(), "_")
		found[prefix] = true
	}
	if !found["go"] || !found["process"] {
		t.Errorf("metrics begin with %v, want go and process among them", slices.Sorted(maps.Keys(found)))
	}
}

// own gives the names of the project's metrics in m, in order.
func own(t *testing.T, m *Metrics) []string {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "sepproxy_") {
			names = append(names, f.GetName())
		}
	}
	return names
}
