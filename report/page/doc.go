// Package page answers one question: what does it look like?
//
// It writes a report as one self-contained HTML file, and the live page of the admin listener, out of the
// same templates. Both load nothing, run under a strict Content-Security-Policy, and show every string
// of a trail as text: html/template escapes them all, and nothing here opts out of that.
package page
