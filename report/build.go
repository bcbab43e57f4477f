package report

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/catalog"
)

// Options say what a report covers.
type Options struct {
	// Services is every documented service in force: each has its row, used or not.
	Services []catalog.Service
	// Catalog is what these services come from, with what the policy leaves out: the vendor's hosts and
	// domains, and which hosts others share. Nil is an empty one.
	Catalog *catalog.Catalog
	// Since and Until bound the time of the records that count: from Since on, before Until. Zero
	// is open.
	Since, Until time.Time
	// SkipChain leaves the chain unchecked, which is more than a third of the work. Report.Trail is zero then.
	SkipChain bool
	// Lang is the language of titles and of Report.Write: "es", or English for anything else.
	Lang string
	// Progress is told how many bytes of how many were read, often, from one goroutine at a time.
	// A pipe among the files has no size: done may pass total. It may be nil.
	Progress func(done, total int64)
}

func (o *Options) catalog() *catalog.Catalog {
	if o.Catalog == nil {
		return &catalog.Catalog{}
	}
	return o.Catalog
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
	b := newBuilder(&o)
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
		if err := b.add(ctx, s, progress); err != nil {
			return nil, err
		}
	}
	if !o.SkipChain {
		b.trail = b.chains.result()
	}
	return b.report(), nil
}

// A builder turns files into a report.
type builder struct {
	*collector
	options  *Options
	chains   chains
	trail    Trail
	broken   int64
	warnings []string
	unsaid   int // warnings beyond maxWarnings
}

func newBuilder(o *Options) *builder {
	return &builder{collector: newCollector(o), options: o, trail: Trail{Problems: []string{}}}
}

// add counts one file, checks its chain, and that the shorter copies of it are copies.
func (b *builder) add(ctx context.Context, s *source, progress func(n int)) error {
	read, chain := decode, (*audit.Verifier)(nil)
	switch {
	case !b.options.SkipChain:
		chain = b.chains.begin(s)
	case s.copies == nil:
		read = decodeAlone
	}
	take := func(line int, v *entry) error {
		if chain != nil {
			chain.Add(&v.seal)
		}
		b.take(s, line, v)
		return nil
	}
	return s.read(ctx, read, progress, take, func(err error) {
		if chain != nil {
			chain.Unreadable(err)
		}
		b.warn("%s: %v; the rest of the file is not counted", s.path, err)
	})
}

// take counts one line of a file.
func (b *builder) take(s *source, line int, v *entry) {
	if v.err != nil {
		b.broken++
		b.warn("%s:%d: %v", s.path, line, v.err)
		return
	}
	for _, c := range s.copies {
		if c.line == line && c.chain != v.seal.Chain() {
			b.warn("%s begins like %s and then differs; only the longer, %s, is counted: see which one is sound with sepproxy audit verify",
				c.path, s.path, s.path)
		}
	}
	b.count(&v.event)
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
		Broken: b.broken, Warnings: slices.Clone(b.warnings), lang: b.options.Lang,
		inForce: b.options.Services,
	}
	r.Allowed, r.Denied = b.total.verdicts()
	if b.unsaid > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d more of these", b.unsaid))
	}
	first := func(revision string) time.Time { return b.policies.values[revision].from }
	r.Policies = slices.SortedFunc(maps.Keys(b.policies.values), func(p, q string) int {
		return cmp.Or(first(p).Compare(first(q)), cmp.Compare(p, q))
	})
	r.Policies = notNil(r.Policies)
	r.Services, r.Unused = b.serviceRows()
	r.Undocumented = b.undocumentedRows()
	r.Denials = b.denialRows()
	r.Joint = b.jointRows()
	r.MultiTenant = b.tenants.rows(b.clients, b.options.Lang)
	r.PerClient = b.clients.rows()
	r.Timeline = b.timelineRows()
	r.Events = b.events.latest()
	r.Trail = b.trail
	return r
}

func notNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
