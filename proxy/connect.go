package proxy

import (
	"net"

	"github.com/sepproxy/sepproxy/policy"
)

// established is the whole answer to a CONNECT (RFC 9110 §9.3.6): no field, and above all no
// Content-Length, comes with it.
const established = "HTTP/1.1 200 Connection established\r\n\r\n"

// connect serves a CONNECT: parse, decide, dial, relay. early is what came with it.
func (s *Server) connect(c *clientConn, early []byte) {
	target, err := policy.ParseAuthority(c.head.target)
	if err != nil {
		s.refuseMalformed(c, c.head, err)
		return
	}
	t := s.decide(c, target, c.head.method)
	c.raw, c.head = nil, head{} // early holds the one, t the other; an idle tunnel needs neither
	if reason := t.refusal(); reason != "" {
		s.answer(c, t, reason, "")
		return
	}
	origin, early, err := s.dialWatching(c, t, early)
	if err != nil {
		t.fail(failureOf(err, failConnect))
		s.answer(c, t, t.failed(), "")
		return
	}
	s.relay(c, t, origin, early)
}

// relay tells the client that its tunnel is open, looks at its first bytes, and has the rest carried.
func (s *Server) relay(c *clientConn, t *transaction, origin net.Conn, early []byte) {
	t.peer = remoteAddr(origin)
	if _, err := c.Write([]byte(established)); err != nil {
		_ = origin.Close()
		_ = c.Close()
		t.end(result{failure: failClientReset})
		return
	}
	first, passed := s.guard(c, t, early)
	if !passed {
		_ = origin.Close()
		c.linger()
		return
	}
	t.count()
	c.handOver()
	t.carry(c.Conn, origin, first)
	c.release()
}

// refusal is why t cannot be served: the reason of its denial, or the failure that ended it
// before anything was dialled. "" means that it can.
func (t *transaction) refusal() policy.Reason {
	if !t.verdict.Allow {
		return t.verdict.Reason
	}
	return t.failed()
}

// refuseMalformed records and answers a request that cannot be understood. why becomes part of the
// answer, so that whoever wrote the client can see what to change.
func (s *Server) refuseMalformed(c *clientConn, h head, why error) {
	c.head = h
	t := s.decide(c, policy.Target{}, h.method)
	s.answer(c, t, t.refusal(), why.Error())
}
