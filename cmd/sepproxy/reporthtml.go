package main

import (
	"io"
	"slices"
	"time"

	"github.com/sepproxy/sepproxy/policy"
	"github.com/sepproxy/sepproxy/report"
	"github.com/sepproxy/sepproxy/report/page"
)

const formatHTML = "html"

// reportFormats are those that package report writes, and the page.
func reportFormats() []string {
	return slices.Sorted(slices.Values(append(report.Formats(), formatHTML)))
}

// writer writes r in the format that was asked for.
func (f reportFlags) writer(r *report.Report, p *policy.Policy) func(io.Writer) error {
	switch {
	case f.suggest:
		return r.WritePolicy
	case f.format == formatHTML:
		return func(w io.Writer) error { return page.WriteReport(w, r, pageOptions(p, f.lang)) }
	}
	return func(w io.Writer) error { return r.Write(w, f.format) }
}

func pageOptions(p *policy.Policy, lang string) page.Options {
	o := page.Options{Lang: lang, Version: buildVersion(), Now: time.Now()}
	if c := p.Catalog(); c != nil {
		o.Groups = c.Groups
	}
	return o
}
