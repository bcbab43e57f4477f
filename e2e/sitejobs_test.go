//go:build linux

package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// lookUp asks about files, a short tunnel each.
func lookUp(m *machine) error {
	for range lookups {
		t, err := m.open(insight, "agent.insight")
		if err != nil {
			return err
		}
		file := random(100)
		got, err := t.exchange("POST", "/lookup", file)
		if err == nil && !strings.HasPrefix(string(got), fmt.Sprintf("%x is", sha256.Sum256(file))) {
			err = fmt.Errorf("the look-up was answered %q", got)
		}
		if err := errors.Join(err, t.finish()); err != nil {
			return err
		}
	}
	return nil
}

func upload(m *machine) error {
	t, err := m.open(samples, "agent.samples")
	if err != nil {
		return err
	}
	sample := random(sampleSize)
	got, err := t.exchange("POST", "/sample", sample)
	sum := sha256.Sum256(sample)
	if err == nil && string(got) != hex.EncodeToString(sum[:]) {
		err = errors.New("the sample arrived changed")
	}
	return errors.Join(err, t.finish())
}

// A push is a tunnel that is held open.
func openPush(m *machine, service string) (*tunnel, error) {
	t, err := m.open(spoc, service)
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(t, "GET /push HTTP/1.1\r\nHost: "+spoc+"\r\n\r\n")
	return t, err
}

// ping sends a line and reads the two that come back.
func (t *tunnel) ping(text string) error {
	if _, err := io.WriteString(t, text+"\n"); err != nil {
		return err
	}
	for _, want := range []string{"pong ", "notification "} {
		got, err := t.in.ReadString('\n')
		if err != nil || got != want+text+"\n" {
			return fmt.Errorf("a ping brought %q, %v", got, err)
		}
	}
	return nil
}

// openPushes gives the tunnels that machines hold, each pinged.
func (s *site) openPushes(machines []*machine, service string, each int) (open []*tunnel) {
	var mu sync.Mutex
	s.everywhere(machines, func(m *machine) error {
		for i := range each {
			t, err := openPush(m, service)
			if err != nil {
				return err
			}
			mu.Lock()
			open = append(open, t)
			mu.Unlock()
			if err := t.ping(fmt.Sprintf("ping %d of %s", i, m.ip)); err != nil {
				return err
			}
		}
		return nil
	})
	return open
}

// report tells a vendor's host something; the services depend on who asks.
func report(m *machine, service string) error {
	t, err := m.open(telemetry, service)
	if err != nil {
		return err
	}
	_, err = t.exchange("POST", "/lookup", random(2000))
	return errors.Join(err, t.finish())
}

// forged is a machine that pins another certificate than the server has: it must not get through,
// and still the trail has what passed.
func (s *site) forged() error {
	m := s.machine("127.0.1.1")
	m.pins = maps.Clone(s.pins)
	m.pins[insight] = s.pins[samples]
	if _, err := m.open(insight, "agent.insight"); !errors.Is(err, errPin) {
		return fmt.Errorf("with a wrong pin: %v, want %v", err, errPin)
	}
	return nil
}

// updates plays LiveUpdate over HTTP: one connection, the file as a whole, in ranges, not again
// what is known, and only its head.
func (s *site) updates(m *machine) error {
	l, err := m.line()
	if err != nil {
		return err
	}
	defer l.Close()
	size := len(s.update)
	for _, step := range []struct {
		method, query, fields string
		status                int
		content               []byte
	}{
		{"GET", "", "", http.StatusOK, s.update},
		{"GET", "?token=secret", "", http.StatusOK, s.update},
		{"HEAD", "", "", http.StatusOK, nil},
		{"GET", "", "If-None-Match: " + updateTag + "\r\n", http.StatusNotModified, nil},
		{"GET", "", "Range: bytes=0-99999\r\n", http.StatusPartialContent, s.update[:100_000]},
		{"GET", "", "Range: bytes=100000-\r\nIf-Range: " + updateTag + "\r\n", http.StatusPartialContent, s.update[100_000:]},
		{"GET", "", "Range: bytes=-1\r\n", http.StatusPartialContent, s.update[size-1:]},
		{"GET", "", fmt.Sprintf("Range: bytes=%d-\r\n", size), http.StatusRequestedRangeNotSatisfiable, []byte("invalid range: failed to overlap\n")},
	} {
		e := entry{verdict: "allow", reason: "catalog", documented: true, services: []string{"sepm.liveupdate"}}
		a, err := l.ask(e, step.method, liveHTTP, updates+step.query, step.fields, nil)
		if err != nil {
			return err
		}
		if a.status != step.status || !bytes.Equal(a.content, step.content) {
			return fmt.Errorf("%s with %q: status %d and %d bytes, want %d and the same %d bytes",
				step.method, step.fields, a.status, len(a.content), step.status, len(step.content))
		}
		if via := a.header.Get("Via"); !strings.HasSuffix(via, " sepproxy") {
			return fmt.Errorf("the answer came with Via %q", via)
		}
	}
	return nil
}

// certificateStatus asks what a local rule allows, with content both ways.
func certificateStatus(m *machine) error {
	l, err := m.line()
	if err != nil {
		return err
	}
	defer l.Close()
	e := entry{verdict: "allow", reason: "local_rule", services: []string{"local.status"}}
	question := random(300)
	a, err := l.ask(e, "POST", statuses, "/status/7", "", question)
	if err != nil {
		return err
	}
	slices.Reverse(question)
	if want := slices.Concat(question, question); !bytes.Equal(a.content, want) {
		return fmt.Errorf("%d bytes of status are not the %d expected", len(a.content), len(want))
	}
	return nil
}
