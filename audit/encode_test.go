package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// encodeLine is what Log.put writes, after a given chain.
func encodeLine(t testing.TB, previous link, r *Record) string {
	t.Helper()
	line := appendRecord(previous[:], r)
	return string(appendSeal(line, seal(line))[len(previous):])
}

// fill sets every member of v, each to something else.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, *n, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.String:
		v.SetString(fmt.Sprintf("text-%d", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint16, reflect.Uint64:
		v.SetUint(uint64(*n))
	default:
		panic("a kind of member that the encoder does not know: " + v.Type().String())
	}
}

// members lists the paths of all leaves that the json tags of a type name.
func members(path string, typ reflect.Type, into map[string]bool) {
	switch {
	case typ.Kind() == reflect.Pointer:
		members(path, typ.Elem(), into)
	case typ.Kind() == reflect.Struct && typ != reflect.TypeFor[time.Time]():
		for i := range typ.NumField() {
			tag, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			members(path+"/"+tag, typ.Field(i).Type, into)
		}
	default:
		into[path] = true
	}
}

func leaves(path string, v any, into map[string]bool) {
	object, ok := v.(map[string]any)
	if !ok {
		into[path] = true
	}
	for k, member := range object {
		leaves(path+"/"+k, member, into)
	}
}

func fullRecord() *Record {
	var r Record
	n := 0
	fill(reflect.ValueOf(&r).Elem(), &n)
	r.Event.Dataset = dataset
	return &r
}

func TestEveryMemberReachesTheLine(t *testing.T) {
	want, got := map[string]bool{}, map[string]bool{}
	members("", reflect.TypeFor[Record](), want)
	var line any
	if err := json.Unmarshal([]byte(encodeLine(t, genesis, fullRecord())), &line); err != nil {
		t.Fatal(err)
	}
	leaves("", line, got)
	if !maps.Equal(want, got) {
		t.Errorf("members of the struct\n%v\nmembers of the line\n%v", slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
	}
}

func TestReadingGivesWhatWasWritten(t *testing.T) {
	r := fullRecord()
	line := encodeLine(t, genesis, r)
	got, err := ParseLine([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	_, chain, ok := unseal([]byte(strings.TrimSuffix(line, "\n")))
	if !ok {
		t.Fatal("the line has no chain")
	}
	r.Chain = chain.String()
	if !reflect.DeepEqual(got, r) {
		t.Errorf("wrote %+v\nread %+v", r, got)
	}
}

func TestLineIsTheDocumentedOne(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t), Now: newClock().Now})
	write(t, l, 1)
	body := `{"@timestamp":"2026-11-23T14:55:01.123456789Z","ecs":{"version":"8.17.0"},` +
		`"event":{"kind":"event","dataset":"sepproxy.audit","category":["network"],"action":"decision",` +
		`"type":["connection","start","allowed"],"reason":"catalog","sequence":1},` +
		`"observer":{"hostname":"proxy-1"},` +
		`"transaction":{"id":"0199aaaa-0000-7000-8000-000000000001"},` +
		`"source":{"ip":"10.0.0.7","port":51034},` +
		`"http":{"request":{"method":"CONNECT"}},` +
		`"url":{"scheme":"https","domain":"ent-shasta-rrs.symantec.com","port":443},` +
		`"rule":{"name":"agent.insight","ruleset":"sep-ses"},` +
		`"sepproxy":{"verdict":"allow","reason":"catalog","documented":true,"services":["agent.insight"],` +
		`"client":"private","mode":"enforce","policy":"3f2a9c01d4e7"}`
	want := body + `,"chain":"` + seal([]byte(strings.Repeat("0", 64)+body)).String() + `"}` + "\n"
	if got := readLines(t, l.opts.Path)[0]; got+"\n" != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWhatIsWrittenThoughItIsZero(t *testing.T) {
	yes, none := true, int64(0)
	for name, c := range map[string]struct {
		record Record
		want   string
	}{
		"an outcome's duration":              {Record{Event: Event{Action: ActionOutcome}}, `"duration":0`},
		"bytes that are known":               {Record{Source: &Endpoint{Bytes: &none}}, `"source":{"bytes":0}`},
		"services of an undocumented host":   {Record{Sepproxy: Sepproxy{Documented: &yes}}, `"services":[]`},
		"nine digits of a second":            {Record{Time: time.Unix(0, 0)}, `"1970-01-01T00:00:00.000000000Z"`},
		"times of another zone as UTC":       {Record{Time: time.Unix(0, 0).In(time.FixedZone("", 3600))}, `"1970-01-01T00:00:00.000000000Z"`},
		"bytes that are not UTF-8, harmless": {Record{Message: "a\xffb\"\n"}, `"message":"a\ufffdb\"\n"`},
	} {
		if line := encodeLine(t, genesis, &c.record); !strings.Contains(line, c.want) {
			t.Errorf("%s: want %s in %s", name, c.want, line)
		}
	}
	if line := encodeLine(t, genesis, &Record{Event: Event{Action: ActionDecision}}); strings.Contains(line, "duration") {
		t.Errorf("a decision has no duration: %s", line)
	}
}

func TestStartHasTheFullObserver(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t), Version: "1.2.3"})
	start := lifecycle(LifecycleStart, "started", time.Time{})
	if err := l.Write(start); err != nil {
		t.Fatal(err)
	}
	want := Observer{Hostname: "proxy-1", Type: "proxy", Product: "sepproxy", Version: "1.2.3"}
	if got := records(t, l.opts.Path)[0].Observer; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestOtherJSONIsNoRecord(t *testing.T) {
	for _, line := range []string{"", "{}", "null", "[]", `{"event":{"dataset":"nginx.access","sequence":3}}`, `{"event":`} {
		if r, err := ParseLine([]byte(line)); err == nil {
			t.Errorf("%s was read as %+v", line, r)
		}
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add([]byte(encodeLine(f, genesis, fullRecord())))
	f.Add([]byte(`{"event":{"dataset":"sepproxy.audit","sequence":1},"source":{},"sepproxy":{"documented":false}}`))
	f.Add([]byte(`{"@timestamp":"9999-12-31T23:59:59-23:59","event":{"dataset":"sepproxy.audit","sequence":1}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseLine(line)
		if err != nil {
			return
		}
		once := encodeLine(t, genesis, r)
		again, err := ParseLine([]byte(once))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, once)
		}
		if twice := encodeLine(t, genesis, again); twice != once {
			t.Errorf("written %s\nand again %s", once, twice)
		}
		if bytes.Count([]byte(once), []byte("\n")) != 1 {
			t.Errorf("more than one line: %q", once)
		}
	})
}

// Whatever a text holds, JSON gives it back; what is not UTF-8 as U+FFFD, as encoding/json does.
func FuzzQuoted(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\/\b\x00\x1f\n\r\t\x7f", "ñ\u2028😀", "\xff\xc3a\xe2\x82", "<&>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		line := appendQuoted(nil, s)
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%q is written as %s: %v", s, line, err)
		}
		marshalled, _ := json.Marshal(s)
		var want string
		if err := json.Unmarshal(marshalled, &want); err != nil || got != want {
			t.Fatalf("%q is written as %s and read as %q, want %q", s, line, got, want)
		}
	})
}
