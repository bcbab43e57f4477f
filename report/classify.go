package report

import (
	"fmt"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/sepproxy/sepproxy/catalog"
)

// Classes of undocumented endpoints: what kind of thing it is, never whether it should pass.
const (
	ClassVendor   = "vendor"   // the registrable domain is that of a host of the catalog
	ClassPKI      = "pki"      // certificate status or intermediate certificates, by the program's list
	ClassPlatform = "platform" // an operating system's or browser's own, by the program's list
	ClassOther    = "other"    // nothing known
)

// A classifier tells what is known of hosts that no catalog lists.
type classifier struct {
	words   *words
	lang    string
	kin     kinship
	vendor  map[string]string // registrable domains of the catalog's hosts: one of those hosts
	tenants tenants
}

func newClassifier(o *Options, t tenants) *classifier {
	hosts := o.catalog().HostNames()
	c := &classifier{words: wordsOf(o.Lang), lang: o.Lang, kin: newKinship(hosts), vendor: map[string]string{}, tenants: t}
	for _, host := range hosts {
		// What many tenants share says nothing about who else is below its domain.
		if name := strings.TrimPrefix(host, "*."); t.of(host) == nil && c.cloud(name) == "" {
			if domain, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil && c.vendor[domain] == "" {
				c.vendor[domain] = host
			}
		}
	}
	return c
}

// describe fills in class, its reason, resemblance and breadth of a row whose host stands in it.
func (c *classifier) describe(row *Undocumented) {
	row.Class, row.ClassReason = ClassOther, c.words.classOther
	host, err := catalog.ParseHost(row.Host)
	if err != nil || host != row.Host {
		return // an address, Other, or nothing that ever was a name
	}
	row.Resembles = c.kin.of(host)
	row.Broad = c.broad(host)
	domain, _ := publicsuffix.EffectiveTLDPlusOne(host) // "" for a public suffix itself
	switch known, system := pki().find(host), platform().find(host); {
	case known != nil:
		row.Class, row.ClassReason = ClassPKI, fmt.Sprintf(c.words.classKnown, known.Who.in(c.lang), known.Source)
	case c.vendor[domain] != "":
		row.Class, row.ClassReason = ClassVendor, fmt.Sprintf(c.words.classVendor, domain, c.vendor[domain])
	case system != nil:
		row.Class, row.ClassReason = ClassPlatform, fmt.Sprintf(c.words.classKnown, system.Who.in(c.lang), system.Source)
	}
}

// broad says why a rule for the host would let more pass than its name says.
func (c *classifier) broad(host string) string {
	if t := c.tenants.of(host); t != nil {
		return t.shared.In(c.lang)
	}
	if cloud := c.cloud(host); cloud != "" {
		return fmt.Sprintf(c.words.broadCloud, cloud)
	}
	return ""
}

// cloud gives the domain below which strangers register names of their own, by the private part of the
// public suffix list; "" for a host that is below none.
func (c *classifier) cloud(host string) string {
	suffix, icann := publicsuffix.PublicSuffix(host)
	if icann || !strings.Contains(suffix, ".") {
		return ""
	}
	return suffix
}

func (t text) in(lang string) string {
	if lang == "es" {
		return t.ES
	}
	return t.EN
}
