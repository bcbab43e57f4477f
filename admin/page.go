package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// A Page is a page for people that stays up to date while it is open. Its functions are called from any
// goroutine.
type Page struct {
	// CSP is the page's Content-Security-Policy.
	CSP string
	// Whole writes the document for the query of its address.
	Whole func(w io.Writer, query url.Values) error
	// Part writes what of the document may change, for the script of Whole to put in its place.
	Part func(w io.Writer, query url.Values) error
	// Every is how often Part is asked whether something changed; 0 is once a second.
	Every time.Duration
}

const (
	maxWatchers  = 16               // pages that are kept up to date at a time; further ones are asked to try later
	beat         = 15 * time.Second // between signs of life, which find watchers that are gone
	eventTimeout = 10 * time.Second // for a watcher to take an event
)

func (p *Page) whole(w http.ResponseWriter, r *http.Request) {
	var out bytes.Buffer
	if err := p.Whole(&out, r.URL.Query()); err != nil {
		answer(w, http.StatusInternalServerError, "writing the page: "+err.Error())
		return
	}
	w.Header().Set("Content-Security-Policy", p.CSP)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = out.WriteTo(w)
}

// events serves the changes of the page as server-sent events (WHATWG HTML, section 9.2): the data of
// each is Part as one JSON string.
func (p *Page) events() http.Handler {
	var watchers atomic.Int32
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if watchers.Add(1) > maxWatchers {
			watchers.Add(-1)
			w.Header().Set("Retry-After", "30")
			answer(w, http.StatusServiceUnavailable, "too many pages are open: this one does not change by itself")
			return
		}
		defer watchers.Add(-1)
		w.Header().Set("Content-Type", "text/event-stream")
		if r.Method == http.MethodGet {
			_ = p.follow(w, r) // the watcher is gone, or the proxy ends
		}
	})
}

// follow sends the part whenever it is another than before, until r ends.
func (p *Page) follow(w http.ResponseWriter, r *http.Request) error {
	every := p.Every
	if every == 0 {
		every = time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	to := http.NewResponseController(w)
	if err := to.SetReadDeadline(time.Time{}); err != nil { // it would end the request
		return err
	}
	before, now := new(bytes.Buffer), new(bytes.Buffer)
	var sent time.Time
	for {
		now.Reset()
		if err := p.Part(now, r.URL.Query()); err != nil {
			return err
		}
		event := ": still here\n\n"
		if changed := !bytes.Equal(now.Bytes(), before.Bytes()); changed {
			text, _ := json.Marshal(now.String()) // of a string: it cannot fail
			event = fmt.Sprintf("data: %s\n\n", text)
		} else if time.Since(sent) < beat {
			event = ""
		}
		if event != "" {
			if err := send(w, to, event); err != nil {
				return err
			}
			sent = time.Now()
		}
		before, now = now, before
		select {
		case <-r.Context().Done():
			return r.Context().Err()
		case <-tick.C:
		}
	}
}

func send(w io.Writer, to *http.ResponseController, event string) error {
	if err := to.SetWriteDeadline(time.Now().Add(eventTimeout)); err != nil {
		return err
	}
	if _, err := io.WriteString(w, event); err != nil {
		return err
	}
	return to.Flush()
}
