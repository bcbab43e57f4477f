package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sepproxy/sepproxy/policy"
)

// Failures of an allowed request: the verdict stays allow, the outcome is failure.
const (
	failDNS            policy.Reason = "dns_failure"
	failConnectTimeout policy.Reason = "connect_timeout"
	failConnectRefused policy.Reason = "connect_refused"
	failConnect        policy.Reason = "connect_failed"
	failNoSourcePort   policy.Reason = "no_source_port"
	failUpstreamReset  policy.Reason = "upstream_reset"
	failClientReset    policy.Reason = "client_reset"
	failIdle           policy.Reason = "idle_timeout"
	failDrain          policy.Reason = "drain_timeout"
	failRevoked        policy.Reason = "revoked"
)

// An answer is what a client gets instead of what it asked for.
type answer struct {
	status    int
	errorType string // of RFC 9209 §2.3
	text      string
}

var answers = map[policy.Reason]answer{
	policy.ReasonMalformedRequest:   {400, "http_request_error", "the request is not one that this proxy can serve"},
	policy.ReasonDraining:           {503, "proxy_internal_error", "the proxy is shutting down"},
	policy.ReasonClientNotAllowed:   {403, "http_request_denied", "this client may not use the proxy"},
	policy.ReasonRateLimited:        {429, "http_request_denied", "there are too many requests"},
	policy.ReasonTooManyConnections: {429, "http_request_denied", "there are too many connections"},
	policy.ReasonIPLiteral:          {403, "http_request_denied", "IP addresses are not proxied, only names"},
	policy.ReasonDeniedByRule:       {403, "http_request_denied", "a local rule denies it"},
	policy.ReasonNotListed:          {403, "http_request_denied", "the host is not in the allowlist"},
	policy.ReasonSchemeNotListed:    {403, "http_request_denied", "the host is in the allowlist, but not with this scheme"},
	policy.ReasonPortNotListed:      {403, "http_request_denied", "the host is in the allowlist, but not with this port"},
	policy.ReasonPathNotListed:      {403, "http_request_denied", "the host is in the allowlist, but not with this path"},
	policy.ReasonGroupNotAllowed:    {403, "http_request_denied", "other clients may use this host, this one may not"},
	policy.ReasonAddressForbidden:   {403, "destination_ip_prohibited", "the name leads to addresses that are not public"},
	policy.ReasonAuditUnavailable:   {503, "proxy_internal_error", "the proxy cannot record the request and so does not serve it"},

	failDNS:            {502, "dns_error", "the name could not be resolved"},
	failConnectTimeout: {504, "connection_timeout", "the server did not accept a connection in time"},
	failConnectRefused: {502, "connection_refused", "the server refused the connection"},
	failConnect:        {502, "destination_ip_unroutable", "the server could not be reached"},
	failNoSourcePort:   {502, "proxy_internal_error", "the proxy has no source port left for this server"},
	failUpstreamReset:  {502, "connection_terminated", "the server closed the connection before it answered"},
	failClientReset:    {400, "http_request_error", "the request ended early or was badly framed"},
	failIdle:           {504, "http_response_timeout", "the server did not answer in time"},
	failDrain:          {503, "proxy_internal_error", "the proxy is shutting down"},
	failRevoked:        {403, "http_request_denied", "a change of policy no longer allows it"},
}

// retryAfter is what a client is asked to wait, in seconds, before it tries again.
const retryAfter = "5"

// write fills in an error answer for a request that was refused or that failed.
// subject is the host or what else there is to name; advice, if not "", adds a sentence.
func (a answer) write(reason policy.Reason, subject, transaction, advice string) (http.Header, string) {
	h := http.Header{}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Proxy-Status", fmt.Sprintf("sepproxy; error=%s; details=%q", a.errorType, string(reason)))
	if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", retryAfter)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "sepproxy: %s.\n", a.text)
	if advice != "" {
		fmt.Fprintf(&b, "%s.\n", advice)
	}
	if subject != "" {
		fmt.Fprintf(&b, "host: %s\n", subject)
	}
	fmt.Fprintf(&b, "reason: %s\ntransaction: %s (quote it to whoever runs this proxy)\n", reason, transaction)
	return h, b.String()
}

// answerFor gives the answer that belongs to reason; one that is not known is an internal error.
func answerFor(reason policy.Reason) answer {
	if a, ok := answers[reason]; ok {
		return a
	}
	return answer{http.StatusInternalServerError, "proxy_internal_error", "something went wrong"}
}

// answer writes the error answer for t to the connection itself and closes it.
func (s *Server) answer(c *clientConn, t *transaction, reason policy.Reason, advice string) {
	a := answerFor(reason)
	header, body := a.write(reason, t.subject(), t.id, advice)
	resp := &http.Response{
		StatusCode: a.status, ProtoMajor: 1, ProtoMinor: 1, Header: header, Close: true,
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
		Request: &http.Request{Method: t.request.Method},
	}
	_ = c.Conn.SetWriteDeadline(time.Now().Add(s.cfg.Timeouts.Header))
	if resp.Write(c.Conn) == nil {
		c.linger()
	}
	_ = c.Close()
}

// subject names what t was about, for people: host and port, or "" for what could not be parsed.
func (t *transaction) subject() string {
	if target := t.request.Target; target.Host != "" {
		return net.JoinHostPort(target.Host, strconv.Itoa(int(target.Port)))
	}
	return ""
}
