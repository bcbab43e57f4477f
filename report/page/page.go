package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/sepproxy/sepproxy/catalog"
	"github.com/sepproxy/sepproxy/report"
)

//go:embed web
var web embed.FS

var (
	style     = asset("web/style.css")
	script    = asset("web/live.js")
	templates = template.Must(template.New("").ParseFS(web, "web/*.html"))
)

// asset gives an embedded file, which is there: go:embed would not compile otherwise.
func asset(name string) string {
	data, err := web.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// Options are what a page needs beside the numbers.
type Options struct {
	Lang    string          // "es", or English for anything else; the report is to be in the same
	Version string          // of the program
	Now     time.Time       // when the page is made
	Groups  []catalog.Group // for their titles; groups that are missing here go by their id
}

// WriteReport writes r as one HTML file that needs nothing else: no network, no script.
func WriteReport(w io.Writer, r *report.Report, o Options) error {
	return execute(w, "report", newView(r, nil, o))
}

// WriteLive writes the live page, whole.
func WriteLive(w io.Writer, n *Now, o Options) error {
	return execute(w, "live", newView(n.Report, n, o))
}

// WriteLivePart writes what of the live page changes, for the page's script to put in its place.
func WriteLivePart(w io.Writer, n *Now, o Options) error {
	return execute(w, "parts", newView(n.Report, n, o))
}

func execute(w io.Writer, name string, v *view) error {
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, name, v); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	if _, err := out.WriteTo(w); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

// LiveCSP is the Content-Security-Policy of the live page: its own style and script and nothing else,
// and nobody may frame it.
func LiveCSP() string {
	return "default-src 'none'; style-src " + hash(style) + "; script-src " + hash(script) +
		"; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
}

// reportCSP stands in the file, where frame-ancestors has no meaning.
func reportCSP() string {
	return "default-src 'none'; style-src " + hash(style) + "; img-src data:; base-uri 'none'; form-action 'none'"
}

// hash names inline text in a Content-Security-Policy (CSP Level 3, section 2.3.1).
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
