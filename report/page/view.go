package page

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/sepproxy/sepproxy/report"
)

// How many rows people are shown of what has no natural bound.
const (
	maxEndpoints = 100
	maxClients   = 50
	maxEvents    = 50
	maxHosts     = 6 // of one reason
	maxUploads   = 5 // clients of one shared host
)

// A view is what the templates see. Its methods write numbers and times in the page's language.
type view struct {
	*words
	R    *report.Report
	Live *Now // nil on a report

	CSP     string
	Style   template.CSS
	Script  template.JS
	Version string
	now     time.Time
	groups  map[string]string // titles
}

func newView(r *report.Report, live *Now, o Options) *view {
	v := &view{words: wordsOf(o.Lang), R: r, Live: live, CSP: reportCSP(), Style: template.CSS(style), //nolint:gosec // our own file
		Script: template.JS(script), Version: o.Version, now: o.Now, groups: map[string]string{}} //nolint:gosec // our own file
	for _, g := range o.Groups {
		v.groups[g.ID] = g.Title.In(o.Lang)
	}
	return v
}

// F fills a text in.
func (v *view) F(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// N writes a number.
func (v *view) N(n any) string {
	switch n := n.(type) {
	case int64:
		return humanize.FormatInteger(v.Thousands, int(n))
	case uint64:
		return humanize.FormatInteger(v.Thousands, int(min(n, 1<<62)))
	case int:
		return humanize.FormatInteger(v.Thousands, n)
	}
	return fmt.Sprint(n)
}

// Size writes bytes.
func (v *view) Size(n int64) string {
	return strings.Replace(humanize.IBytes(uint64(max(n, 0))), ".", v.Decimal, 1)
}

// Rate writes bytes a second.
func (v *view) Rate(n float64) string { return fmt.Sprintf(v.PerSecond, v.Size(int64(n))) }

// Percent writes a share.
func (v *view) Percent(part, whole int64) string {
	if whole <= 0 {
		return "0 %"
	}
	share := 100 * float64(part) / float64(whole)
	if share > 0 && share < 0.1 {
		return "< 0" + v.Decimal + "1 %"
	}
	return strings.Replace(fmt.Sprintf("%.1f %%", share), ".", v.Decimal, 1)
}

// Ratio writes a share that is a number from 0 to 1.
func (v *view) Ratio(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

// At writes a time.
func (v *view) At(t any) string { return v.clock(t, "2006-01-02 15:04") }

// Second writes a time to the second.
func (v *view) Second(t any) string { return v.clock(t, "2006-01-02 15:04:05") }

func (v *view) clock(t any, layout string) string {
	at, ok := t.(time.Time)
	if m, moment := t.(report.Moment); moment {
		at, ok = m.Time, true
	}
	if !ok || at.IsZero() {
		return "–"
	}
	return at.UTC().Format(layout)
}

// ISO writes a time for programs.
func (v *view) ISO(m report.Moment) string { return m.UTC().Format(time.RFC3339) }

// Now is when the page was made.
func (v *view) Now() string { return v.At(v.now) }

// Mean tells what a reason code means; "" where nobody knows.
func (v *view) Mean(code string) string { return v.Reasons[code] }

// Kind names a lifecycle event.
func (v *view) Kind(kind string) string {
	if name := v.Kinds[kind]; name != "" {
		return name
	}
	return kind
}

// Class names what kind of thing an undocumented endpoint is.
func (v *view) Class(class string) string {
	switch class {
	case report.ClassVendor:
		return v.ClassVendor
	case report.ClassPKI:
		return v.ClassPKI
	case report.ClassPlatform:
		return v.ClassPlatform
	}
	return v.ClassOther
}

// UsedServices counts the documented ones in use.
func (v *view) UsedServices() int { return v.DocumentedServices() - len(v.R.Unused) }

// DocumentedServices counts those in force.
func (v *view) DocumentedServices() (n int) {
	for i := range v.R.Services {
		if v.R.Services[i].Documented {
			n++
		}
	}
	return n
}

// A group is services under one heading.
type group struct {
	Title    string
	Services []report.Service
}

// UsedByGroup gives the services in use by group, in the catalog's order; local ones come last.
func (v *view) UsedByGroup() []group {
	return v.byGroup(func(s *report.Service) bool { return s.Used })
}

// UnusedByGroup gives the documented services that nobody used.
func (v *view) UnusedByGroup() []group {
	return v.byGroup(func(s *report.Service) bool { return s.Documented && !s.Used })
}

func (v *view) byGroup(wanted func(*report.Service) bool) (groups []group) {
	at := map[string]int{}
	for i := range v.R.Services {
		s := &v.R.Services[i]
		if !wanted(s) {
			continue
		}
		id := s.Group
		if !s.Documented {
			id = ""
		}
		place, known := at[id]
		if !known {
			place, at[id] = len(groups), len(groups)
			groups = append(groups, group{Title: v.groupTitle(id)})
		}
		groups[place].Services = append(groups[place].Services, *s)
	}
	slices.SortStableFunc(groups, func(a, b group) int { return last(a.Title == v.LocalGroup) - last(b.Title == v.LocalGroup) })
	return groups
}

func last(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func (v *view) groupTitle(id string) string {
	switch {
	case id == "":
		return v.LocalGroup
	case v.groups[id] != "":
		return v.groups[id]
	}
	return id
}

// Name is a service's title, or its id where no catalog has it.
func (v *view) Name(s report.Service) string {
	if s.Title != "" {
		return s.Title
	}
	return s.ID
}

// Endpoints gives the undocumented ones that are shown: most requests first on a report, last seen
// first on the live page.
func (v *view) Endpoints() []report.Undocumented {
	list := v.R.Undocumented
	if v.Live != nil {
		list = slices.Clone(list)
		slices.SortStableFunc(list, func(a, b report.Undocumented) int { return b.LastSeen.Compare(a.LastSeen.Time) })
	}
	return list[:min(len(list), maxEndpoints)]
}

// MoreEndpoints counts those that are not shown.
func (v *view) MoreEndpoints() int { return len(v.R.Undocumented) - len(v.Endpoints()) }

// Rule is the line of policy.yaml that would let an endpoint pass.
func (v *view) Rule(url string) string { return fmt.Sprintf("- {url: %q}", url) }

// Counts writes what was counted by name: "not_listed 12, observed 3".
func (v *view) Counts(list []report.Count) string {
	var parts []string
	for _, c := range list {
		parts = append(parts, c.Name+" "+v.N(c.Count))
	}
	return strings.Join(parts, ", ")
}

// Some writes the first most of a list, and how many more there are in all.
func (v *view) Some(list []string, most, all int) string {
	text := strings.Join(list[:min(len(list), most)], ", ")
	if more := all - min(len(list), most); more > 0 {
		text += fmt.Sprintf(" +%s", v.N(more))
	}
	return text
}

// AskedFor names clients of an endpoint.
func (v *view) AskedFor(u report.Undocumented) string {
	return fmt.Sprintf(v.AskedBy, v.Some(u.Addresses, maxHosts, u.Clients))
}

// DeniedHosts names what a reason kept out.
func (v *view) DeniedHosts(d report.Denial) string {
	var names []string
	for _, h := range d.Hosts[:min(len(d.Hosts), maxHosts)] {
		name := h.Host
		if h.Port != 0 && h.Port != 443 {
			name = fmt.Sprintf("%s:%d", h.Host, h.Port)
		}
		names = append(names, name)
	}
	return v.Some(names, maxHosts, len(d.Hosts))
}

// Tenanted gives the shared hosts that somebody used.
func (v *view) Tenanted() []report.MultiTenant {
	return slices.DeleteFunc(slices.Clone(v.R.MultiTenant), func(t report.MultiTenant) bool { return t.Requests == 0 && t.Bytes == (report.Bytes{}) })
}

// Senders names who sent most to a shared host.
func (v *view) Senders(t report.MultiTenant) string {
	var names []string
	for _, u := range t.Uploads {
		names = append(names, u.Client+" ("+v.Size(u.Sent)+")")
	}
	return v.Some(names, maxUploads, len(names))
}

// Top gives the clients that are shown.
func (v *view) Top() []report.Client { return v.R.PerClient[:min(len(v.R.PerClient), maxClients)] }

// MoreClients counts those that are not shown.
func (v *view) MoreClients() int { return len(v.R.PerClient) - len(v.Top()) }

// History gives the latest events, newest first.
func (v *view) History() []report.Event {
	list := slices.Clone(v.R.Events)
	slices.Reverse(list)
	return list[:min(len(list), maxEvents)]
}
