//go:build linux

package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

const (
	alertRules   = "../deploy/prometheus/sepproxy.rules.yaml"
	alertTests   = "../deploy/prometheus/sepproxy.rules.test.yaml"
	grafanaBoard = "../deploy/grafana/sepproxy.json"
)

// wants skips the test where a program of a Debian package is not there.
func wants(t testing.TB, command, debian string) {
	t.Helper()
	if _, err := exec.LookPath(command); err != nil {
		missing(t, "%v: install Debian's %s", err, debian)
	}
}

func TestAlertRules(t *testing.T) {
	wants(t, "promtool", "prometheus")
	for _, args := range [][]string{{"check", "rules", "--lint-fatal", alertRules}, {"test", "rules", alertTests}} {
		if out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
	for _, alert := range alerts(t) {
		if !strings.Contains(content(t, alertTests), `alertname="`+alert[1]+`"`) && !strings.Contains(content(t, alertTests), "alertname: "+alert[1]) {
			t.Errorf("no test raises %s", alert[1])
		}
	}
}

// alerts gives the name of each alert, after the whole match.
func alerts(t testing.TB) [][]string {
	t.Helper()
	found := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(content(t, alertRules), -1)
	if len(found) < 10 {
		t.Fatalf("only %d alerts", len(found))
	}
	return found
}

func content(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A dashboard is what the test looks at of Grafana's JSON.
type dashboard struct {
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
}

// TestDashboardOnRealMetrics lets a Prometheus read the metrics of a proxy with traffic, and asks it
// everything that the dashboard asks. No query may come back empty.
func TestDashboardOnRealMetrics(t *testing.T) {
	wants(t, "prometheus", "prometheus")
	var d dashboard
	if err := json.Unmarshal([]byte(content(t, grafanaBoard)), &d); err != nil || len(d.Panels) < 10 {
		t.Fatalf("%d panels, %v", len(d.Panels), err)
	}
	p := start(t, settings{hosts: everyHost(echoOrigin(t))})
	prometheus := startPrometheus(t, p.admin)
	traffic := func() {
		p.passes(always)
		p.refuses(unlisted, http.StatusForbidden, "not_listed")
	}
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			query := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*").Replace(target.Expr)
			if strings.Contains(query, "$") {
				t.Errorf("%s: the test does not know a variable of %s", panel.Title, query)
				continue
			}
			eventually(t, panel.Title+": a result of "+query, func() bool {
				traffic()
				samples, err := prometheus.ask(query)
				if err != nil {
					t.Fatalf("%s: %v", panel.Title, err)
				}
				return samples > 0
			})
		}
	}
	prometheus.hasAlerts(len(alerts(t)))
}

// A monitor is a running Prometheus.
type monitor struct {
	t       testing.TB
	address string
}

// startPrometheus runs a Prometheus with the alert rules that reads metrics each second.
func startPrometheus(t testing.TB, admin string) *monitor {
	t.Helper()
	dir := t.TempDir()
	rules, err := filepath.Abs(alertRules)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs:\n"+
		"  - {job_name: sepproxy, static_configs: [{targets: [%q]}]}\n", rules, admin)
	path := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &monitor{t, freeAddress(t)}
	cmd := exec.Command("prometheus", "--config.file="+path, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+m.address, "--log.level=warn")
	var said strings.Builder
	cmd.Stderr, cmd.Env = &said, environment()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus wrote\n%s", said.String())
		}
	})
	eventually(t, "prometheus is ready", func() bool {
		resp, err := http.Get("http://" + m.address + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return m
}

// freeAddress is one on which nobody listens, for programs that cannot tell which they took.
func freeAddress(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// get reads an answer of the API (https://prometheus.io/docs/prometheus/latest/querying/api/).
func (m *monitor) get(path string, data any) error {
	resp, err := http.Get("http://" + m.address + "/api/v1/" + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", answer.Status, answer.Error)
	}
	return nil
}

// ask gives the number of samples in the result; what is not a number is none.
func (m *monitor) ask(query string) (samples int, err error) {
	var data struct {
		Result []struct{ Value [2]any }
	}
	err = m.get("query?query="+url.QueryEscape(query), &data)
	for _, r := range data.Result {
		if r.Value[1] != "NaN" {
			samples++
		}
	}
	return samples, err
}

// hasAlerts wants that many rules, all of which could be evaluated on the real metrics.
func (m *monitor) hasAlerts(n int) {
	m.t.Helper()
	type rules struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	eventually(m.t, "every alert is evaluated", func() bool {
		var data rules
		if err := m.get("rules", &data); err != nil {
			m.t.Fatal(err)
		}
		fine := 0
		for _, g := range data.Groups {
			for _, r := range g.Rules {
				if r.LastError != "" {
					m.t.Fatalf("%s: %s", r.Name, r.LastError)
				}
				if r.Health == "ok" {
					fine++
				}
			}
		}
		return fine == n
	})
}
