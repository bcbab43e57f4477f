//go:build linux

package e2e_test

import (
	"errors"
)

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
