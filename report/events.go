package report

import (
	"slices"

	"github.com/sepproxy/sepproxy/audit"
)

const (
	maxEvents  = 1_000 // lifecycle records that a report keeps
	maxMessage = 1_000 // characters of the message of each
)

// events keeps the latest lifecycle records.
type events struct{ list []Event }

// happened makes an event of a lifecycle record.
func happened(r *audit.Record) *Event {
	return &Event{At: Moment{r.Time}, Kind: short(r.Sepproxy.Lifecycle), Observer: short(r.Observer.Hostname),
		Policy: short(r.Sepproxy.Policy), Message: shorten(r.Message, maxMessage)}
}

func (e *events) note(happened Event) {
	if len(e.list) >= 2*maxEvents {
		e.list = e.latest()
	}
	e.list = append(e.list, happened)
}

// latest gives the last maxEvents by time.
func (e *events) latest() []Event {
	slices.SortStableFunc(e.list, func(a, b Event) int { return a.At.Compare(b.At.Time) })
	return append([]Event{}, e.list[max(0, len(e.list)-maxEvents):]...)
}
