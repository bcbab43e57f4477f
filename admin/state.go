package admin

import "github.com/prometheus/client_golang/prometheus"

// Gauges are asked at every scrape, possibly by several goroutines at once, and should answer from
// memory. A nil function leaves its metric out.
type Gauges struct {
	Tunnels        func() int              // open tunnels
	Connections    func() int              // open client connections, tunnels among them
	PolicyRevision func() string           // revision of the policy in force; "" while there is none
	DiskFreeRatio  func() (float64, error) // free share of the audit trail's file system, 0 to 1
}

// state is the collector for Gauges: it keeps nothing and asks each time.
type state struct{ Gauges }

var (
	tunnelsActive = prometheus.NewDesc("sepproxy_tunnels_active",
		"Tunnels that are open now.", nil, nil)
	connectionsActive = prometheus.NewDesc("sepproxy_connections_active",
		"Client connections that are open now, tunnels among them.", nil, nil)
	policyInfo = prometheus.NewDesc("sepproxy_policy_info",
		"Always 1; the label is the revision of the policy in force.", []string{"revision"}, nil)
	diskFreeRatio = prometheus.NewDesc("sepproxy_audit_disk_free_ratio",
		"Free share of the file system that holds the audit trail.", nil, nil)
)

// Describe is for prometheus.Collector.
func (s state) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{tunnelsActive, connectionsActive, policyInfo, diskFreeRatio} {
		out <- d
	}
}

// Collect is for prometheus.Collector. A ratio that cannot be found is left out: no value is
// better than one that an alert would believe.
func (s state) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if s.Tunnels != nil {
		gauge(tunnelsActive, float64(s.Tunnels()))
	}
	if s.Connections != nil {
		gauge(connectionsActive, float64(s.Connections()))
	}
	if s.PolicyRevision != nil {
		if revision := s.PolicyRevision(); revision != "" {
			gauge(policyInfo, 1, revision)
		}
	}
	if s.DiskFreeRatio != nil {
		if ratio, err := s.DiskFreeRatio(); err == nil {
			gauge(diskFreeRatio, ratio)
		}
	}
}
