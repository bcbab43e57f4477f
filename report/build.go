package report

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/catalog"
)

// Options say what a report covers.
type Options struct {
	// Services is every documented service in force: each has its row, used or not.
	Services []catalog.Service
	// Since and Until bound the time of the records that count: from Since on, before Until. Zero
	// is open.
	Since, Until time.Time
	// Lang is the language of titles and of Report.Write: "es", or English for anything else.
	Lang string
	// Progress is told how many bytes of how many were read, often, from the goroutine of Build.
	// A pipe among the files has no size: done may pass total. It may be nil.
	Progress func(done, total int64)
}

// maxWarnings is how many warnings a report keeps.
const maxWarnings = 100

// Build reads the trails in files: current and rotated files of any number of proxies, plain or
// gzip, in any order. A file that is given twice, also as a copy, counts once: the longest copy.
// Memory does not grow with the files, only with what the collector's bounds allow.
//
// What cannot be read of a file is in Report.Broken and Report.Warnings. An error means that there
// is no report: a file cannot be opened, or ctx ended.
func Build(ctx context.Context, files []string, o Options) (*Report, error) {
	b := &builder{collector: newCollector(&o), options: &o}
	sources, err := openSources(ctx, files)
	if err != nil {
		return nil, err
	}
	var done, total int64
	for _, s := range sources {
		total += s.size
	}
	progress := func(n int) {
		done += int64(n)
		if o.Progress != nil {
			o.Progress(done, total)
		}
	}
	for _, s := range sources {
		if err := b.count(ctx, s, progress); err != nil {
			return nil, err
		}
	}
	return b.report(), nil
}

// A builder turns files into a report.
type builder struct {
	*collector
	options  *Options
	broken   int64
	warnings []string
	unsaid   int // warnings beyond maxWarnings
}

// count reads one file, and checks on the way that the shorter copies of it are copies.
func (b *builder) count(ctx context.Context, s *source, progress func(n int)) error {
	record := func(line int, r *audit.Record) error {
		for _, c := range s.copies {
			if c.line == line && c.chain != r.Chain {
				b.warn("%s begins like %s and then differs; only the longer, %s, is counted: see which one is sound with sepproxy audit verify",
					c.path, s.path, s.path)
			}
		}
		b.record(r)
		return nil
	}
	return s.read(ctx, progress, record, func(line int, err error) {
		if line == 0 {
			b.warn("%s: %v; the rest of the file is not counted", s.path, err)
			return
		}
		b.broken++
		b.warn("%s:%d: %v", s.path, line, err)
	})
}

func (b *builder) warn(format string, args ...any) {
	if len(b.warnings) >= maxWarnings {
		b.unsaid++
		return
	}
	b.warnings = append(b.warnings, printable(fmt.Sprintf(format, args...)))
}

func (b *builder) report() *Report {
	r := &Report{
		From: Moment{b.period.from}, To: Moment{b.period.to},
		Records: b.records, Transactions: b.total.requests(),
		Failures: b.total.failures, Clients: b.total.clients.len(), Bytes: b.total.bytes,
		Broken: b.broken, Warnings: b.warnings, lang: b.options.Lang,
	}
	r.Allowed, r.Denied = b.total.verdicts()
	if b.unsaid > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d more of these", b.unsaid))
	}
	r.Policies = slices.SortedFunc(maps.Keys(b.policies.values), func(p, q string) int {
		return cmp.Or(b.policies.values[p].from.Compare(b.policies.values[q].from), strings.Compare(p, q))
	})
	r.Policies = notNil(r.Policies)
	r.Services, r.Unused = b.serviceRows()
	r.Undocumented = b.undocumentedRows()
	r.Denials = b.denialRows()
	return r
}

func notNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// serviceRows gives the documented services in their order, then the others by id, and the ids of
// the documented ones that were not used.
func (b *builder) serviceRows() (rows []Service, unused []string) {
	rows, unused = []Service{}, []string{}
	endpoints := b.endpointRows()
	documented := map[string]bool{}
	for _, s := range b.options.Services {
		row := Service{ID: s.ID, Group: s.Group, Documented: true,
			Title: s.Title.In(b.options.Lang), Purpose: s.Purpose.In(b.options.Lang)}
		b.fill(&row, s.Endpoints, endpoints[s.ID])
		rows = append(rows, row)
		documented[s.ID] = true
		if !row.Used {
			unused = append(unused, s.ID)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(b.services.values)) {
		if !documented[id] {
			row := Service{ID: id}
			b.fill(&row, nil, endpoints[id])
			rows = append(rows, row)
		}
	}
	return rows, unused
}

// fill adds what was counted for the service. Its documented endpoints come in their order.
func (b *builder) fill(row *Service, listed []catalog.Endpoint, seen []Endpoint) {
	t := b.services.values[row.ID]
	row.Used = t.used()
	row.Requests, row.Failures, row.Clients, row.Bytes = t.requests(), t.failures, t.clients.len(), t.bytes
	_, row.Denied = t.verdicts()
	row.FirstSeen, row.LastSeen = t.seen()
	row.SharedWith = notNil(slices.Sorted(maps.Keys(b.shared[row.ID])))
	row.Endpoints = seen
	place := func(e Endpoint) int {
		i := slices.IndexFunc(listed, func(l catalog.Endpoint) bool { return l.Host == e.Host && l.Port == e.Port })
		if i < 0 {
			return len(listed)
		}
		return i
	}
	slices.SortStableFunc(row.Endpoints, func(x, y Endpoint) int { return place(x) - place(y) })
	if row.Endpoints == nil {
		row.Endpoints = []Endpoint{}
	}
}

// endpointRows gives the endpoints of each service by host and port, Other last.
func (b *builder) endpointRows() map[string][]Endpoint {
	rows := map[string][]Endpoint{}
	keys := slices.SortedFunc(maps.Keys(b.endpoints.values), func(x, y serviceAddress) int {
		return byAddress(x.address, y.address)
	})
	for _, k := range keys {
		t := b.endpoints.values[k]
		e := Endpoint{Host: k.host, Port: k.port, Requests: t.requests(), Failures: t.failures,
			Clients: t.clients.len(), Bytes: t.bytes}
		_, e.Denied = t.verdicts()
		e.FirstSeen, e.LastSeen = t.seen()
		rows[k.service] = append(rows[k.service], e)
	}
	return rows
}

// undocumentedRows leaves out what was not asked for in the period, and puts most requests first.
func (b *builder) undocumentedRows() []Undocumented {
	rows := []Undocumented{}
	for k, u := range b.undocumented.values {
		row := Undocumented{Host: k.host, Port: k.port, Requests: u.requests(), Clients: u.clients.len(),
			Suggest: suggestion(u.scheme, k)}
		row.Allowed, row.Denied = u.verdicts()
		row.FirstSeen, row.LastSeen = u.seen()
		if row.Requests > 0 {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(x, y Undocumented) int {
		return byRequests(address{x.Host, x.Port}, address{y.Host, y.Port}, x.Requests, y.Requests)
	})
	return rows
}

// suggestion gives the URL of a rule for the address, or "" where the policy would not take it.
func suggestion(scheme string, to address) string {
	url := catalog.Endpoint{Scheme: scheme, Host: to.host, Port: to.port}.URL()
	if _, err := catalog.ParseHost(to.host); err != nil {
		return ""
	}
	// What is not written as the policy would write it does not come from a request.
	if e, err := catalog.ParseURL(url); err != nil || e.URL() != url {
		return ""
	}
	return url
}

func (b *builder) denialRows() []Denial {
	hosts := map[string][]DeniedHost{}
	for k, t := range b.denials.values {
		if k.host != "" {
			hosts[k.reason] = append(hosts[k.reason], DeniedHost{k.host, k.port, t.requests(), t.clients.len()})
		}
	}
	var rows []Denial
	for reason, t := range b.reasons.values {
		slices.SortFunc(hosts[reason], func(x, y DeniedHost) int {
			return byRequests(address{x.Host, x.Port}, address{y.Host, y.Port}, x.Requests, y.Requests)
		})
		rows = append(rows, Denial{reason, t.requests(), t.clients.len(), hosts[reason]})
	}
	slices.SortFunc(rows, func(x, y Denial) int {
		return byRequests(address{host: x.Reason}, address{host: y.Reason}, x.Requests, y.Requests)
	})
	return rows
}

// byRequests puts most requests first, Other last.
func byRequests(x, y address, xRequests, yRequests int64) int {
	if x.host == Other || y.host == Other {
		return byAddress(x, y)
	}
	return cmp.Or(cmp.Compare(yRequests, xRequests), byAddress(x, y))
}

func byAddress(x, y address) int {
	last := func(a address) int {
		if a.host == Other {
			return 1
		}
		return 0
	}
	return cmp.Or(last(x)-last(y), strings.Compare(x.host, y.host), cmp.Compare(x.port, y.port))
}
