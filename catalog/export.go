package catalog

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Options say what of a catalog is written, and how. The zero value is all of it, in English.
type Options struct {
	Group string // the ID of the only group wanted; "" is all
	Lang  string // "en" or "es", for forms that have room for one language
	Proxy string // the proxy that a PAC file names, as ParsePACResult reads it; "" is DefaultProxy
}

// DefaultProxy is where sepproxy listens if nothing else is configured.
const DefaultProxy = "127.0.0.1:3128"

var formats = map[string]func(io.Writer, *Catalog, Options) error{
	"csv":       exportCSV,
	"dnsmasq":   exportDnsmasq,
	"edl":       exportEDL,
	"fortigate": exportFortigate,
	"hosts":     exportHosts,
	"json":      exportJSON,
	"pac":       exportPAC,
	"squid":     exportSquid,
	"yaml":      exportYAML,
	"zscaler":   exportZscaler,
}

// Formats gives the formats that Export knows, sorted.
func Formats() []string { return slices.Sorted(maps.Keys(formats)) }

// Export writes c for other programs; the same catalog gives the same bytes. Formats:
//
//   - yaml: what Parse reads, both languages; of a group, what is known of its hosts comes along
//   - json: the same content, with scheme, host, port and path of each endpoint apart
//   - csv: RFC 4180 with the columns group,service,scheme,host,port,path,versions,title, and a row
//     per endpoint of each service; cells that a spreadsheet would run as a formula begin with '
//   - hosts: the host names, each once, sorted, one a line
//   - pac: a PAC file that sends them to o.Proxy and everything else DIRECT
//   - squid: acls, allow rules and the rules that keep TLS untouched, for squid.conf
//   - dnsmasq: which addresses go into an nftables set or an ipset
//   - fortigate: address objects and a group per port, as FortiOS CLI
//   - edl: a URL list for PAN-OS; zscaler: one for a custom URL category
//
// Lists by name alone cannot say everything: dnsmasq, fortigate, edl, zscaler and pac leave out scheme or
// port or path, and dnsmasq and zscaler take a "*." name for its bare domain too.
func Export(w io.Writer, c *Catalog, format string, o Options) error {
	write, ok := formats[format]
	if !ok {
		return fmt.Errorf("unknown format %s: choose one of %s", quote(format), strings.Join(Formats(), ", "))
	}
	c, err := c.only(o.Group)
	if err != nil {
		return err
	}
	if err := write(w, c, o); err != nil {
		return fmt.Errorf("writing catalog as %s: %w", format, err)
	}
	return nil
}

// only gives the catalog with the one group, or c itself for "".
func (c *Catalog) only(group string) (*Catalog, error) {
	if group == "" {
		return c, nil
	}
	i := slices.IndexFunc(c.Groups, func(g Group) bool { return g.ID == group })
	if i < 0 {
		return nil, fmt.Errorf("unknown group %s: the catalog has %s", quote(group), strings.Join(c.groupIDs(), ", "))
	}
	part := &Catalog{Edition: c.Edition, Source: c.Source, Groups: c.Groups[i : i+1]}
	names := part.HostNames()
	for _, h := range c.Hosts {
		if _, used := slices.BinarySearch(names, h.Name); used {
			part.Hosts = append(part.Hosts, h)
		}
	}
	return part, nil
}

func (c *Catalog) groupIDs() []string {
	ids := make([]string, len(c.Groups))
	for i, g := range c.Groups {
		ids[i] = printable(g.ID)
	}
	return ids
}

func exportJSON(w io.Writer, c *Catalog, _ Options) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(c)
}

func exportHosts(w io.Writer, c *Catalog, _ Options) error {
	_, err := io.WriteString(w, strings.Join(append(c.HostNames(), ""), "\n"))
	return err
}

func exportPAC(w io.Writer, c *Catalog, o Options) error {
	proxy, err := ParsePACResult(cmp.Or(o.Proxy, DefaultProxy))
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, PAC(c.HostNames(), proxy, "DIRECT"))
	return err
}

func exportCSV(w io.Writer, c *Catalog, o Options) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"group", "service", "scheme", "host", "port", "path", "versions", "title"}}
	for s := range c.Services() {
		for _, e := range s.Endpoints {
			rows = append(rows, []string{inert(s.Group), inert(s.ID), e.Scheme, inert(e.Host),
				strconv.Itoa(int(e.Port)), e.Path, e.Versions.String(), inert(s.Title.In(o.Lang))})
		}
	}
	return out.WriteAll(rows)
}

// inert makes a spreadsheet take a cell as text: a catalog file may be somebody else's.
func inert(cell string) string {
	start := strings.TrimLeftFunc(cell, unicode.IsSpace)
	if start != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(start)[0]) {
		return "'" + cell
	}
	return cell
}
