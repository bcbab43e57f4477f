package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sepproxy/sepproxy/internal/strictyaml"
)

// warn tells what a person who reads the file could overlook. It needs a policy without mistakes.
func (c *compiler) warn() {
	c.warnClients()
	c.warnRules()
	c.warnObserve()
	if shared := c.sharedHosts(); len(shared) > 0 {
		c.warning("", "hosts that serve other customers of their cloud too are allowed, and nothing inside TLS can tell them apart: %s",
			strings.Join(shared, ", "))
	}
}

// warning adds one about the value at path; "" is the policy as a whole.
func (c *compiler) warning(path, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if c.doc.File() != "" {
		m := strictyaml.Mistake{File: c.doc.File(), Message: text}
		if path != "" {
			m.Line, m.Column = c.doc.Position(path)
		}
		text = m.Error()
	}
	c.policy.warnings = append(c.policy.warnings, text)
}

func (c *compiler) warnClients() {
	if c.file.Clients == nil {
		return
	}
	if len(*c.file.Clients) == 0 {
		c.warning("clients", "nobody may use the proxy")
	}
	for i, w := range *c.file.Clients {
		for j, cidr := range w.CIDRs {
			if strings.HasSuffix(cidr, "/0") {
				c.warning(item(item("clients", i)+".cidrs", j), "client %q is everybody on the network %s", w.Name, cidr)
			}
		}
	}
}

func (c *compiler) warnRules() {
	for i := range c.allows {
		a := &c.allows[i]
		if base, wild := strings.CutPrefix(a.key.host, "*."); wild {
			c.warning(a.path+".url", "%s allows every name below %s; each is resolved, so names alone can carry data out", a.key, base)
		}
		if a.sniOff {
			c.warning(a.path+".sni", "whatever a client sends passes to %s: nothing checks that it is TLS for that name", a.key.host)
		}
		if a.key.scheme == "http" && a.key.path == "" {
			c.warning(a.path+".url", "%s allows every path, readable and changeable on the way: name a path if you can", a.key)
		}
	}
}

func (c *compiler) warnObserve() {
	p := c.policy
	switch {
	case !p.observing:
	case c.now.Before(p.until):
		c.warning("mode", "mode observe lets unlisted requests pass until %s, and resolves their names, which alone can carry data out", p.until.Format(time.RFC3339))
	default:
		c.warning("observe.until", "observation ended at %s: the mode is enforce", p.until.Format(time.RFC3339))
	}
}

// sharedHosts gives the hosts that are in force and that the catalog marks as shared by many, sorted.
func (c *compiler) sharedHosts() []string {
	var shared []string
	for _, h := range c.catalog.Hosts {
		inForce := func(r rule) bool { return r.audience.inForce }
		m, key := c.policy.rules.at(h.Name)
		if h.Shared.EN+h.Shared.ES != "" && slices.ContainsFunc(m[key], inForce) {
			shared = append(shared, h.Name)
		}
	}
	slices.Sort(shared)
	return shared
}
