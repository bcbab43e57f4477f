package page

import (
	"time"

	"github.com/sepproxy/sepproxy/report"
)

// Now is what the live page shows: how the proxy is doing, and today's report.
type Now struct {
	Started   time.Time
	NotReady  string // why requests cannot be served; "" if they can
	Policy    Policy
	Rejected  *Rejection // the last one; nil: there was none
	Audit     Audit
	Tunnels   int
	Conns     int
	Received  float64 // bytes a second, from servers
	Sent      float64 // bytes a second, from clients
	Reading   bool    // today's trail is still being read
	Missed    int64   // records that are not in Report
	Filter    Filter
	Report    *report.Report // never nil
	Failures  []report.Count // of allowed requests, by reason
	Latest    []Request      // denied or undocumented, newest first
	LangQuery string         // the query of this page in the other language
}

// Policy is the one in force. Revision is "" if there is none.
type Policy struct {
	Revision string
	Mode     string // enforce or observe
	Until    time.Time
	File     string
	Loaded   time.Time
}

// A Rejection is a policy file that did not take effect.
type Rejection struct {
	At      time.Time
	Message string
	Current bool // no file was accepted since
}

// Audit is the state of the trail as its writer knows it.
type Audit struct {
	Path       string
	Records    int64 // since the start
	Errors     int64
	Unrecorded int64
	Sequence   uint64
	DiskFree   float64 // 0 to 1; negative: not known
}

// A Filter says what the page is narrowed to. Empty fields do not narrow.
type Filter struct{ Client, Service, Host string }

// Set tells whether anything is left out.
func (f Filter) Set() bool { return f != Filter{} }

// A Request is one that was denied, or is in no catalog.
type Request struct {
	At       time.Time
	Client   string // address
	Name     string // of the client in the policy; may be ""
	Method   string
	Target   string // what was asked for; of what could not be parsed, what was recorded
	Verdict  string
	Reason   string
	Services []string
	Count    int64 // how many were recorded as one
}
