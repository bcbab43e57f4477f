package policy

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/sepproxy/sepproxy/catalog"
)

// defaultService is what a local endpoint counts as where the rule names no service.
const defaultService = "local"

// allow is an allow rule of policy.yaml.
type allow struct {
	key     endpointKey
	path    string   // of the YAML value
	service string   // "" keeps the catalog's
	clients []string // sorted; nil: the rule names none
	sniOff  bool     // tunnels need not begin with a ClientHello for the host
	local   local
}

func (a *allow) same(b *allow) bool {
	return a.service == b.service && a.sniOff == b.sniOff && slices.Equal(a.clients, b.clients) && (a.clients == nil) == (b.clients == nil)
}

func (c *compiler) allow() {
	first := map[endpointKey]*allow{}
	for i := range c.file.Allow {
		a, ok := c.allowRule(item("allow", i), &c.file.Allow[i])
		if !ok {
			continue
		}
		if before := first[a.key]; before == nil {
			first[a.key] = &a
			c.allows = append(c.allows, a)
		} else if !before.same(&a) {
			line, _ := c.doc.Position(before.path)
			c.doc.Errorf(a.path+".url", "%s is allowed on line %d already, with other attributes: make one rule of the two", a.key, line)
		}
	}
}

func (c *compiler) allowRule(path string, r *allowRule) (allow, bool) {
	key, ok := c.ruleURL(path, r.URL)
	if r.Service != "" && !validService(r.Service) {
		c.doc.Errorf(path+".service", "%s is no name for a service: use lower-case letters, digits, - and dots between them, such as local.example", quoted(r.Service))
	}
	a := allow{key: key, path: path, service: r.Service, local: c.local(path, r.Reason)}
	if r.SNI != "" {
		a.sniOff = c.ruleSNI(path+".sni", r.SNI, key)
	}
	if c.given(path+".clients", r.Clients == nil) {
		a.clients = c.ruleClients(path+".clients", *r.Clients)
	}
	return a, ok
}

// ruleSNI reads the one thing that a rule can say of the server name in its tunnels.
func (c *compiler) ruleSNI(path, text string, key endpointKey) bool {
	switch {
	case text != "off":
		c.doc.Errorf(path, "want off here, or no such key: everything else is tunnel.sni's, in the configuration")
	case key.scheme == "http":
		c.doc.Errorf(path, "there is no server name in plain HTTP: remove the key")
	}
	return true
}

func (c *compiler) ruleClients(path string, names []string) []string {
	if len(names) == 0 {
		c.doc.Errorf(path, "a rule for no client allows nothing: name one, or remove the key for all")
	}
	for i, name := range names {
		if c.policy.clients.named(name) == nil {
			c.doc.Errorf(item(path, i), "unknown client %q: clients has to have an entry of that name", name)
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

func (c *compiler) deny() {
	for i, r := range c.file.Deny {
		path := item("deny", i)
		key, ok := c.ruleURL(path, r.URL)
		if !ok {
			continue
		}
		c.canon.add("deny", key.String())
		key.path = decoded(key.path)
		m, host := c.policy.denials.at(key.host)
		m[host] = append(m[host], denial{endpoint: key.endpoint, local: c.local(path, r.Reason)})
	}
}

// ruleURL reads the url of an allow or deny rule.
func (c *compiler) ruleURL(path, text string) (endpointKey, bool) {
	if text == "" {
		c.doc.Errorf(path, "a rule needs a url, such as https://host")
		return endpointKey{}, false
	}
	e, err := catalog.ParseURL(text)
	if err != nil {
		c.doc.Errorf(path+".url", "%v", err)
		return endpointKey{}, false
	}
	if e.Scheme == "https" && e.Path != "" {
		bare := e
		bare.Path = ""
		c.doc.Errorf(path+".url", "a path inside TLS cannot be seen, so no rule can depend on it: write %s", bare.URL())
		return endpointKey{}, false
	}
	return keyOf(&e), true
}

func (c *compiler) local(path, why string) local {
	line, column := c.doc.Position(path)
	return local{position: fmt.Sprintf("%s:%d:%d", c.doc.File(), line, column), why: why}
}

func validService(id string) bool {
	for i := range len(id) {
		switch b := id[i]; {
		case 'a' <= b && b <= 'z', '0' <= b && b <= '9':
		case (b == '-' || b == '.') && i > 0 && i < len(id)-1:
		default:
			return false
		}
	}
	return len(id) <= 100
}

func item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// quoted makes text from a file printable.
func quoted(s string) string { return strconv.QuoteToASCII(s) }
