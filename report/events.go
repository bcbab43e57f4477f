package report

import (
	"slices"

	"github.com/sepproxy/sepproxy/audit"
)

// maxEvents is how many lifecycle records a report keeps.
const maxEvents = 1_000

// events keeps the latest lifecycle records.
type events struct{ list []Event }

func (e *events) note(r *audit.Record) {
	if len(e.list) >= 2*maxEvents {
		e.list = e.latest()
	}
	e.list = append(e.list, Event{At: Moment{r.Time}, Kind: short(r.Sepproxy.Lifecycle), Observer: short(r.Observer.Hostname),
		Policy: short(r.Sepproxy.Policy), Message: shorten(r.Message, maxMessage)})
}

// maxMessage is how many characters of an event's message are kept.
const maxMessage = 1_000

// latest gives the last maxEvents by time.
func (e *events) latest() []Event {
	slices.SortStableFunc(e.list, func(a, b Event) int { return a.At.Compare(b.At.Time) })
	return append([]Event{}, e.list[max(0, len(e.list)-maxEvents):]...)
}
