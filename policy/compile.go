package policy

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sepproxy/sepproxy/catalog"
	"github.com/sepproxy/sepproxy/internal/strictyaml"
)

// longestObservation is how far ahead observe.until may lie, so that nobody forgets the mode.
const longestObservation = 90 * 24 * time.Hour

// A compiler checks a policy file and fills in a Policy. It goes on after a mistake, to find them all.
type compiler struct {
	doc     *strictyaml.Document
	file    *file
	catalog *catalog.Catalog // nil: it could not be read
	now     time.Time
	policy  *Policy

	allows []allow // without repetitions
	canon  canon   // what the revision is made of
}

func (c *compiler) run() {
	c.general()
	c.groups()
	c.versions()
	c.clients()
	c.allow()
	c.deny()
	c.observe()
	if c.doc.Err() != nil || c.catalog == nil {
		return
	}
	c.rules()
	c.policy.revision = c.canon.revision()
	c.warn()
}

func (c *compiler) general() {
	switch c.file.Mode {
	case ModeEnforce, ModeObserve:
		c.policy.observing = c.file.Mode == ModeObserve
	default:
		c.doc.Errorf("mode", "unknown mode %q: write enforce or observe", c.file.Mode)
	}
	switch c.file.OnRevoke {
	case "close", "keep":
		c.policy.keepRevoked = c.file.OnRevoke == "keep"
	default:
		c.doc.Errorf("on_revoke", "unknown action %q: write close or keep", c.file.OnRevoke)
	}
	c.canon.add("on_revoke", c.file.OnRevoke)
}

func (c *compiler) groups() {
	c.policy.groups = c.groupSet("groups", c.file.Groups)
}

// groupSet gives the groups of a list, nil for all where there is no list.
func (c *compiler) groupSet(path string, list *[]string) map[string]bool {
	if !c.given(path, list == nil) {
		return nil
	}
	known := c.knownGroups()
	set := map[string]bool{}
	for i, id := range *list {
		if c.catalog != nil && !slices.Contains(known, id) {
			c.doc.Errorf(item(path, i), "unknown group %q; the catalog has %s", id, strings.Join(known, ", "))
		}
		set[id] = true
	}
	return set
}

// given tells whether the list at path is in the file, and refuses a key without a value.
func (c *compiler) given(path string, missing bool) bool {
	if missing && c.doc.Has(path) {
		c.doc.Errorf(path, "a value is missing: write [] for none, or remove the key for the default")
	}
	return !missing
}

func (c *compiler) knownGroups() []string {
	var ids []string
	if c.catalog != nil {
		for _, g := range c.catalog.Groups {
			ids = append(ids, g.ID)
		}
	}
	return ids
}

func (c *compiler) versions() {
	for i, text := range c.file.SEPVersions {
		version, err := catalog.ParseVersion(text)
		if text == "" && c.doc.Err() != nil {
			continue // the value is of another type, which was told
		}
		if err != nil {
			c.doc.Errorf(item("sep_versions", i), "%v", err)
			continue
		}
		c.policy.versions = append(c.policy.versions, version)
	}
}

func (c *compiler) clients() {
	if !c.given("clients", c.file.Clients == nil) {
		c.policy.clients, c.policy.defaultClients = privateClients(), true
		return
	}
	names, prefixes := map[string]int{}, map[netip.Prefix]string{}
	for i, w := range *c.file.Clients {
		path := item("clients", i)
		if first, again := names[w.Name]; again {
			line, _ := c.doc.Position(item("clients", first))
			c.doc.Errorf(path+".name", "client %q stands here a second time, first on line %d: give each its own name", w.Name, line)
		}
		names[w.Name] = i
		if w.Name == "" {
			c.doc.Errorf(path, "a client needs a name, which records and rules then use")
		}
		entry := &client{name: w.Name, groups: c.groupSet(path+".groups", w.Groups)}
		c.policy.clients.add(entry, c.cidrs(path, w, prefixes))
	}
}

// cidrs reads the networks of a client; taken holds the clients of those already read.
func (c *compiler) cidrs(path string, w who, taken map[netip.Prefix]string) []netip.Prefix {
	if len(w.CIDRs) == 0 {
		c.doc.Errorf(path, "client %q needs cidrs: the networks it is in, such as [10.0.0.0/28]", w.Name)
	}
	var prefixes []netip.Prefix
	for i, text := range w.CIDRs {
		at := item(path+".cidrs", i)
		prefix, advice := parseCIDR(text)
		if advice != "" {
			c.doc.Errorf(at, "%s", advice)
			continue
		}
		if owner, again := taken[prefix]; again {
			c.doc.Errorf(at, "%s stands here a second time, it belongs to client %q already", prefix, owner)
		}
		taken[prefix] = w.Name
		prefixes = append(prefixes, prefix)
	}
	return prefixes
}

// parseCIDR gives a network, or what to write instead.
func parseCIDR(text string) (netip.Prefix, string) {
	prefix, err := netip.ParsePrefix(text)
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return prefix, "a network needs its length: for the one address write " + netip.PrefixFrom(addr, addr.BitLen()).String()
	}
	switch {
	case err != nil:
		return prefix, quoted(text) + " is not a network such as 10.0.0.0/8 or fc00::/7"
	case prefix.Addr().Is4In6():
		return prefix, quoted(text) + " is an IPv4 network in IPv6 clothes: write it as IPv4, such as 10.0.0.0/8"
	case prefix != prefix.Masked():
		return prefix, quoted(text) + " has bits set behind its length: write " + prefix.Masked().String() +
			" for the network, or " + netip.PrefixFrom(prefix.Addr(), prefix.Addr().BitLen()).String() + " for the one address"
	}
	return prefix, ""
}

func (c *compiler) observe() {
	o := c.file.Observe
	if c.given("observe.hosts", o.Hosts == nil) {
		for i, text := range *o.Hosts {
			c.observeHost(item("observe.hosts", i), text)
		}
	} else {
		c.policy.observed.all = true
	}
	if until, ok := c.until(o.Until); ok {
		c.policy.until = until
	}
}

func (c *compiler) observeHost(path, text string) {
	pattern, err := catalog.ParsePattern(text)
	if err != nil {
		c.doc.Errorf(path, "%v", err)
		return
	}
	m, key := c.policy.observed.patterns.at(pattern)
	m[key] = struct{}{}
}

// until reads the end of observation, which only mode observe has to have.
func (c *compiler) until(text string) (time.Time, bool) {
	limit := c.now.Add(longestObservation)
	if text == "" {
		if c.policy.observing {
			c.doc.Errorf("mode", "mode observe needs an end: write observe: {until: %s} or an earlier time",
				limit.UTC().Format("2006-01-02T00:00:00Z"))
		}
		return time.Time{}, false
	}
	until, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		c.doc.Errorf("observe.until", "%s is not a time: write it like 2026-12-31T00:00:00Z (RFC 3339)", quoted(text))
	case c.policy.observing && until.After(limit):
		c.doc.Errorf("observe.until", "observation may last 90 days: write %s or an earlier time",
			limit.UTC().Format("2006-01-02T00:00:00Z"))
	}
	return until.UTC(), err == nil
}
