package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// documented is the report's JSON form as other programs depend on it, written down apart from the
// code that makes it.
type documented struct {
	From         *time.Time `json:"from"`
	To           *time.Time `json:"to"`
	Records      int64      `json:"records"`
	Transactions int64      `json:"transactions"`
	Allowed      int64      `json:"allowed"`
	Denied       int64      `json:"denied"`
	Policies     []string   `json:"policies"`
	Services     []struct {
		ID            string     `json:"id"`
		Group         string     `json:"group"`
		Title         string     `json:"title"`
		Purpose       string     `json:"purpose"`
		Breaks        string     `json:"breaks,omitempty"`
		Documented    bool       `json:"documented"`
		Used          bool       `json:"used"`
		Requests      int64      `json:"requests"`
		JointRequests int64      `json:"joint_requests"`
		Failures      int64      `json:"failures"`
		Denied        int64      `json:"denied"`
		Clients       int64      `json:"clients"`
		BytesReceived int64      `json:"bytes_received"`
		BytesSent     int64      `json:"bytes_sent"`
		FirstSeen     *time.Time `json:"first_seen"`
		LastSeen      *time.Time `json:"last_seen"`
		SharedWith    []string   `json:"shared_with"`
		Endpoints     []struct {
			Host     string `json:"host"`
			Port     uint16 `json:"port"`
			Requests int64  `json:"requests"`
			Denied   int64  `json:"denied"`
		} `json:"endpoints"`
		Days []int64 `json:"days"`
	} `json:"services"`
	Unused       []string `json:"unused"`
	Undocumented []struct {
		Scheme        string            `json:"scheme"`
		Host          string            `json:"host"`
		Port          uint16            `json:"port"`
		Requests      int64             `json:"requests"`
		Allowed       int64             `json:"allowed"`
		Denied        int64             `json:"denied"`
		Failures      int64             `json:"failures"`
		Clients       int64             `json:"clients"`
		BytesReceived int64             `json:"bytes_received"`
		BytesSent     int64             `json:"bytes_sent"`
		FirstSeen     *time.Time        `json:"first_seen"`
		LastSeen      *time.Time        `json:"last_seen"`
		Addresses     []string          `json:"addresses"`
		Methods       []documentedCount `json:"methods"`
		Reasons       []documentedCount `json:"reasons"`
		ServerNames   []documentedCount `json:"server_names"`
		Ended         []documentedCount `json:"ended"`
		Class         string            `json:"class"`
		ClassReason   string            `json:"class_reason"`
		Resembles     string            `json:"resembles,omitempty"`
		Broad         string            `json:"broad,omitempty"`
		Suggest       string            `json:"suggest,omitempty"`
	} `json:"undocumented"`
	Joint []struct {
		Services      []string `json:"services"`
		Host          string   `json:"host"`
		Port          uint16   `json:"port"`
		Requests      int64    `json:"requests"`
		Clients       int64    `json:"clients"`
		BytesReceived int64    `json:"bytes_received"`
		BytesSent     int64    `json:"bytes_sent"`
	} `json:"joint"`
	MultiTenant []struct {
		Host          string `json:"host"`
		Shared        string `json:"shared"`
		Requests      int64  `json:"requests"`
		Denied        int64  `json:"denied"`
		Clients       int64  `json:"clients"`
		BytesReceived int64  `json:"bytes_received"`
		BytesSent     int64  `json:"bytes_sent"`
		Uploads       []struct {
			Client        string `json:"client"`
			Requests      int64  `json:"requests"`
			BytesReceived int64  `json:"bytes_received"`
			BytesSent     int64  `json:"bytes_sent"`
		} `json:"uploads"`
	} `json:"multi_tenant"`
	Clients []struct {
		Address       string     `json:"address"`
		Name          string     `json:"name"`
		Requests      int64      `json:"requests"`
		Denied        int64      `json:"denied"`
		Failures      int64      `json:"failures"`
		Undocumented  int64      `json:"undocumented"`
		BytesReceived int64      `json:"bytes_received"`
		BytesSent     int64      `json:"bytes_sent"`
		FirstSeen     *time.Time `json:"first_seen"`
		LastSeen      *time.Time `json:"last_seen"`
	} `json:"clients"`
	Timeline struct {
		StepSeconds int64 `json:"step_seconds"`
		Points      []struct {
			At            *time.Time `json:"at"`
			Requests      int64      `json:"requests"`
			Denied        int64      `json:"denied"`
			Failures      int64      `json:"failures"`
			BytesReceived int64      `json:"bytes_received"`
			BytesSent     int64      `json:"bytes_sent"`
		} `json:"points"`
		DayStepSeconds int64       `json:"day_step_seconds"`
		Days           []time.Time `json:"days"`
	} `json:"timeline"`
	Events []struct {
		At       *time.Time `json:"at"`
		Kind     string     `json:"kind"`
		Observer string     `json:"observer"`
		Policy   string     `json:"policy"`
		Message  string     `json:"message"`
	} `json:"events"`
	Trail struct {
		Intact        bool     `json:"intact"`
		Trails        int      `json:"trails"`
		Files         int      `json:"files"`
		Records       int64    `json:"records"`
		FirstSequence uint64   `json:"first_sequence"`
		LastSequence  uint64   `json:"last_sequence"`
		LastChain     string   `json:"last_chain"`
		Problems      []string `json:"problems"`
		MoreProblems  int      `json:"more_problems"`
		MissingBefore uint64   `json:"missing_before,omitempty"`
	} `json:"trail"`
}

type documentedCount struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// The same members in the same order, nothing more, nothing less.
func TestJSONHasTheDocumentedShape(t *testing.T) {
	text := buildOf(t, Options{}, site).as(t, "json")
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	var d documented
	if err := dec.Decode(&d); err != nil {
		t.Fatal(err)
	}
	again, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(again) + "\n"; got != text {
		t.Errorf("got\n%s\nthe documented form of it is\n%s", text, got)
	}
	if d.Transactions != 6 || d.Services[0].BytesSent != 5110 || d.Undocumented[0].Suggest != "https://other.example.net" {
		t.Errorf("got %+v", d)
	}
}

func TestJSONOfNothingHasNoNullLists(t *testing.T) {
	text := buildOf(t, Options{Services: services[:1]}, func(*trail) {}).as(t, "json")
	if got := strings.Count(text, "null"); got != 4 { // from, to, first_seen, last_seen
		t.Errorf("%d times null in\n%s", got, text)
	}
}

func TestCSV(t *testing.T) {
	rows, err := csv.NewReader(strings.NewReader(buildOf(t, Options{}, site).as(t, "csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range rows {
		got = append(got, strings.Join(row, ","))
	}
	want := []string{
		"kind,service,group,title,documented,used,host,port,requests,allowed,failures,denied,clients,bytes_received,bytes_sent,first_seen,last_seen,shared_with,suggest,scheme,class,class_reason,resembles,broad",
		"service,agent.insight,agent,Insight,true,true,,,4,3,1,1,2,2300,5110,2026-11-23T12:00:01Z,2026-11-23T12:00:07Z,agent.telemetry,,,,,,",
		"endpoint,agent.insight,agent,,true,,rrs.example.com,443,2,2,1,0,1,2000,110,2026-11-23T12:00:01Z,2026-11-23T12:00:03Z,,,,,,,",
		"endpoint,agent.insight,agent,,true,,shared.example.com,443,1,1,0,0,1,300,5000,2026-11-23T12:00:05Z,2026-11-23T12:00:05Z,,,,,,,",
		"endpoint,agent.insight,agent,,true,,rrs.example.com,8443,1,0,0,1,1,0,0,2026-11-23T12:00:07Z,2026-11-23T12:00:07Z,,,,,,,",
		"service,agent.telemetry,agent,Telemetry,true,true,,,1,1,0,0,1,300,5000,2026-11-23T12:00:05Z,2026-11-23T12:00:05Z,agent.insight,,,,,,",
		"endpoint,agent.telemetry,agent,,true,,shared.example.com,443,1,1,0,0,1,300,5000,2026-11-23T12:00:05Z,2026-11-23T12:00:05Z,,,,,,,",
		"service,sepm.liveupdate,sepm,LiveUpdate,true,false,,,0,0,0,0,0,0,0,,,,,,,,,",
		"endpoint,sepm.liveupdate,sepm,,true,,lu.example.com,80,0,0,0,0,0,0,0,,,,,,,,,",
		"undocumented,,,,false,,other.example.net,443,1,0,0,1,1,0,0,2026-11-23T12:00:06Z,2026-11-23T12:00:06Z,,https://other.example.net,https,other,nothing is known of it,,",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestText(t *testing.T) {
	const want = `What passed through sepproxy
  Period (UTC)  2026-11-23 12:00:00 to 2026-11-23 12:00:14
  Records       10
  Transactions  6
  Allowed       3
  Denied        3
  Failed        1
  Clients       3
  Data          received 2.2 KiB, sent 5.0 KiB
  Policies      aaaaaaaaaaaa, bbbbbbbbbbbb
  Audit chain   whole, 10 records

Services in use: agent
  SERVICE      REQUESTS  CLIENTS  RECEIVED     SENT  LAST SEEN
  Insight *           4        2   2.2 KiB  5.0 KiB  2026-11-23 12:00
  Telemetry *         1        1     300 B  4.9 KiB  2026-11-23 12:00
  * shares endpoints with other services; requests to them count in each.

Services with failed or denied requests
  SERVICE        REQUESTS  FAILED  DENIED
  agent.insight         4       1       1

Documented services that nobody used
  SERVICE          TITLE
  sepm.liveupdate  LiveUpdate

Undocumented endpoints
  HOST               PORT  CLASS  REQUESTS  ALLOWED  DENIED  CLIENTS  LAST SEEN
  other.example.net   443  other         1        0       1        1  2026-11-23 12:00
  To let one of them pass, put its line under allow: in policy.yaml (--suggest has the evidence for each):
    - {url: "https://other.example.net"}

Denied, by reason
  REASON             HOST               PORT  REQUESTS  CLIENTS
  malformed_request                                  1        1
  not_listed                                         1        1
                     other.example.net   443         1        1
  port_not_listed                                    1        1
                     rrs.example.com    8443         1        1

Hosts that others than the vendor share
  none

Clients
  CLIENT    ENTRY  REQUESTS  DENIED  UNDOCUMENTED  RECEIVED     SENT  LAST SEEN
  10.0.0.7                4       2             1   2.0 KiB    110 B  2026-11-23 12:00
  10.0.0.8                1       0             0     300 B  4.9 KiB  2026-11-23 12:00
  10.0.0.9                1       1             0       0 B      0 B  2026-11-23 12:00
`
	r := buildOf(t, Options{}, site)
	r.Trail = Trail{Intact: true, Files: 1, Records: 10} // the kit does not compute chains
	if got := r.as(t, "text"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMarkdown(t *testing.T) {
	got := buildOf(t, Options{}, site).as(t, "md")
	for _, want := range []string{
		"# What passed through sepproxy\n\n|  |  |\n| --- | --- |\n",
		"| Service | Requests | Clients | Received | Sent | Last seen |\n| --- | ---: | ---: | ---: | ---: | --- |\n",
		"| `other.example.net` | 443 | other | 1 | 0 | 1 | 1 | 2026-11-23 12:00 |\n",
		"\n```yaml\n- {url: \"https://other.example.net\"}\n```\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no\n%s\nin\n%s", want, got)
		}
	}
}

func TestSpanish(t *testing.T) {
	r := buildOf(t, Options{Lang: "es"}, site)
	text := r.as(t, "text")
	for _, want := range []string{"Servicios en uso: agent", "Información *", "Servicios documentados que nadie usó",
		"Denegado, por motivo"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if r.service("agent.insight").Purpose != "Reputación de archivos" {
		t.Error("the purpose is not Spanish")
	}
	words := reflect.ValueOf(spanish)
	for i := range words.NumField() {
		if words.Field(i).String() == "" || reflect.ValueOf(english).Field(i).String() == "" {
			t.Errorf("no words for %s", words.Type().Field(i).Name)
		}
	}
}

// wide is a report with long names everywhere.
func wide(t *testing.T) *Report {
	t.Helper()
	long := strings.Repeat("a", 60) + "." + strings.Repeat("b", 60) + ".example.com"
	return buildOf(t, Options{}, func(tr *trail) {
		tr.decision(ask{at: noon, client: "2001:db8:1234:5678:9abc:def0:1234:5678", host: long, deny: "address_forbidden", unlisted: true, count: 1_000_000})
		tr.decision(ask{at: noon, client: "10.0.0.1", host: long, unlisted: true, services: []string{"local." + long}})
	})
}

func (r *Report) text(t *testing.T, style TextStyle) string {
	t.Helper()
	var out bytes.Buffer
	if err := r.WriteText(&out, style); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTextFitsATerminal(t *testing.T) {
	r := wide(t)
	for _, width := range []int{90, 100, 120, 200, 0} {
		text, widest := r.text(t, TextStyle{Width: width}), 0
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "    - {url") { // it is copied, and has to be whole
				widest = max(widest, utf8.RuneCountInString(line)-1)
			}
		}
		if most := min(width, 140); width > 0 && widest > most || widest > 140 {
			t.Errorf("%d columns on a terminal of %d:\n%s", widest, width, text)
		}
		if width == 200 && widest < 110 {
			t.Errorf("only %d of 200 columns", widest)
		}
	}
}

var escapeSequence = regexp.MustCompile("\x1b\\[[0-9]+m")

func TestColourChangesNothingElse(t *testing.T) {
	r := buildOf(t, Options{}, site)
	plain, coloured := r.text(t, TextStyle{Width: 100}), r.text(t, TextStyle{Width: 100, Color: true})
	if escapeSequence.ReplaceAllString(coloured, "") != plain || strings.Contains(plain, "\x1b") {
		t.Errorf("got\n%q\nfor\n%q", coloured, plain)
	}
	for _, want := range []string{"\x1b[1mUndocumented endpoints\x1b[0m\n", "\x1b[31m2\x1b[0m"} {
		if !strings.Contains(coloured, want) {
			t.Errorf("no %q in\n%q", want, coloured)
		}
	}
	for _, s := range hostile {
		if text := escapeSequence.ReplaceAllString(attacked(t, s).text(t, TextStyle{Color: true}), ""); steers(text) >= 0 {
			t.Errorf("%q gives %q", s, text[steers(text):])
		}
	}
}

func TestUnknownFormatNamesTheKnownOnes(t *testing.T) {
	err := (&Report{}).Write(nil, "pdf")
	if err == nil || !strings.Contains(err.Error(), "csv, json, md, text") {
		t.Errorf("got %v", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestWriteSaysThatItCouldNot(t *testing.T) {
	for _, format := range slices.Sorted(maps.Keys(formats)) {
		if err := (&Report{}).Write(full{}, format); err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s: got %v", format, err)
		}
	}
}
