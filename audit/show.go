package audit

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// View says how Show and Tail print.
type View struct {
	JSON bool // the records as they are, a line each, escaped so that no terminal obeys them
	Last int  // Tail only: how many lines before the end to begin with
}

// Show prints the records of files in the order given, a line each. Lines that are no records are
// shown as such. Nothing in them reaches w unescaped.
func Show(w io.Writer, files []string, view View) error {
	for _, path := range files {
		if err := showFile(w, path, view); err != nil {
			return err
		}
	}
	return nil
}

func showFile(w io.Writer, path string, view View) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("showing audit file: %w", err)
	}
	defer f.Close()
	return Scan(path, f, func(_ int, raw []byte, r *Record) error {
		return view.print(w, raw, r)
	})
}

// print writes one line in one call. r is nil if raw is not a record.
func (v View) print(w io.Writer, raw []byte, r *Record) error {
	var line []byte
	switch {
	case v.JSON:
		line = bytes.Clone(printableJSON(raw))
	case r == nil:
		line = []byte("not an audit record: " + Printable(string(raw)))
	default:
		line = []byte(describe(r))
	}
	_, err := w.Write(append(line, '\n'))
	return err
}

// describe is a record in one line for people.
func describe(r *Record) string {
	words := []string{r.Time.UTC().Format("2006-01-02T15:04:05.000Z")}
	switch r.Event.Action {
	case ActionLifecycle:
		words = append(words, r.Event.Action, r.Sepproxy.Lifecycle, r.Message)
	case ActionOutcome:
		words = append(append(words, about(r)...), outcome(r)...)
	default:
		words = append(words, about(r)...)
	}
	for i, word := range words {
		words[i] = Printable(word)
	}
	return strings.TrimRight(strings.Join(words, " "), " ")
}

// about is what decision and outcome have in common.
func about(r *Record) []string {
	s := r.Sepproxy
	words := []string{
		fmt.Sprintf("%-8s", r.Event.Action), fmt.Sprintf("%-5s", s.Verdict), fmt.Sprintf("%-18s", s.Reason),
		client(r), method(r), target(r.URL), cmp.Or(strings.Join(s.Services, ","), "-"),
	}
	if s.Would != "" {
		words = append(words, "would="+s.Would)
	}
	if s.Count > 1 {
		words = append(words, "count="+strconv.FormatInt(s.Count, 10))
	}
	return words
}

// outcome is what only an outcome tells.
func outcome(r *Record) []string {
	return []string{
		r.Event.Outcome,
		"sent=" + volume(r.Source), "received=" + volume(r.Destination),
		time.Duration(r.Event.Duration).Round(time.Millisecond).String(),
	}
}

func volume(e *Endpoint) string {
	if e == nil || e.Bytes == nil {
		return "-"
	}
	return strings.ReplaceAll(humanize.IBytes(uint64(max(0, *e.Bytes))), " ", "")
}

func client(r *Record) string {
	if r.Source == nil || r.Source.IP == "" {
		return "-"
	}
	return r.Source.IP
}

func method(r *Record) string {
	if r.HTTP == nil || r.HTTP.Request == nil || r.HTTP.Request.Method == "" {
		return "-"
	}
	return r.HTTP.Request.Method
}

func target(u *URL) string {
	switch {
	case u == nil:
		return "-"
	case u.Original != "":
		return u.Original
	}
	return u.Scheme + "://" + net.JoinHostPort(u.Domain, strconv.Itoa(int(u.Port))) + u.Path
}
