package main

import (
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/term"

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
	return func(w io.Writer) error {
		if style := textStyle(w); f.format == "text" && style.Width > 0 {
			return r.WriteText(w, style)
		}
		return r.Write(w, f.format)
	}
}

// textStyle suits where the text goes: coloured on a terminal, unless that or the user (no-color.org) does not
// want it.
func textStyle(w io.Writer) report.TextStyle {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return report.TextStyle{}
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	return report.TextStyle{Width: width, Color: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func pageOptions(p *policy.Policy, lang string) page.Options {
	o := page.Options{Lang: lang, Version: buildVersion(), Now: time.Now()}
	if c := p.Catalog(); c != nil {
		o.Groups = c.Groups
	}
	return o
}
