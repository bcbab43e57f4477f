package report

import (
	"bytes"
	"reflect"
	"sync"
	"testing"

	"github.com/sepproxy/sepproxy/audit"
)

func TestLiveReportIsTheReportOfTheSameRecords(t *testing.T) {
	var tr trail
	site(&tr)
	path := file(t, "audit.jsonl", tr.Bytes())
	whole := build(t, Options{}, path)
	whole.Trail = Trail{Problems: []string{}}

	lines := bytes.SplitAfter(tr.Bytes(), []byte("\n"))
	live := NewLive(Options{Services: services})
	for _, line := range lines[:len(lines)-1] {
		r, err := audit.ParseLine(line)
		if err != nil {
			t.Fatal(err)
		}
		live.Add(r)
	}
	for range 2 { // asking changes nothing
		if got := live.Report(""); !reflect.DeepEqual(got, whole) {
			t.Errorf("got  %+v\nwant %+v", got, whole)
		}
	}
}

func TestLiveReportOfManyWriters(t *testing.T) {
	const writers, each = 4, 500
	live := NewLive(Options{Services: services})
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				live.Add(lookup.record(audit.ActionDecision))
			}
		})
	}
	live.Report("")
	all.Wait()
	if got := live.Report("").Transactions; got != writers*each {
		t.Errorf("%d transactions", got)
	}
}
