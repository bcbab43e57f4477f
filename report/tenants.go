package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/sepproxy/sepproxy/catalog"
)

// maxUploads is how many clients of one host a report names.
const maxUploads = 100

// tenants counts what went to the hosts that others than the vendor share, by client.
type tenants map[string]*tenant

type tenant struct {
	tally
	shared  catalog.Text
	uploads map[int]*uploaded // by client
}

type uploaded struct {
	requests int64
	bytes    Bytes
}

func newTenants(c *catalog.Catalog) tenants {
	t := tenants{}
	for _, h := range c.Hosts {
		if h.Shared != (catalog.Text{}) {
			t[h.Name] = &tenant{shared: h.Shared, uploads: map[int]*uploaded{}}
		}
	}
	return t
}

// of gives the entry that a host falls under; nil for none.
func (t tenants) of(host string) *tenant { return underPattern(t, host) }

// underPattern finds a host by its name, or by the longest "*." name that covers it; nil for neither.
func underPattern[V any](m map[string]*V, host string) *V {
	if len(m) == 0 {
		return nil
	}
	found := m[host]
	for rest, more := host, true; found == nil && more; found = m["*."+rest] {
		if _, rest, more = strings.Cut(rest, "."); !more {
			return nil
		}
	}
	return found
}

func (t *tenant) by(client int) *uploaded {
	u := t.uploads[client]
	if u == nil {
		u = new(uploaded)
		t.uploads[client] = u
	}
	return u
}

func (t tenants) rows(clients clientTable, lang string) []MultiTenant {
	rows := []MultiTenant{}
	for _, host := range slices.Sorted(maps.Keys(t)) {
		h := t[host]
		row := MultiTenant{Host: host, Shared: h.shared.In(lang), Requests: h.requests(), Clients: h.clients.len(),
			Bytes: h.bytes, Uploads: h.largest(clients)}
		_, row.Denied = h.verdicts()
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b MultiTenant) int { return cmp.Compare(b.Sent, a.Sent) })
	return rows
}

// largest names the clients that sent most.
func (t *tenant) largest(clients clientTable) []Upload {
	list := []Upload{}
	for n, u := range t.uploads {
		list = append(list, Upload{clients.address(n), u.requests, u.bytes})
	}
	slices.SortFunc(list, func(a, b Upload) int {
		return cmp.Or(otherLast(a.Client, b.Client), cmp.Compare(b.Sent, a.Sent),
			cmp.Compare(b.Requests, a.Requests), strings.Compare(a.Client, b.Client))
	})
	if len(list) <= maxUploads {
		return list
	}
	rest := Upload{Client: Other}
	for _, u := range list[maxUploads:] {
		rest.Requests = plus(rest.Requests, u.Requests)
		rest.Bytes.add(u.Bytes)
	}
	return append(list[:maxUploads:maxUploads], rest)
}
