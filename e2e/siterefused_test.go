//go:build linux

package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

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

// connects is what a refused CONNECT to port 443 has in the trail.
func connects(host, reason string, services ...string) entry {
	return entry{scheme: "https", host: host, port: 443, reason: reason, services: services, documented: services != nil}
}

// refusedAgent asks for what an agent may not have.
func refusedAgent(m *machine) error {
	licensing := "services-prod.symantec.com"
	shared := "storage.googleapis.com"
	port := connects(insight, "port_not_listed")
	port.port = 8443
	literal6 := connects("2001:db8::7", "ip_literal")
	return errors.Join(
		m.tries("CONNECT tracker.example:443", 403, connects("tracker.example", "not_listed")),
		m.tries("CONNECT evil."+insight+":443", 403, connects("evil."+insight, "not_listed")),
		m.tries("CONNECT "+licensing+":443", 403, connects(licensing, "group_not_allowed", "sepm.licensing")),
		m.tries("CONNECT "+shared+":443", 403, connects(shared, "denied_by_rule",
			"agent-cloud.liveshell", "agent-cloud.storage", "icdm.downloads", "icdm.liveshell", "sepm-cloud.storage")),
		m.tries("CONNECT "+insight+":8443", 403, port),
		m.tries("CONNECT 198.51.100.7:443", 403, connects("198.51.100.7", "ip_literal")),
		m.tries("CONNECT [2001:db8::7]:443", 403, literal6),
		m.tries("CONNECT "+insight, 400, entry{reason: "malformed_request", path: insight}),
		m.tries("CONNECT user:secret@"+insight+":443", 400, entry{reason: "malformed_request", path: "***@" + insight + ":443"}),
	)
}

// refusedInside uses an allowed name for something else than TLS with that name.
func refusedInside(m *machine) error {
	allowed := entry{verdict: "allow", reason: "catalog", documented: true, services: []string{"agent.insight"}}
	inside := func(reason string) entry {
		e := allowed
		e.inside = reason
		return e
	}
	return errors.Join(
		m.fronts(insight, greeting("tracker.example"), inside("sni_mismatch")),
		m.fronts(insight, greeting("198.51.100.7"), inside("sni_missing")), // an address is no server name
		m.fronts(insight, []byte("SSH-2.0-OpenSSH_9.2\r\n"), inside("not_tls")),
	)
}

// refusedManager asks for plain HTTP that a manager may not have.
func refusedManager(m *machine) error {
	plain := func(host, path, reason string) entry {
		return entry{scheme: "http", host: host, port: 80, path: path, reason: reason}
	}
	return errors.Join(
		m.tries("GET http://"+insight+"/lookup?file=secret", 403, plain(insight, "/lookup", "scheme_not_listed")),
		m.tries("GET http://"+statuses+"/other", 403, plain(statuses, "/other", "path_not_listed")),
		m.tries("GET http://"+statuses+"/status/../other", 403, plain(statuses, "/status/../other", "path_not_listed")),
		m.tries("GET http://127.0.0.1/", 403, plain("127.0.0.1", "/", "ip_literal")),
		m.tries("GET https://"+insight+"/?secret", 400, entry{reason: "malformed_request", path: "https://" + insight + "/?***"}),
		m.tries("GET /status", 400, entry{reason: "malformed_request", path: "/status"}),
	)
}

// refusedStranger is an address that the policy does not know.
func refusedStranger(m *machine) error {
	return m.tries("CONNECT "+insight+":443", 403, connects(insight, "client_not_allowed", "agent.insight"))
}
