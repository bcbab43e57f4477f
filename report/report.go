// Package report answers one question: what does it mean?
//
// Build reads audit files once, from beginning to end, and counts: which documented services were
// used, by how many clients, how much, when; which nobody used; what was asked for that nothing
// documents; what was denied. Report.Write says it as text, JSON, CSV or Markdown. Every string of
// a trail is taken for hostile: what clients sent stands in it, and it may have been edited since.
package report

import (
	"encoding/json"
	"time"
)

// Other stands for the hosts, services, reasons and revisions beyond the number that a report keeps
// apart.
const Other = "(other)"

// A Report is what audit files say about a period. Its JSON form is the documented one; what that
// form lacks is for people and is left out of it. Slices that stand in the JSON form are never nil.
type Report struct {
	From         Moment         `json:"from"` // the first record that counts, and
	To           Moment         `json:"to"`   // the last; zero where there is none
	Records      int64          `json:"records"`
	Transactions int64          `json:"transactions"` // requests decided: allowed and denied together
	Allowed      int64          `json:"allowed"`      // by the final verdict
	Denied       int64          `json:"denied"`
	Policies     []string       `json:"policies"` // revisions, in the order in which they appeared
	Services     []Service      `json:"services"` // documented ones as in Options, then others by id
	Unused       []string       `json:"unused"`   // ids of the documented services not used
	Undocumented []Undocumented `json:"undocumented"`

	Denials  []Denial `json:"-"` // by reason, most requests first
	Clients  int      `json:"-"` // distinct addresses
	Failures int64    `json:"-"` // of allowed requests
	Bytes    Bytes    `json:"-"`
	Broken   int64    `json:"-"` // lines that could not be read and are not counted
	Warnings []string `json:"-"` // what to tell on standard error; at most 100, printable
	lang     string
}

// Bytes is what went through the proxy: Received by clients from servers, Sent by clients to
// servers.
type Bytes struct {
	Received int64 `json:"bytes_received"`
	Sent     int64 `json:"bytes_sent"`
}

// A Service is what was asked for under one service id. An endpoint that several services share
// counts in each of them.
type Service struct {
	ID         string `json:"id"`
	Group      string `json:"group"` // "" where not Documented, like Title and Purpose
	Title      string `json:"title"`
	Purpose    string `json:"purpose"`
	Documented bool   `json:"documented"` // stands in the catalog in force; local rules and older policies do not
	Used       bool   `json:"used"`       // something was asked for, or a transfer begun earlier ended
	Requests   int64  `json:"requests"`
	Failures   int64  `json:"failures"`
	Denied     int64  `json:"denied"`
	Clients    int    `json:"clients"`
	Bytes
	FirstSeen  Moment     `json:"first_seen"`
	LastSeen   Moment     `json:"last_seen"`
	SharedWith []string   `json:"shared_with"` // ids of services with an endpoint in common
	Endpoints  []Endpoint `json:"endpoints"`   // the documented ones first
}

// An Endpoint is a service's share of one host and port.
type Endpoint struct {
	Host      string `json:"host"`
	Port      uint16 `json:"port"`
	Requests  int64  `json:"requests"`
	Denied    int64  `json:"denied"`
	Failures  int64  `json:"-"`
	Clients   int    `json:"-"`
	Bytes     Bytes  `json:"-"`
	FirstSeen Moment `json:"-"`
	LastSeen  Moment `json:"-"`
}

// Undocumented is a host and port that clients asked for and no catalog lists.
type Undocumented struct {
	Host      string `json:"host"`
	Port      uint16 `json:"port"`
	Requests  int64  `json:"requests"`
	Allowed   int64  `json:"allowed"` // a local rule or observe mode let it pass
	Denied    int64  `json:"denied"`
	Clients   int    `json:"clients"`
	FirstSeen Moment `json:"first_seen"`
	LastSeen  Moment `json:"last_seen"`
	// Suggest is the URL of an allow rule that would let it pass. It is "" where such a rule would
	// change nothing (a deny rule or a local rule decided) or the host is not a proper host name.
	Suggest string `json:"suggest,omitempty"`
}

// A Denial is one reason code and what it kept out. Hosts is the part of it that is known by host,
// most requests first; a malformed request has none.
type Denial struct {
	Reason   string
	Requests int64
	Clients  int
	Hosts    []DeniedHost
}

// A DeniedHost is what one reason code kept from one host and port.
type DeniedHost struct {
	Host     string
	Port     uint16
	Requests int64
	Clients  int
}

// A Moment is a time that may be unknown: the zero Moment is null in JSON.
type Moment struct{ time.Time }

// MarshalJSON writes RFC 3339 in UTC, or null.
func (m Moment) MarshalJSON() ([]byte, error) {
	if m.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(m.UTC())
}
