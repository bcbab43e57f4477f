package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/sepproxy/sepproxy/catalog"
)

// serviceRows gives the documented services in their order, then the others by id, and the ids of
// the documented ones that were not used.
func (b *builder) serviceRows() (rows []Service, unused []string) {
	rows, unused = []Service{}, []string{}
	endpoints := b.endpointRows()
	documented := map[string]bool{}
	for i := range b.options.Services {
		s := &b.options.Services[i]
		row := b.named(s)
		row.Documented = true
		b.fill(&row, s.Endpoints, endpoints[s.ID])
		rows = append(rows, row)
		documented[s.ID] = true
		if !row.Used {
			unused = append(unused, s.ID)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(b.services.values)) {
		if !documented[id] {
			row := Service{ID: id}
			if s := b.options.catalog().Service(id); s != nil {
				row = b.named(s)
			}
			b.fill(&row, nil, endpoints[id])
			rows = append(rows, row)
		}
	}
	return rows, unused
}

// named is the row of a service of the catalog, with nothing counted yet.
func (b *builder) named(s *catalog.Service) Service {
	lang := b.options.Lang
	return Service{ID: s.ID, Group: s.Group, Title: s.Title.In(lang), Purpose: s.Purpose.In(lang), Breaks: s.Breaks.In(lang)}
}

// fill adds what was counted for the service. Its documented endpoints come in their order.
func (b *builder) fill(row *Service, listed []catalog.Endpoint, seen []Endpoint) {
	t := b.services.values[row.ID]
	row.Used = t.used()
	row.Joint, row.Days = t.joint, b.daysOf(&t.days)
	row.Requests, row.Failures, row.Clients, row.Bytes = t.requests(), t.failures, t.clients.len(), t.bytes
	_, row.Denied = t.verdicts()
	row.FirstSeen, row.LastSeen = t.seen()
	row.SharedWith = notNil(slices.Sorted(maps.Keys(b.shared[row.ID])))
	row.Endpoints = seen
	place := func(e Endpoint) int {
		i := slices.IndexFunc(listed, func(l catalog.Endpoint) bool { return l.Host == e.Host && l.Port == e.Port })
		if i < 0 {
			return len(listed)
		}
		return i
	}
	slices.SortStableFunc(row.Endpoints, func(x, y Endpoint) int { return place(x) - place(y) })
	if row.Endpoints == nil {
		row.Endpoints = []Endpoint{}
	}
}

// endpointRows gives the endpoints of each service by host and port, Other last.
func (b *builder) endpointRows() map[string][]Endpoint {
	rows := map[string][]Endpoint{}
	keys := slices.SortedFunc(maps.Keys(b.endpoints.values), func(x, y serviceAddress) int {
		return byAddress(x.address, y.address)
	})
	for _, k := range keys {
		t := b.endpoints.values[k]
		e := Endpoint{Host: k.host, Port: k.port, Requests: t.requests(), Failures: t.failures,
			Clients: t.clients.len(), Bytes: t.bytes}
		_, e.Denied = t.verdicts()
		e.FirstSeen, e.LastSeen = t.seen()
		rows[k.service] = append(rows[k.service], e)
	}
	return rows
}

// suggestion gives the URL of a rule for the address, or "" where the policy would not take it.
func suggestion(scheme string, to address) string {
	url := catalog.Endpoint{Scheme: scheme, Host: to.host, Port: to.port}.URL()
	if _, err := catalog.ParseHost(to.host); err != nil {
		return ""
	}
	// What is not written as the policy would write it does not come from a request.
	if e, err := catalog.ParseURL(url); err != nil || e.URL() != url {
		return ""
	}
	return url
}

func (b *builder) denialRows() []Denial {
	hosts := map[string][]DeniedHost{}
	for k, t := range b.denials.values {
		if k.host != "" {
			hosts[k.reason] = append(hosts[k.reason], DeniedHost{k.host, k.port, t.requests(), t.clients.len()})
		}
	}
	var rows []Denial
	for reason, t := range b.reasons.values {
		slices.SortFunc(hosts[reason], func(x, y DeniedHost) int {
			return byRequests(address{x.Host, x.Port}, address{y.Host, y.Port}, x.Requests, y.Requests)
		})
		rows = append(rows, Denial{reason, t.requests(), t.clients.len(), hosts[reason]})
	}
	slices.SortFunc(rows, func(x, y Denial) int {
		return byRequests(address{host: x.Reason}, address{host: y.Reason}, x.Requests, y.Requests)
	})
	return rows
}

// byRequests puts most requests first, Other last.
func byRequests(x, y address, xRequests, yRequests int64) int {
	if x.host == Other || y.host == Other {
		return byAddress(x, y)
	}
	return cmp.Or(cmp.Compare(yRequests, xRequests), byAddress(x, y))
}

func byAddress(x, y address) int {
	last := func(a address) int {
		if a.host == Other {
			return 1
		}
		return 0
	}
	return cmp.Or(last(x)-last(y), strings.Compare(x.host, y.host), cmp.Compare(x.port, y.port))
}

// jointRows puts most requests first.
func (b *builder) jointRows() []Joint {
	rows := []Joint{}
	for k, t := range b.joint.values {
		row := Joint{Services: strings.Split(k.services, "\n"), Host: k.host, Port: k.port,
			Requests: t.requests(), Clients: t.clients.len(), Bytes: t.bytes}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(x, y Joint) int {
		return cmp.Or(byRequests(address{x.Host, x.Port}, address{y.Host, y.Port}, x.Requests, y.Requests),
			slices.Compare(x.Services, y.Services))
	})
	return rows
}

// timelineRows gives the points of the whole and the days that services are counted by.
func (b *builder) timelineRows() Timeline {
	line := Timeline{Step: b.timeline.step, Points: []Point{}, DayStep: b.days.step, Days: []Moment{}}
	for i, p := range b.timeline.points {
		at := b.timeline.begin(b.timeline.first + int64(i))
		line.Points = append(line.Points, Point{at, p.requests, p.denied, p.failures, p.bytes})
	}
	for i := range b.days.points {
		line.Days = append(line.Days, b.days.begin(b.days.first+int64(i)))
	}
	return line
}

// daysOf gives the requests on each of the report's days.
func (b *builder) daysOf(s *series) []int64 {
	s.coarsen(b.days.step)
	list := make([]int64, len(b.days.points))
	for i := range list {
		list[i] = s.at(b.days.first + int64(i)).requests
	}
	return list
}
