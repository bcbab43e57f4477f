package catalog

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

var (
	squidUse = Text{
		"Squid 4 or later: include this file in squid.conf after the acl localnet (who may ask) and before http_access deny all.",
		"Squid 4 o posterior: incluya este archivo en squid.conf después de acl localnet (quién puede pedir) y antes de http_access deny all.",
	}
	squidBump = Text{
		"No bumping: certificates are pinned, TLS must pass untouched. These lines stand before every other ssl_bump. A Squid without OpenSSL says that it does not know them, and cannot bump.",
		"Sin inspección: hay certificados anclados, TLS debe pasar intacto. Estas líneas van antes de cualquier otro ssl_bump. Un Squid sin OpenSSL avisa de que no las conoce, y no puede inspeccionar.",
	}
)

// exportSquid writes acls and rules, one host a line. An acl of the type dstdomain takes ".example.com"
// for example.com as well, so hosts with "*." are regular expressions (https://www.squid-cache.org/Doc/config/acl/).
func exportSquid(w io.Writer, c *Catalog, o Options) error {
	p := page{lang: o.Lang}
	p.heading(c, squidUse)
	p.line(0, "acl sep_connect method CONNECT")
	var tls []string
	for _, r := range c.reaches() {
		acls := p.squidACLs(&r)
		method := "!sep_connect"
		if r.scheme == "https" {
			method = "sep_connect"
			tls = append(tls, acls...)
		}
		for _, acl := range acls {
			p.line(0, fmt.Sprintf("http_access allow localnet %s sep_%s_%d_port %s", method, r.scheme, r.port, acl))
		}
	}
	p.line(0, "")
	p.line(0, "# "+squidBump.In(o.Lang))
	for _, acl := range tls {
		p.line(0, "ssl_bump splice "+acl)
	}
	return p.writeTo(w)
}

// squidACLs writes the lists of one reach, and gives the names of those that are not empty.
func (p *page) squidACLs(r *reach) (acls []string) {
	name := fmt.Sprintf("sep_%s_%d", r.scheme, r.port)
	list := func(acl, kind string, values []string) {
		for _, v := range values {
			p.line(0, "acl "+acl+" "+kind+" "+v)
		}
		if len(values) > 0 {
			acls = append(acls, acl)
		}
	}
	p.line(0, "")
	p.line(0, fmt.Sprintf("acl %s_port port %d", name, r.port))
	var below, paths []string
	for _, suffix := range r.below {
		below = append(below, `\.`+regexp.QuoteMeta(suffix)+`$`)
	}
	for _, e := range r.paths {
		paths = append(paths, squidURL(e))
	}
	list(name, "dstdomain -n", r.names)
	list(name+"_below", "dstdom_regex -n -i", below)
	list(name+"_paths", "url_regex", paths)
	return acls
}

// squidURL is a regular expression for what is at a path or below it.
func squidURL(e Endpoint) string {
	host := regexp.QuoteMeta(e.Host)
	if suffix, wild := strings.CutPrefix(e.Host, "*."); wild {
		host = `[^/:@]+\.` + regexp.QuoteMeta(suffix)
	}
	return fmt.Sprintf(`^http://%s(:%d)?%s([/?]|$)`, host, e.Port, regexp.QuoteMeta(e.Path))
}

// heading says at the top of a file with comments what it is of, and how it is used.
func (p *page) heading(c *Catalog, use Text) {
	if c.Source != (Text{}) {
		p.line(0, "# "+c.Source.In(p.lang))
	}
	if c.Edition != "" {
		p.line(0, "# "+wordEdition.In(p.lang)+" "+c.Edition)
	}
	p.line(0, "# "+use.In(p.lang))
}
