//go:build linux

package e2e_test

import (
	"encoding/json"
	"maps"
	"slices"
)

// A reported is what the tests read of report --format json.
type reported struct {
	Records, Transactions, Allowed, Denied int64
	Services                               []struct {
		ID                         string
		Documented, Used           bool
		Requests, Failures, Denied int64
		Clients                    int
		BytesReceived              int64 `json:"bytes_received"`
		BytesSent                  int64 `json:"bytes_sent"`
		Endpoints                  []struct {
			Host             string
			Port             uint16
			Requests, Denied int64
		}
	}
	Unused       []string
	Undocumented []struct {
		Host                      string
		Port                      uint16
		Requests, Allowed, Denied int64
		Clients                   int64
	}
}

func (p *proxy) report() (r reported) {
	p.t.Helper()
	out, code := sepproxy(p.t, "report", "--format=json", p.config())
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
		p.t.Fatalf("report ends with %d: %v", code, err)
	}
	return r
}

// compareReport holds the report against what the clients counted.
func (s *site) compareReport() {
	s.t.Helper()
	r := s.proxy.report()
	denied := int64(0)
	for _, e := range s.ledger.entries {
		if verdict, _ := e.final(); verdict == "deny" {
			denied++
		}
	}
	requests := int64(len(s.ledger.entries))
	if r.Transactions != requests || r.Denied != denied || r.Allowed != requests-denied || r.Records != int64(len(s.proxy.records())) {
		s.t.Errorf("reported %d records, %d transactions, %d allowed, %d denied; the clients counted %d and %d denied",
			r.Records, r.Transactions, r.Allowed, r.Denied, requests, denied)
	}
	if got, want := asJSON(r.rows()), asJSON(s.ledger.services()); got != want {
		s.t.Errorf("services: reported\n%s\ncounted\n%s", got, want)
	}
	if got, want := r.undocumented(), s.ledger.undocumented(); !maps.Equal(got, want) {
		s.t.Errorf("undocumented: reported %v, counted %v", got, want)
	}
	for _, service := range r.Services {
		if service.Documented && service.Used == slices.Contains(r.Unused, service.ID) {
			s.t.Errorf("%s: used is %v, and unused is %v", service.ID, service.Used, r.Unused)
		}
	}
	if !slices.Contains(r.Unused, "icdm.console") {
		s.t.Errorf("nobody used icdm.console, and unused is %v", r.Unused)
	}
}

// rows gives the services that were used, in the ledger's form.
func (r reported) rows() map[string]*row {
	rows := map[string]*row{}
	for _, s := range r.Services {
		if !s.Used {
			continue
		}
		rows[s.ID] = &row{Requests: s.Requests, Failures: s.Failures, Denied: s.Denied, Clients: s.Clients,
			BytesReceived: s.BytesReceived, BytesSent: s.BytesSent, Endpoints: map[string][2]int64{}}
		for _, e := range s.Endpoints {
			if e.Requests > 0 {
				rows[s.ID].Endpoints[entry{host: e.Host, port: e.Port}.address()] = [2]int64{e.Requests, e.Denied}
			}
		}
	}
	return rows
}

func (r reported) undocumented() map[string][4]int64 {
	rows := map[string][4]int64{}
	for _, u := range r.Undocumented {
		rows[entry{host: u.Host, port: u.Port}.address()] = [4]int64{u.Requests, u.Allowed, u.Denied, u.Clients}
	}
	return rows
}

func asJSON(v any) string {
	text, _ := json.MarshalIndent(v, "", " ") // cannot fail on what is handed in here
	return string(text)
}
