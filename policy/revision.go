package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A canon gathers the canonical text of a compiled policy: a line for everything that changes a
// decision or what is told of it, in any order and any number of times. What is for people only
// (reasons, positions, titles) and how the file was written are not in it.
type canon struct {
	lines []string
}

func (c *canon) add(what string, values ...string) {
	line := what
	for _, value := range values {
		line += fmt.Sprintf(" %q", value)
	}
	c.lines = append(c.lines, line)
}

func (c *canon) rule(key endpointKey, r *rule, clients []*client) {
	values := []string{key.String(), fmt.Sprint(r.documented), fmt.Sprint(r.local != nil), strings.Join(r.audience.services, " ")}
	if r.sniOff {
		values = append(values, "sni off")
	}
	var users []string
	for _, client := range clients {
		if services := r.audience.forClient(client); services != nil {
			users = append(users, fmt.Sprintf("%q: %s", client.name, strings.Join(services, " ")))
		}
	}
	slices.Sort(users)
	c.add("rule", append(values, users...)...)
}

// policy adds what the Policy itself holds, apart from rules and deny rules.
func (c *canon) policy(p *Policy) {
	for prefix, client := range p.clients.prefixes {
		c.add("client", prefix.String(), client.name)
	}
	if !p.observing {
		return
	}
	c.add("observe", p.until.Format(time.RFC3339Nano), fmt.Sprint(p.observed.all))
	for host := range p.observed.patterns.exact {
		c.add("observe", host)
	}
	for suffix := range p.observed.patterns.below {
		c.add("observe", "*."+suffix)
	}
}

// revision is the first 12 hex digits of the SHA-256 of the sorted lines, each once.
func (c *canon) revision() string {
	slices.Sort(c.lines)
	text := strings.Join(slices.Compact(c.lines), "\n")
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:12]
}
