package policy

import (
	"fmt"
	"strings"
	"time"
)

// Explain says in a sentence for people why Decide decides as it does. It is safe to print.
func (p *Policy) Explain(r Request) string {
	if p == nil || p.catalog == nil {
		return "no policy is in force, which denies everything"
	}
	v := p.Decide(r)
	if v.Reason != ReasonObserved {
		return p.because(v.Reason, &r, &v)
	}
	return fmt.Sprintf("observe mode lets it pass until %s; enforce would deny it: %s",
		p.until.Format(time.RFC3339), p.because(v.Would, &r, &v))
}

// because explains one reason; r and v are the request and its verdict.
func (p *Policy) because(reason Reason, r *Request, v *Verdict) string {
	host := r.Target.Host
	switch reason {
	case ReasonMalformedRequest:
		return "the request has no target that can be read"
	case ReasonDraining:
		return "the proxy is stopping and takes no more requests"
	case ReasonClientNotAllowed:
		return fmt.Sprintf("no entry of clients covers %s", r.Client)
	case ReasonRateLimited:
		return "too many requests came in a second"
	case ReasonTooManyConnections:
		return "too many connections are open"
	case ReasonIPLiteral:
		return host + " is an IP address, and rules are about names"
	case ReasonDeniedByRule:
		return "the deny rule " + p.denial(&r.Target).describe() + " forbids it"
	case ReasonGroupNotAllowed:
		return fmt.Sprintf("%s is for %s, which client %q may not use", host, list(v.Services), v.Client)
	case ReasonCatalog:
		return fmt.Sprintf("%s is documented for %s", host, list(v.Services))
	case ReasonLocalRule:
		return "the allow rule " + p.match(&r.Target, p.clients.find(r.Client)).by.local.describe() + " names it"
	}
	return p.unlisted(reason, &r.Target, v)
}

func (p *Policy) unlisted(reason Reason, t *Target, v *Verdict) string {
	switch {
	case v.Documented && reason != ReasonPathNotListed:
		return fmt.Sprintf("%s is documented for %s, but groups, sep_versions or clients leave that out for everybody", t.Host, list(v.Services))
	case reason == ReasonNotListed:
		return "no rule names the host " + t.Host
	case reason == ReasonSchemeNotListed:
		return fmt.Sprintf("%s is listed, but not for %s", t.Host, t.Scheme)
	case reason == ReasonPortNotListed:
		return fmt.Sprintf("%s is listed for %s, but not on port %d", t.Host, t.Scheme, t.Port)
	case reason == ReasonPathNotListed && ambiguous(t.Path):
		return fmt.Sprintf("%s is listed with a path, and servers read the path %s in different ways", t.Host, quoted(t.Path))
	case reason == ReasonPathNotListed:
		return fmt.Sprintf("%s is listed, but not for the path %s", t.Host, quoted(t.Path))
	}
	return "it is denied: " + string(reason)
}

func (l *local) describe() string {
	if l.why == "" {
		return "at " + l.position
	}
	return "at " + l.position + " (" + strings.Trim(quoted(l.why), `"`) + ")"
}

func list(services []string) string { return strings.Join(services, ", ") }
