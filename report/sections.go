package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// How many rows people are shown of what has no natural bound.
const (
	shownUndocumented = 50
	shownHosts        = 5 // of one reason
	shownPolicies     = 5
	shownClients      = 10
	shownUploads      = 5 // of one host
	shownProblems     = 5 // of the trail
)

// A section is one heading of the report for people, in no format yet.
type section struct {
	title   string
	columns []column
	rows    [][]string
	notes   []string
	yaml    []string // lines to copy into a file
}

// A column is right-aligned where it holds numbers; code is for what clients or files named. Text
// shows at most most characters of a cell, so that no name pushes the numbers off the screen; CSV
// and JSON have names in full.
type column struct {
	title string
	right bool
	code  bool
	alarm bool // people should look at what is not 0
	most  int  // 0: no limit, and it never gives way to other columns
}

const (
	serviceWidth = 46
	hostWidth    = 46
	deniedWidth  = 58 // the longest name that the vendor documents
	reasonWidth  = 22
	clientWidth  = 39 // an IPv6 address
)

func (r *Report) sections() []section {
	w := r.words()
	all := []section{r.summary(w)}
	all = append(all, r.usedServices(w)...)
	return append(all, r.troubled(w), r.notUsed(w), r.notDocumented(w), r.denied(w), r.shared(w), r.clients(w))
}

func (r *Report) summary(w *words) section {
	clock := func(m Moment) string {
		if m.IsZero() {
			return "?"
		}
		return m.UTC().Format("2006-01-02 15:04:05")
	}
	period := w.nothing
	if r.Records > 0 {
		period = fmt.Sprintf("%s %s %s", clock(r.From), w.to, clock(r.To))
	}
	rows := [][]string{
		{w.period, period},
		{w.records, w.number(r.Records)},
		{w.transactions, w.number(r.Transactions)},
		{w.allowed, w.number(r.Allowed)},
		{w.denied, w.number(r.Denied)},
		{w.failures, w.number(r.Failures)},
		{w.clients, w.number(int64(r.Clients))},
		{w.data, fmt.Sprintf("%s %s, %s %s", strings.ToLower(w.received), size(r.Bytes.Received),
			strings.ToLower(w.sent), size(r.Bytes.Sent))},
		{w.policies, w.lastOf(r.Policies)},
	}
	if r.Broken > 0 {
		rows = append(rows, []string{w.broken, w.number(r.Broken)})
	}
	s := section{title: w.heading, columns: []column{{}, {}}, rows: rows}
	r.trail(w, &s)
	return s
}

// trail tells whether the chain is whole, and where it is not.
func (r *Report) trail(w *words, s *section) {
	if r.Trail.Files == 0 {
		return // nothing was checked
	}
	state := fmt.Sprintf(w.intact, w.number(r.Trail.Records))
	if !r.Trail.Intact {
		state = fmt.Sprintf(w.damaged, w.number(int64(len(r.Trail.Problems)+r.Trail.More)))
		s.notes = append(s.notes, r.Trail.Problems[:min(len(r.Trail.Problems), shownProblems)]...)
	}
	s.rows = append(s.rows, []string{w.chain, state})
}

// usedServices has a section for each group that has a service in use.
func (r *Report) usedServices(w *words) []section {
	var all []section
	for i := range r.Services {
		s := &r.Services[i]
		if !s.Used {
			continue
		}
		title := w.used + ": " + s.Group
		if !s.Documented {
			title = w.used + ": " + w.localGroup
		}
		if len(all) == 0 || all[len(all)-1].title != title {
			all = append(all, section{title: title, columns: []column{{title: w.service, most: serviceWidth}, {title: w.requests, right: true},
				{title: w.clients, right: true}, {title: w.received, right: true}, {title: w.sent, right: true}, {title: w.lastSeen}}})
		}
		here := &all[len(all)-1]
		mark := ""
		if len(s.SharedWith) > 0 {
			mark = " *"
			here.notes = []string{w.sharedNote}
		}
		here.rows = append(here.rows, []string{named(s, mark), w.number(s.Requests), w.number(int64(s.Clients)),
			size(s.Received), size(s.Sent), minute(s.LastSeen)})
	}
	if all == nil {
		all = []section{{title: w.used}}
	}
	return all
}

// named is the title, and the id of what has none, with a mark if it shares endpoints.
func named(s *Service, mark string) string {
	name := []rune(printable(cmp.Or(s.Title, s.ID)))
	if most := serviceWidth - len(mark); len(name) > most {
		return string(name[:most-1]) + "…" + mark
	}
	return string(name) + mark
}

func (r *Report) troubled(w *words) section {
	s := section{title: w.troubled, columns: []column{{title: w.service, code: true, most: serviceWidth}, {title: w.requests, right: true},
		{title: w.failures, right: true}, {title: w.denied, right: true, alarm: true}}}
	for _, row := range r.Services {
		if row.Failures+row.Denied > 0 {
			s.rows = append(s.rows, []string{row.ID, w.number(row.Requests), w.number(row.Failures), w.number(row.Denied)})
		}
		if row.Denied > 0 && row.Breaks != "" {
			s.notes = append(s.notes, fmt.Sprintf(w.breaks, row.ID, row.Breaks))
		}
	}
	return s
}

// shared says who sent how much to hosts under whose names others are reached too.
func (r *Report) shared(w *words) section {
	s := section{title: w.multiTenant, columns: []column{{title: w.host, code: true, most: hostWidth}, {title: w.client, code: true, most: clientWidth},
		{title: w.requests, right: true}, {title: w.sent, right: true}, {title: w.received, right: true}}}
	for _, m := range r.MultiTenant {
		if m.Requests == 0 && m.Bytes == (Bytes{}) {
			continue
		}
		s.rows = append(s.rows, []string{m.Host, "", w.number(m.Requests), size(m.Sent), size(m.Received)})
		for i, u := range m.Uploads {
			if i == shownUploads {
				s.rows = append(s.rows, []string{"", "… +" + w.number(int64(len(m.Uploads)-i)), "", "", ""})
				break
			}
			s.rows = append(s.rows, []string{"", u.Client, w.number(u.Requests), size(u.Sent), size(u.Received)})
		}
	}
	if s.rows != nil {
		s.notes = []string{w.multiTenantNote}
	}
	return s
}

// clients shows those with most requests, and those with most denied ones among the others.
func (r *Report) clients(w *words) section {
	s := section{title: w.clientsTitle, columns: []column{{title: w.client, code: true, most: clientWidth}, {title: w.network, code: true, most: reasonWidth},
		{title: w.requests, right: true}, {title: w.denied, right: true, alarm: true}, {title: w.unlisted, right: true},
		{title: w.received, right: true}, {title: w.sent, right: true}, {title: w.lastSeen}}}
	rows := slices.Clone(r.PerClient)
	busiest := min(len(rows), shownClients)
	slices.SortStableFunc(rows[busiest:], func(a, b Client) int { return cmp.Compare(b.Denied, a.Denied) })
	for i, c := range rows {
		if i >= busiest && (i >= 2*shownClients || c.Denied == 0) {
			s.notes = []string{fmt.Sprintf(w.moreClients, len(rows)-i)}
			break
		}
		s.rows = append(s.rows, []string{c.Address, c.Name, w.number(c.Requests), w.number(c.Denied), w.number(c.Undocumented),
			size(c.Received), size(c.Sent), minute(c.LastSeen)})
	}
	return s
}

func (r *Report) notUsed(w *words) section {
	s := section{title: w.unused, columns: []column{{title: w.service, code: true, most: serviceWidth}, {title: w.title, most: serviceWidth}}}
	for i := range r.Services {
		if row := &r.Services[i]; row.Documented && !row.Used {
			s.rows = append(s.rows, []string{row.ID, named(row, "")})
		}
	}
	return s
}

func (r *Report) notDocumented(w *words) section {
	s := section{title: w.undocumented, columns: []column{{title: w.host, code: true, most: hostWidth}, {title: w.port, right: true},
		{title: w.class}, {title: w.requests, right: true}, {title: w.allowed, right: true, alarm: true}, {title: w.denied, right: true},
		{title: w.clients, right: true}, {title: w.lastSeen}}}
	for i, u := range r.Undocumented {
		if i == shownUndocumented {
			s.notes = append(s.notes, fmt.Sprintf(w.more, len(r.Undocumented)-i))
			break
		}
		s.rows = append(s.rows, []string{u.Host, port(u.Port), u.Class, w.number(u.Requests), w.number(u.Allowed), w.number(u.Denied),
			w.number(int64(u.Clients)), minute(u.LastSeen)})
		if u.Resembles != "" {
			s.notes = append(s.notes, fmt.Sprintf(w.resembles, u.Host, u.Resembles))
		}
		if u.Suggest != "" && u.Broad == "" {
			s.yaml = append(s.yaml, `- {url: "`+u.Suggest+`"}`) // letters, digits, and of the rest only . - _ : /
		}
	}
	if s.yaml != nil {
		s.notes = append(s.notes, w.suggest)
	}
	return s
}

func (r *Report) denied(w *words) section {
	s := section{title: w.denials, columns: []column{{title: w.reason, code: true, most: reasonWidth}, {title: w.host, code: true, most: deniedWidth},
		{title: w.port, right: true}, {title: w.requests, right: true}, {title: w.clients, right: true}}}
	for _, d := range r.Denials {
		s.rows = append(s.rows, []string{d.Reason, "", "", w.number(d.Requests), w.number(int64(d.Clients))})
		for i, h := range d.Hosts {
			if i == shownHosts {
				s.rows = append(s.rows, []string{"", "… +" + w.number(int64(len(d.Hosts)-i)), "", "", ""})
				break
			}
			s.rows = append(s.rows, []string{"", h.Host, port(h.Port), w.number(h.Requests), w.number(int64(h.Clients))})
		}
	}
	return s
}

// lastOf names the last few policies, of which the last is likely to be in force.
func (w *words) lastOf(policies []string) string {
	if len(policies) == 0 {
		return w.nothing
	}
	var names []string
	earlier := max(0, len(policies)-shownPolicies)
	if earlier > 0 {
		names = append(names, fmt.Sprintf(w.earlier, earlier))
	}
	for _, p := range policies[earlier:] {
		names = append(names, shorten(printable(p), 12))
	}
	return strings.Join(names, ", ")
}

func (w *words) number(n int64) string { return humanize.FormatInteger(w.thousands, int(n)) }

// size is in binary units: 1.2 MiB.
func size(n int64) string { return humanize.IBytes(uint64(n)) }

func minute(m Moment) string {
	if m.IsZero() {
		return ""
	}
	return m.UTC().Format(time.DateOnly + " 15:04")
}
