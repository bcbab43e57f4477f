// Package audit answers one question: what happened?
//
// It owns the records (JSON lines with Elastic Common Schema names), the durable, hash-chained log
// they are written to, and reading them back. It imports nothing of the other rooms.
package audit

import "time"

// Actions of a record (event.action).
const (
	ActionDecision  = "decision"  // a proxied request was allowed or denied
	ActionOutcome   = "outcome"   // an allowed request or tunnel ended
	ActionLifecycle = "lifecycle" // something happened to the proxy itself
)

// What a lifecycle record tells (sepproxy.lifecycle).
const (
	LifecycleStart          = "start"
	LifecycleStop           = "stop"
	LifecyclePolicyLoaded   = "policy_loaded"
	LifecyclePolicyRejected = "policy_rejected"
	LifecycleModeExpired    = "mode_expired"
	LifecycleAuditRotated   = "audit_rotated"
	LifecycleAuditDeleted   = "audit_deleted"
	LifecycleAuditResumed   = "audit_resumed"
)

// A Record is one line of the trail. Who writes it fills in everything but what Log.Write does by
// itself: Time (when zero), Version, Event.Kind, Event.Dataset, Event.Sequence, Observer and
// Chain. Pointers are nil, and strings empty, where the record's action has no such member; they
// are then left out of the line. The json tags serve reading; writing has its own code (encode.go)
// and a test holds the two together.
type Record struct {
	Time        time.Time    `json:"@timestamp"`
	ECS         ECS          `json:"ecs"`
	Event       Event        `json:"event"`
	Message     string       `json:"message,omitempty"`
	Observer    Observer     `json:"observer"`
	Transaction *Transaction `json:"transaction,omitempty"`
	Source      *Endpoint    `json:"source,omitempty"`
	Destination *Endpoint    `json:"destination,omitempty"`
	HTTP        *HTTP        `json:"http,omitempty"`
	URL         *URL         `json:"url,omitempty"`
	TLS         *TLS         `json:"tls,omitempty"`
	Rule        *Rule        `json:"rule,omitempty"`
	Sepproxy    Sepproxy     `json:"sepproxy"`
	Chain       string       `json:"chain"`
}

// ECS names the version of the Elastic Common Schema.
type ECS struct {
	Version string `json:"version"`
}

// Event is ECS "event".
type Event struct {
	Kind     string   `json:"kind"`
	Dataset  string   `json:"dataset"`
	Category []string `json:"category"`
	Action   string   `json:"action"`
	Type     []string `json:"type"`
	Reason   string   `json:"reason,omitempty"`
	Outcome  string   `json:"outcome,omitempty"`  // success or failure
	Duration int64    `json:"duration,omitempty"` // nanoseconds, monotonic; written on every outcome
	Sequence uint64   `json:"sequence"`
}

// Observer is ECS "observer". Only the start record has more than the host name.
type Observer struct {
	Hostname string `json:"hostname"`
	Type     string `json:"type,omitempty"`
	Product  string `json:"product,omitempty"`
	Version  string `json:"version,omitempty"`
}

// Transaction is ECS "transaction": a UUIDv7 that ties decision and outcome together.
type Transaction struct {
	ID string `json:"id"`
}

// An Endpoint is ECS "source" (the client) or "destination" (the server that was dialled). Bytes
// is what that side sent: for a tunnel every byte after the CONNECT exchange, for plain HTTP the
// content without header section and chunk framing. It is nil in a decision.
type Endpoint struct {
	IP    string `json:"ip,omitempty"`
	Port  uint16 `json:"port,omitempty"`
	Bytes *int64 `json:"bytes,omitempty"`
}

// HTTP is ECS "http".
type HTTP struct {
	Request  *HTTPRequest  `json:"request,omitempty"`
	Response *HTTPResponse `json:"response,omitempty"`
}

// HTTPRequest is ECS "http.request".
type HTTPRequest struct {
	Method string `json:"method,omitempty"`
}

// HTTPResponse is ECS "http.response".
type HTTPResponse struct {
	StatusCode int `json:"status_code,omitempty"`
}

// URL is ECS "url". Path is as the client sent it, without the query; Original stands alone, for
// what could not be parsed, already escaped and shortened by whoever fills it in.
type URL struct {
	Scheme   string `json:"scheme,omitempty"`
	Domain   string `json:"domain,omitempty"`
	Port     uint16 `json:"port,omitempty"`
	Path     string `json:"path,omitempty"`
	Original string `json:"original,omitempty"`
}

// TLS is ECS "tls".
type TLS struct {
	Client *TLSClient `json:"client,omitempty"`
}

// TLSClient is ECS "tls.client".
type TLSClient struct {
	ServerName string `json:"server_name,omitempty"`
}

// Rule is ECS "rule".
type Rule struct {
	Name    string `json:"name,omitempty"`
	Ruleset string `json:"ruleset,omitempty"`
}

// Sepproxy holds what ECS has no name for.
type Sepproxy struct {
	Verdict    string   `json:"verdict,omitempty"` // allow or deny
	Reason     string   `json:"reason,omitempty"`  // always equal to Event.Reason
	Would      string   `json:"would,omitempty"`   // observe mode: the reason that enforce would have given
	Documented *bool    `json:"documented,omitempty"`
	Services   []string `json:"services,omitempty"` // written as [] where Documented is set and there are none
	Client     string   `json:"client,omitempty"`
	Mode       string   `json:"mode,omitempty"`
	Policy     string   `json:"policy,omitempty"` // revision
	TLS        *Offered `json:"tls,omitempty"`
	Count      int64    `json:"count,omitempty"` // requests gathered in this record; absent means one

	Lifecycle string    `json:"lifecycle,omitempty"`
	Previous  *Previous `json:"previous,omitempty"` // audit_rotated, audit_resumed: where the chain comes from
	Deleted   *Deleted  `json:"deleted,omitempty"`  // audit_deleted
	Resumed   *Resumed  `json:"resumed,omitempty"`  // audit_resumed
}

// Offered is what the ClientHello of a tunnel offers, printable and bounded by whoever fills it in.
type Offered struct {
	ALPN    []string `json:"offered_alpn,omitempty"`
	Version []string `json:"offered_version,omitempty"` // "1.3", "1.2", … or 0x and four hex digits
}

// Previous is the end of the file before, from which the first record of a file goes on.
type Previous struct {
	File     string `json:"file"`
	Sequence uint64 `json:"sequence"`
	Chain    string `json:"chain"`
}

// Deleted is what retention removed: a closed range of sequence numbers and the chain of the last.
type Deleted struct {
	Files []string `json:"files"`
	First uint64   `json:"first"`
	Last  uint64   `json:"last"`
	Chain string   `json:"chain"`
}

// Resumed tells what an interruption of the trail cost.
type Resumed struct {
	// Unrecorded is how many records could not be written (on_error: allow, or refusals).
	Unrecorded int64 `json:"unrecorded"`
	// EndedBefore is set after a crash: transactions with a decision before this sequence number
	// and no outcome ended with the process that wrote them.
	EndedBefore uint64 `json:"ended_before,omitempty"`
	// SetAside names the file that holds a torn last line, if there was one.
	SetAside string `json:"set_aside,omitempty"`
}
