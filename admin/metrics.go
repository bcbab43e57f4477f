package admin

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Directions of Metrics.TunnelBytes.
const (
	Sent     = "sent"     // from the client to the server
	Received = "received" // from the server to the client
)

// Service labels of Metrics.Request for requests that do not belong to exactly one service.
const (
	ServiceShared = "shared" // several services
	ServiceNone   = "none"   // no service
)

// dialBuckets are upper bounds in seconds: from a host next door to the connect timeouts that
// operators set (10 s by default).
var dialBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// Metrics counts what the proxy does, on a registry of its own. NewMetrics makes it; its methods
// may be called from any goroutine, and allocate nothing once a label was seen.
type Metrics struct {
	registry     *prometheus.Registry
	requests     *prometheus.CounterVec
	tunnelBytes  *prometheus.CounterVec
	dials        prometheus.Histogram
	reloads      *prometheus.CounterVec
	auditRecords *prometheus.CounterVec
	auditErrors  prometheus.Counter
}

// NewMetrics registers every metric of the proxy, the Go runtime's and the process's.
func NewMetrics(g Gauges) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: counters("sepproxy_requests_total",
			"Proxied requests by final verdict, reason and service.", "verdict", "reason", "service"),
		tunnelBytes: counters("sepproxy_tunnel_bytes_total",
			"Bytes through tunnels: sent by clients, received from servers.", "direction"),
		dials: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sepproxy_upstream_dial_seconds", Buckets: dialBuckets,
			Help: "Time to connect to a server, name resolution included."}),
		reloads: counters("sepproxy_policy_reloads_total",
			"Policies read after the first one, by what became of them.", "result"),
		auditRecords: counters("sepproxy_audit_records_total",
			"Records written to the audit trail, by action.", "action"),
		auditErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sepproxy_audit_errors_total",
			Help: "Records that could not be written to the audit trail."}),
	}
	m.registry.MustRegister(m.requests, m.tunnelBytes, m.dials, m.reloads, m.auditRecords, m.auditErrors,
		state{g}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.begin()
	return m
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

// begin makes the series whose labels are known appear as 0, so that a rate over the first event
// is not lost.
func (m *Metrics) begin() {
	for _, direction := range []string{Sent, Received} {
		m.tunnelBytes.WithLabelValues(direction)
	}
	for _, result := range []string{"applied", "rejected"} {
		m.reloads.WithLabelValues(result)
	}
	for _, action := range []string{"decision", "outcome", "lifecycle"} {
		m.auditRecords.WithLabelValues(action)
	}
}

// Request counts one request by its final verdict: call it once, when the verdict can no longer
// change. Service is the one service's id, ServiceShared or ServiceNone; it must come from the
// policy and never from the client, because every new value is a new series.
func (m *Metrics) Request(verdict, reason, service string) {
	m.requests.WithLabelValues(verdict, reason, service).Inc()
}

// TunnelBytes counts n bytes in direction Sent or Received. Less than one byte is not counted.
func (m *Metrics) TunnelBytes(direction string, n int64) {
	if n > 0 {
		m.tunnelBytes.WithLabelValues(direction).Add(float64(n))
	}
}

// UpstreamDial observes how long it took to connect to a server, name resolution included.
func (m *Metrics) UpstreamDial(d time.Duration) { m.dials.Observe(d.Seconds()) }

// PolicyReload counts a policy that was read while another one was in force.
func (m *Metrics) PolicyReload(applied bool) {
	result := "rejected"
	if applied {
		result = "applied"
	}
	m.reloads.WithLabelValues(result).Inc()
}

// AuditRecord counts a record that was written, by its event.action.
func (m *Metrics) AuditRecord(action string) { m.auditRecords.WithLabelValues(action).Inc() }

// AuditError counts a record that could not be written.
func (m *Metrics) AuditError() { m.auditErrors.Inc() }

// handler serves the registry. What one collector cannot tell does not keep back the rest, and a
// crowd of scrapers is told to come again rather than served at the proxy's cost.
func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
	})
}
