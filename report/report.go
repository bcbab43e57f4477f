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

	"github.com/sepproxy/sepproxy/catalog"
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

	Joint       []Joint       `json:"joint"`        // what counts in several services at once, most requests first
	MultiTenant []MultiTenant `json:"multi_tenant"` // hosts of the catalog that others than the vendor share
	PerClient   []Client      `json:"clients"`      // most requests first, Other last
	Timeline    Timeline      `json:"timeline"`
	Events      []Event       `json:"events"` // by time; the latest 1,000
	Trail       Trail         `json:"trail"`

	Denials  []Denial `json:"-"` // by reason, most requests first
	Clients  int      `json:"-"` // distinct addresses
	Failures int64    `json:"-"` // of allowed requests
	Bytes    Bytes    `json:"-"`
	Broken   int64    `json:"-"` // lines that could not be read and are not counted
	Warnings []string `json:"-"` // what to tell on standard error; at most 100, printable
	lang     string
	inForce  []catalog.Service // Options.Services
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
	Group      string `json:"group"` // "" where no catalog has the service, like Title, Purpose and Breaks
	Title      string `json:"title"`
	Purpose    string `json:"purpose"`
	Breaks     string `json:"breaks,omitempty"` // what stops working without it, as far as the vendor says
	Documented bool   `json:"documented"`       // stands in the catalog in force; local rules and older policies do not
	Used       bool   `json:"used"`             // something was asked for, or a transfer begun earlier ended
	Requests   int64  `json:"requests"`
	Joint      int64  `json:"joint_requests"` // those of Requests that count in other services too
	Failures   int64  `json:"failures"`
	Denied     int64  `json:"denied"`
	Clients    int    `json:"clients"`
	Bytes
	FirstSeen  Moment     `json:"first_seen"`
	LastSeen   Moment     `json:"last_seen"`
	SharedWith []string   `json:"shared_with"` // ids of services with an endpoint in common
	Endpoints  []Endpoint `json:"endpoints"`   // the documented ones first
	Days       []int64    `json:"days"`        // requests on each of Timeline.Days
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

// Undocumented is a scheme, host and port that clients asked for and no catalog lists.
type Undocumented struct {
	Scheme   string `json:"scheme"` // https for CONNECT; "" for Other
	Host     string `json:"host"`
	Port     uint16 `json:"port"`
	Requests int64  `json:"requests"`
	Allowed  int64  `json:"allowed"` // a local rule or observe mode let it pass
	Denied   int64  `json:"denied"`
	Failures int64  `json:"failures"`
	Clients  int    `json:"clients"`
	Bytes
	FirstSeen Moment   `json:"first_seen"`
	LastSeen  Moment   `json:"last_seen"`
	Addresses []string `json:"addresses"` // of the clients that came first; at most 20
	Methods   []Count  `json:"methods"`   // of requests
	Reasons   []Count  `json:"reasons"`   // of decisions: why it was allowed or denied
	Names     []Count  `json:"server_names"`
	Ended     []Count  `json:"ended"` // what was allowed: "success" or the reason code of its outcome
	// Class is ClassVendor, ClassPKI, ClassPlatform or ClassOther; ClassReason says why, for people.
	Class       string `json:"class"`
	ClassReason string `json:"class_reason"`
	Resembles   string `json:"resembles,omitempty"` // the host of the catalog that it is a near relative of
	Broad       string `json:"broad,omitempty"`     // why a rule for it lets more pass than it says; mostly ""
	// Suggest is the URL of an allow rule that would let it pass. It is "" where such a rule would
	// change nothing (a deny rule or a local rule decided) or the host is not a proper host name.
	Suggest string `json:"suggest,omitempty"`
}

// A Count is how often something was seen. Lists of them have the most frequent first, and what is
// beyond their bound counted as Other, last.
type Count struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// Joint is the use of one endpoint that records attribute to several services: neither a visible
// path nor the client's groups tell them apart. It counts in each of the services, and once in the totals.
type Joint struct {
	Services []string `json:"services"`
	Host     string   `json:"host"`
	Port     uint16   `json:"port"`
	Requests int64    `json:"requests"`
	Clients  int      `json:"clients"`
	Bytes
}

// MultiTenant is a host under whose name others than the vendor are reached too. Inside TLS nothing
// tells whose data passes: here is where data would leave.
type MultiTenant struct {
	Host     string `json:"host"`
	Shared   string `json:"shared"` // who else is reached, as the catalog says it
	Requests int64  `json:"requests"`
	Denied   int64  `json:"denied"`
	Clients  int    `json:"clients"`
	Bytes
	// Uploads is who sent how much, most first: at most 100 clients, then Other for the rest.
	Uploads []Upload `json:"uploads"`
}

// An Upload is what one client sent to one host.
type Upload struct {
	Client   string `json:"client"` // address, or Other
	Requests int64  `json:"requests"`
	Bytes
}

// A Client is what one address asked for.
type Client struct {
	Address      string `json:"address"`
	Name         string `json:"name"` // of its entry in the policy; "" if it has none
	Requests     int64  `json:"requests"`
	Denied       int64  `json:"denied"`
	Failures     int64  `json:"failures"`
	Undocumented int64  `json:"undocumented"` // requests for what no catalog lists
	Bytes
	FirstSeen Moment `json:"first_seen"`
	LastSeen  Moment `json:"last_seen"`
}

// A Timeline is the period in points of equal length, without gaps. Points are longer the longer the
// period is, so that there are at most 400 of them, and begin where UTC's hours and days do. Denied and
// failed requests count when that was recorded.
type Timeline struct {
	Step   int64   `json:"step_seconds"` // of Points; 60 or longer
	Points []Point `json:"points"`
	// DayStep is 86400, or longer where the period has more than 400 days. Days are the times at which
	// those begin; Service.Days goes with them.
	DayStep int64    `json:"day_step_seconds"`
	Days    []Moment `json:"days"`
}

// A Point is what was recorded in one step of a Timeline.
type Point struct {
	At       Moment `json:"at"` // when it begins
	Requests int64  `json:"requests"`
	Denied   int64  `json:"denied"`
	Failures int64  `json:"failures"`
	Bytes
}

// An Event is a lifecycle record: something that happened to the proxy itself, a policy change above all.
type Event struct {
	At       Moment `json:"at"`
	Kind     string `json:"kind"` // policy_loaded, start, … (audit.Lifecycle…)
	Observer string `json:"observer"`
	Policy   string `json:"policy"` // the revision, where the record has one
	Message  string `json:"message"`
}

// A Trail is what checking the chains of the files found, one for each proxy that wrote some;
// Options.Since and Until do not narrow it. Files is 0 where nothing was checked. What belongs to one chain (First, Last, Chain, MissingBefore) is
// zero where there are several.
// Intact says no more than sepproxy audit verify does: a trail that was computed anew or cut off at its
// end looks whole without checkpoints.
type Trail struct {
	Intact   bool     `json:"intact"`
	Trails   int      `json:"trails"`
	Files    int      `json:"files"`
	Records  int64    `json:"records"`        // whole ones
	First    uint64   `json:"first_sequence"` // 0 where there is no record
	Last     uint64   `json:"last_sequence"`
	Chain    string   `json:"last_chain"`
	Problems []string `json:"problems"` // file:line: message; at most 100
	More     int      `json:"more_problems"`
	// MissingBefore is not 0 where the files begin with that record and nothing in them says what became
	// of those before it: fine where only some files of a trail were given.
	MissingBefore uint64 `json:"missing_before,omitempty"`
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
