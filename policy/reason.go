package policy

// A Reason is the one code that a verdict always carries. The codes are those of audit records,
// metrics and answers to clients; they do not change.
type Reason string

// Reasons to allow.
const (
	ReasonCatalog   Reason = "catalog"    // the vendor documents the endpoint
	ReasonLocalRule Reason = "local_rule" // an allow rule of policy.yaml names it
	ReasonObserved  Reason = "observed"   // observe mode let an unlisted request pass
)

// Reasons to deny, in the order in which they are found: the first that applies is the reason.
const (
	ReasonMalformedRequest   Reason = "malformed_request"
	ReasonDraining           Reason = "draining" // Request.Condition: the proxy is stopping
	ReasonClientNotAllowed   Reason = "client_not_allowed"
	ReasonRateLimited        Reason = "rate_limited"         // Request.Condition
	ReasonTooManyConnections Reason = "too_many_connections" // Request.Condition
	ReasonIPLiteral          Reason = "ip_literal"
	ReasonDeniedByRule       Reason = "denied_by_rule"
	ReasonNotListed          Reason = "not_listed"
	ReasonSchemeNotListed    Reason = "scheme_not_listed"
	ReasonPortNotListed      Reason = "port_not_listed"
	ReasonPathNotListed      Reason = "path_not_listed"
	ReasonGroupNotAllowed    Reason = "group_not_allowed"
	ReasonAddressForbidden   Reason = "address_forbidden" // found by the proxy, after resolving
	ReasonAuditUnavailable   Reason = "audit_unavailable" // found by the proxy, on recording

	// Inside a tunnel, found by the proxy in the first bytes that the client sends.
	ReasonNotTLS      Reason = "not_tls"
	ReasonSNIMissing  Reason = "sni_missing"
	ReasonSNIMismatch Reason = "sni_mismatch"
)

// Modes of a policy, as Verdict.Mode and Policy.Mode give them.
const (
	ModeEnforce = "enforce"
	ModeObserve = "observe"
)

// observable tells whether observe mode may lift the reason: it forgives what is not listed, and
// nothing that somebody decided.
func (r Reason) observable() bool {
	switch r {
	case ReasonNotListed, ReasonSchemeNotListed, ReasonPortNotListed, ReasonPathNotListed:
		return true
	}
	return false
}
