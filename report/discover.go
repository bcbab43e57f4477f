package report

import "slices"

// maxAddresses is how many clients of an undocumented endpoint a report names.
const maxAddresses = 20

// undocumented counts one endpoint that no catalog lists.
type undocumented struct {
	tally
	ruleWouldHelp bool // an allow rule would have let it pass, or will once observation ends
	methods       counts
	reasons       counts
	names         counts // in ClientHellos
	ends          counts
}

func (u *undocumented) decided(e *event) {
	u.ruleWouldHelp = u.ruleWouldHelp || e.scheme != "" && ruleWouldHelp(e.reason)
	u.methods.add(e.method, e.requests)
	u.reasons.add(e.reason, e.requests)
}

func (u *undocumented) ended(e *event) {
	end := "success"
	if e.failed || e.turned {
		end = e.reason
	}
	u.names.add(e.serverName, 1)
	u.ends.add(end, 1)
}

// ruleWouldHelp tells whether an allow rule could change the verdict that has this reason, or will
// once observation ends.
func ruleWouldHelp(reason string) bool {
	switch reason {
	case "not_listed", "scheme_not_listed", "port_not_listed", "path_not_listed", "observed":
		return true
	}
	return false
}

// undocumentedRows leaves out what was not asked for in the period, and puts most requests first.
func (b *builder) undocumentedRows() []Undocumented {
	rows := []Undocumented{}
	known := newClassifier(b.options, b.tenants)
	for k, u := range b.undocumented.values {
		if u.requests() > 0 {
			rows = append(rows, b.undocumentedRow(k, u))
			known.describe(&rows[len(rows)-1])
		}
	}
	slices.SortFunc(rows, func(x, y Undocumented) int {
		return byRequests(address{x.Host, x.Port}, address{y.Host, y.Port}, x.Requests, y.Requests)
	})
	return rows
}

func (b *builder) undocumentedRow(k schemeAddress, u *undocumented) Undocumented {
	row := Undocumented{Scheme: k.scheme, Host: k.host, Port: k.port, Requests: u.requests(), Failures: u.failures,
		Clients: u.clients.len(), Bytes: u.bytes, Addresses: []string{},
		Methods: u.methods.list(), Reasons: u.reasons.list(), Names: u.names.list(), Ended: u.ends.list()}
	row.Allowed, row.Denied = u.verdicts()
	row.FirstSeen, row.LastSeen = u.seen()
	if u.ruleWouldHelp {
		row.Suggest = suggestion(k.scheme, k.address)
	}
	for _, n := range u.clients.numbers(maxAddresses) {
		row.Addresses = append(row.Addresses, b.collector.clients.address(n))
	}
	return row
}
