package audit

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// usual are records as the proxy writes them, which the fast parser has to read by itself.
func usual() map[string]*Record {
	denied, served, flood, odd, tunnel := decision(), decision(), decision(), decision(), decision()
	denied.Event.Type = []string{"connection", "denied"}
	denied.Sepproxy.Verdict, denied.Sepproxy.Reason, denied.Sepproxy.Services = "deny", "not_listed", nil
	denied.Rule = nil
	flood.Sepproxy.Count = 40
	odd.URL = &URL{Original: "***@host:443"}
	odd.HTTP = &HTTP{Request: &HTTPRequest{}}
	sent, received := int64(700), int64(0)
	for _, r := range []*Record{served, tunnel} {
		r.Event.Action, r.Event.Type, r.Event.Outcome, r.Event.Duration = ActionOutcome, []string{"connection", "end"}, "success", 12345678901
		r.Source.Bytes = &sent
		r.Destination = &Endpoint{IP: "2001:db8::1", Port: 443, Bytes: &received}
	}
	served.URL = &URL{Scheme: "http", Domain: "liveupdate.symantec.com", Port: 80, Path: "/a%20b"}
	served.HTTP.Response = &HTTPResponse{StatusCode: 206}
	served.Sepproxy.Services = []string{"agent.liveupdate", "sepm.liveupdate"}
	tunnel.TLS = &TLS{Client: &TLSClient{ServerName: "ent-shasta-rrs.symantec.com"}}
	tunnel.Sepproxy.TLS = &Offered{ALPN: []string{"h2", "http/1.1"}, Version: []string{"1.3", "1.2"}}
	tunnel.Destination.IP, tunnel.Destination.Port = "", 0
	return map[string]*Record{"decision": decision(), "denied": denied, "plain HTTP": served, "flood": flood, "odd": odd, "tunnel": tunnel}
}

func TestUsualRecordsNeedNoEncodingJSON(t *testing.T) {
	var p fastParser
	for name, r := range usual() {
		r.Time, r.ECS.Version, r.Event.Dataset, r.Event.Sequence = time.Date(2026, 2, 28, 23, 59, 59, 7, time.UTC), ecsVersion, dataset, 42
		line := strings.TrimSuffix(encodeLine(t, genesis, r), "\n")
		got, ok := p.parse([]byte(line))
		if !ok {
			t.Errorf("%s: not read:\n%s", name, line)
			continue
		}
		if want, err := parseJSON([]byte(line)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, got %+v\nwant %+v", name, err, got, want)
		}
		raw := []byte(line)
		p.brief = true
		if n := testing.AllocsPerRun(100, func() { p.parse(raw) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		p.brief = false
	}
}

func TestUnusualLinesAreLeftToEncodingJSON(t *testing.T) {
	line := strings.TrimSuffix(encodeLine(t, genesis, withEnvelope(decision())), "\n")
	for _, change := range [][2]string{
		{`{"@`, ` {"@`}, {`"agent.insight"`, `"agent.insig\u0068t"`}, {`proxy-1`, "pro\x7fxy\u00e9"}, {`51034`, `051034`}, {`51034`, `65536`},
		{`51034`, `-1`}, {`51034`, `5e3`}, {`"sequence":1`, `"sequence":0`}, {`"sequence":1`, `"sequence":1000000000000000000`},
		{`"kind"`, `"KIND"`}, {`2026-11-23T`, `2026-02-29T`}, {`:01.`, `:60.`}, {`Z","ecs"`, `z","ecs"`}, {`"mode"`, `"added":1,"mode"`},
		{`"source":{`, `"source":{},"source":{`}, {dataset, "other"}, {`"services":["agent.insight"]`, `"services":null`},
		{`8000-000000000001"`, `8000-00","x":"001"`},
		{`"documented":true`, `"documented":null`}, {`"},"event"`, `"}"event"`}, {`"}`, `"} `}, {`,"chain"`, `,"more":1,"chain"`},
	} {
		odd := strings.Replace(line, change[0], change[1], 1)
		if odd == line {
			t.Errorf("%s does not stand in %s", change[0], line)
		}
		if r, ok := new(fastParser).parse([]byte(odd)); ok {
			t.Errorf("%s: read as %+v", odd, r)
		}
	}
}

func withEnvelope(r *Record) *Record {
	r.Time, r.ECS.Version, r.Event.Kind = newClock().Now(), ecsVersion, eventKind
	r.Event.Dataset, r.Event.Sequence, r.Observer.Hostname = dataset, 1, "proxy-1"
	return r
}

// What the fast parser reads is what encoding/json reads.
func FuzzFastParser(f *testing.F) {
	for _, r := range usual() {
		f.Add([]byte(strings.TrimSuffix(encodeLine(f, genesis, withEnvelope(r)), "\n")))
	}
	f.Add([]byte(strings.TrimSuffix(encodeLine(f, genesis, fullRecord()), "\n")))
	var p fastParser
	f.Fuzz(func(t *testing.T, line []byte) {
		got, ok := p.parse(line)
		if !ok {
			return
		}
		want, err := parseJSON(line)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v\n got %+v\nwant %+v\n%s", err, got, want, line)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	line := []byte(strings.TrimSuffix(encodeLine(b, genesis, withEnvelope(usual()["tunnel"])), "\n"))
	b.Run("fast", func(b *testing.B) {
		var p fastParser
		b.SetBytes(int64(len(line)))
		for b.Loop() {
			if _, ok := p.parse(line); !ok {
				b.Fatal("not read")
			}
		}
	})
	b.Run("json", func(b *testing.B) {
		b.SetBytes(int64(len(line)))
		for b.Loop() {
			if _, err := parseJSON(line); err != nil {
				b.Fatal(err)
			}
		}
	})
}
