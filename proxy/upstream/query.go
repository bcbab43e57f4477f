package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/miekg/dns"
)

const (
	udpSize     = 1232                   // what passes everywhere unfragmented (DNS flag day 2020)
	otherFamily = 200 * time.Millisecond // how long the second family's answer is waited for
	sendAgain   = time.Second            // when a question by UDP, or its answer, counts as lost
)

// ask asks the resolvers in turn: the next one where one fails, but not where one knows that the
// name does not exist.
func (u *Upstream) ask(ctx context.Context, host string) (a answer, err error) {
	servers := u.cfg.Resolvers
	if len(servers) == 0 {
		if a, ok := fromHostsFile(ctx, host); ok {
			return a, nil
		}
		if servers, err = u.system.resolvers(); err != nil {
			return answer{}, err
		}
	}
	for i, server := range servers {
		share, cancel := shareOf(ctx, len(servers)-i)
		a, err = askOne(share, server.String(), dns.Fqdn(host)) // the final dot: no search domains
		cancel()
		if err == nil {
			return a, nil
		}
	}
	return answer{}, err
}

// askOne asks one server for both families at once. It needs one answer, and waits a little for the
// other. That the name does not exist is said of both (RFC 8020).
func askOne(ctx context.Context, server, name string) (answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		answer
		err error
	}
	results := make(chan result, 2)
	for _, family := range []uint16{dns.TypeA, dns.TypeAAAA} {
		go func() {
			a, err := exchange(ctx, server, name, family)
			results <- result{a, err}
		}()
	}
	first := <-results
	switch {
	case first.err != nil:
	case first.noSuchName:
		return first.answer, nil
	case len(first.addresses) > 0:
		select {
		case second := <-results:
			return first.join(second.answer), nil
		case <-time.After(otherFamily):
			return first.answer, nil
		}
	}
	second := <-results
	switch {
	case second.err == nil && (second.noSuchName || len(second.addresses) > 0):
		return second.answer, nil
	case first.err != nil:
		return answer{}, first.err
	case second.err != nil:
		return answer{}, second.err
	}
	return first.join(second.answer), nil
}

// join puts the answers for both families together; one without addresses does not count where the
// other has some.
func (a answer) join(b answer) answer {
	if len(a.addresses) > 0 && len(b.addresses) == 0 {
		return a
	}
	return answer{addresses: slices.Concat(a.addresses, b.addresses), ttl: min(a.ttl, b.ttl)}
}

// exchange asks one question, by UDP, and by TCP where the answer does not fit.
func exchange(ctx context.Context, server, name string, family uint16) (answer, error) {
	question := new(dns.Msg)
	question.SetQuestion(name, family) // with a random id; the port is the kernel's choice
	question.SetEdns0(udpSize, false)
	reply, err := send(ctx, "udp", server, question)
	if err == nil && reply.Truncated {
		reply, err = send(ctx, "tcp", server, question)
	}
	if err != nil {
		return answer{}, fmt.Errorf("asking %s: %w", server, err)
	}
	a, err := read(reply, question.Question[0])
	if err != nil {
		return answer{}, fmt.Errorf("asking %s: %w", server, err)
	}
	return a, nil
}

// send sends a question and waits for its answer until ctx ends. By UDP, where packets get lost, it
// sends it again and again.
func send(ctx context.Context, network, server string, question *dns.Msg) (*dns.Msg, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	for {
		reply, err := sendOnce(&dns.Conn{Conn: conn, UDPSize: udpSize}, question, network == "udp")
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil && network == "udp" && isTimeout(err):
			continue
		}
		return reply, err
	}
}

// sendOnce sends a question once. Whatever else than its answer comes by UDP is passed over: it may
// be anybody's.
func sendOnce(conn *dns.Conn, question *dns.Msg, udp bool) (*dns.Msg, error) {
	if udp {
		_ = conn.SetReadDeadline(time.Now().Add(sendAgain))
	}
	if err := conn.WriteMsg(question); err != nil {
		return nil, err
	}
	for {
		reply, err := conn.ReadMsg()
		malformed, _ := errors.AsType[*dns.Error](err)
		switch {
		case err == nil && isAnswer(reply, question):
			return reply, nil
		case udp && (err == nil || malformed != nil):
			continue
		case err == nil:
			return nil, errors.New("the resolver answers another question")
		}
		return nil, err
	}
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}
