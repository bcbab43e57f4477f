package catalog

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func export(t testing.TB, c *Catalog, format string, o Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := Export(&out, c, format, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestExportedYAMLIsTheSameCatalog(t *testing.T) {
	for name, c := range map[string]*Catalog{"built-in": Builtin(), "small": mustParse(t, good)} {
		if back := mustParse(t, export(t, c, "yaml", Options{})); !reflect.DeepEqual(back, c) {
			t.Errorf("%s: got %+v\nwant %+v", name, back, c)
		}
	}
}

func TestExportIsTheSameEveryTime(t *testing.T) {
	for _, format := range Formats() {
		first := export(t, Builtin(), format, Options{})
		if again := export(t, Builtin(), format, Options{}); again != first || first == "" {
			t.Errorf("%s is %q, then %q", format, first, again)
		}
	}
}

func TestExportedGroupBringsItsHostsAlong(t *testing.T) {
	c := mustParse(t, export(t, Builtin(), "yaml", Options{Group: "sepm-cloud"}))
	if len(c.Groups) != 1 || c.Groups[0].ID != "sepm-cloud" || len(c.Hosts) != 2 {
		t.Errorf("got %d groups and %+v", len(c.Groups), c.Hosts)
	}
}

func TestExportedJSONHasThePartsOfAnEndpoint(t *testing.T) {
	var got struct {
		Groups []struct {
			ID       string
			Services []struct {
				Endpoints []map[string]any
			}
		}
	}
	if err := json.Unmarshal([]byte(export(t, mustParse(t, good), "json", Options{})), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"scheme": "http", "host": "one.example.com", "port": 80.0, "path": "/x",
		"versions": "< 14.3 RU1", "note": map[string]any{"es": "nota"}}
	if e := got.Groups[0].Services[0].Endpoints[1]; !reflect.DeepEqual(e, want) {
		t.Errorf("got %v, want %v", e, want)
	}
}

func TestExportedCSVHasARowPerEndpointOfEachService(t *testing.T) {
	text := export(t, Builtin(), "csv", Options{Lang: "es"})
	if !strings.HasPrefix(text, "group,service,scheme,host,port,path,versions,title\n") {
		t.Errorf("the header is %.80q", text)
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	endpoints := 0
	for s := range Builtin().Services() {
		endpoints += len(s.Endpoints)
	}
	if len(rows) != endpoints+1 {
		t.Errorf("%d rows for %d endpoints", len(rows)-1, endpoints)
	}
	want := []string{"sepm", "sepm.liveupdate", "http", "liveupdate.symantec.com", "80", "", "< 14.3 RU1", "LiveUpdate del gestor"}
	if !slices.ContainsFunc(rows, func(row []string) bool { return slices.Equal(row, want) }) {
		t.Errorf("there is no row %q", want)
	}
}

func TestCSVCellsAreNoFormulas(t *testing.T) {
	for title, want := range map[string]string{
		`=HYPERLINK("https://x","y")`: `'=HYPERLINK("https://x","y")`,
		"+1":                          "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "  =1+1": "'  =1+1", "＝1": "'＝1",
		"plain, with a comma": "plain, with a comma", "a=b": "a=b",
	} {
		c := mustParse(t, strings.Replace(good, "{en: One}", "{en: '"+title+"'}", 1))
		rows, err := csv.NewReader(strings.NewReader(export(t, c, "csv", Options{}))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if got := rows[1][7]; got != want {
			t.Errorf("%q is written %q, want %q", title, got, want)
		}
	}
}

func TestExportedHostsAreDistinctAndSorted(t *testing.T) {
	text := export(t, Builtin(), "hosts", Options{})
	hosts := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(hosts) != 35 || !slices.IsSorted(hosts) || len(slices.Compact(slices.Clone(hosts))) != 35 || !strings.HasSuffix(text, "\n") {
		t.Errorf("got %d lines: %v", len(hosts), hosts)
	}
	if got := export(t, Builtin(), "hosts", Options{Group: "sepm-cloud"}); strings.Count(got, "\n") != 4 {
		t.Errorf("sepm-cloud has hosts %q, want 4", got)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errBroken }

var errBroken = errors.New("broken pipe")

func TestExportErrors(t *testing.T) {
	for _, format := range Formats() {
		if err := Export(brokenPipe{}, Builtin(), format, Options{}); !errors.Is(err, errBroken) {
			t.Errorf("%s to a broken pipe: %v", format, err)
		}
	}
	err := Export(&bytes.Buffer{}, Builtin(), "xml", Options{})
	if err == nil || err.Error() != `unknown format "xml": choose one of csv, dnsmasq, edl, fortigate, hosts, json, pac, squid, yaml, zscaler` {
		t.Errorf("xml: %v", err)
	}
	err = Export(&bytes.Buffer{}, Builtin(), "csv", Options{Group: "agents"})
	if err == nil || err.Error() != `unknown group "agents": the catalog has agent, agent-cloud, sepm, sepm-cloud, icdm` {
		t.Errorf("agents: %v", err)
	}
}
