package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/sepproxy/sepproxy/catalog"
)

// shownSuggestions is how many rules of one class are written.
const shownSuggestions = 100

// WritePolicy writes a fragment of policy.yaml with what the report suggests: rules for what was found and
// no catalog lists, each below its evidence, and what nobody used and could be closed, with what would
// break. Only rules for what is the vendor's or a certificate authority's, and for one host alone, are more
// than comments; taken out of their comments, the others are valid too. Nothing of it is in force until a
// person puts it there.
func (r *Report) WritePolicy(w io.Writer) error {
	s := suggestions{r: r, w: r.words()}
	s.head()
	s.allow()
	s.close()
	if _, err := w.Write(s.out.Bytes()); err != nil {
		return fmt.Errorf("writing the policy fragment: %w", err)
	}
	return nil
}

// suggestions is one policy fragment while it is written.
type suggestions struct {
	r   *Report
	w   *words
	out bytes.Buffer
}

// comment writes text that may come from anywhere, on a line of its own.
func (s *suggestions) comment(indent, format string, args ...any) {
	text := strconv.QuoteToGraphic(fmt.Sprintf(format, args...))
	text = strings.ReplaceAll(text[1:len(text)-1], `\"`, `"`)
	s.out.WriteString(indent + "# " + printable(text) + "\n")
}

func (s *suggestions) head() {
	for line := range strings.Lines(s.w.suggestHead) {
		s.comment("", "%s", strings.TrimSuffix(line, "\n"))
	}
	if s.r.Records > 0 {
		s.comment("", s.w.suggestPeriod, minute(s.r.From), minute(s.r.To), s.w.number(s.r.Transactions), s.w.number(int64(s.r.Clients)))
	}
}

// allow writes the rules: what may be taken as it is first, everything else in comments.
func (s *suggestions) allow() {
	var ready, doubtful []*Undocumented
	for i := range s.r.Undocumented {
		switch u := &s.r.Undocumented[i]; {
		case u.Suggest == "":
		case (u.Class == ClassVendor || u.Class == ClassPKI) && u.Broad == "":
			ready = append(ready, u)
		default:
			doubtful = append(doubtful, u)
		}
	}
	s.out.WriteByte('\n')
	if len(ready)+len(doubtful) == 0 {
		s.comment("", "%s", s.w.suggestNothing)
		return
	}
	key := "allow:\n"
	if len(ready) == 0 {
		key = "#allow:\n"
	}
	s.out.WriteString(key)
	s.rules(ready, "  ")
	if len(doubtful) > 0 {
		s.out.WriteByte('\n')
		s.comment("  ", "%s", s.w.suggestDoubtful)
		s.rules(doubtful, "#  ")
	}
}

// rules writes a rule for each row below its evidence.
func (s *suggestions) rules(rows []*Undocumented, indent string) {
	for i, u := range rows {
		if i == shownSuggestions {
			s.comment("  ", s.w.more, len(rows)-i)
			return
		}
		s.evidence(u)
		fmt.Fprintf(&s.out, "%s- {url: %q, service: local.%s, reason: %q}\n", indent, u.Suggest, u.Class,
			fmt.Sprintf(s.w.suggestReason, minute(u.LastSeen)))
	}
}

func (s *suggestions) evidence(u *Undocumented) {
	s.comment("  ", "%s:%d: %s: %s", u.Host, u.Port, u.Class, u.ClassReason)
	s.comment("  ", s.w.suggestSeen, s.w.number(u.Requests), s.w.number(u.Allowed), s.w.number(u.Denied),
		minute(u.FirstSeen), minute(u.LastSeen), size(u.Sent), size(u.Received))
	s.comment("  ", "%s: %s (%s)", s.w.clients, s.w.number(int64(u.Clients)), few(u.Addresses, u.Clients))
	for _, list := range []struct {
		title  string
		counts []Count
	}{{s.w.methods, u.Methods}, {s.w.reason, u.Reasons}, {s.w.serverNames, u.Names}, {s.w.ended, u.Ended}} {
		if len(list.counts) > 0 {
			s.comment("  ", "%s: %s", list.title, s.w.counted(list.counts))
		}
	}
	if u.Resembles != "" {
		s.comment("  ", s.w.suggestResembles, u.Resembles)
	}
	if u.Broad != "" {
		s.comment("  ", s.w.suggestBroad, u.Broad)
	}
}

// few names the first of many.
func few(names []string, all int) string {
	const most = 5
	text := strings.Join(names[:min(len(names), most)], ", ")
	if all > most {
		text += ", …"
	}
	return text
}

func (w *words) counted(list []Count) string {
	var parts []string
	for _, c := range list {
		parts = append(parts, fmt.Sprintf("%s %s", c.Name, w.number(c.Count)))
	}
	return strings.Join(parts, ", ")
}

// close writes what nobody used: groups as a whole, and of the others hosts. All of it is comments.
func (s *suggestions) close() {
	s.out.WriteByte('\n')
	s.comment("", "%s", s.w.closeHead)
	used, unused := s.groups()
	if len(unused) > 0 && len(used) > 0 {
		s.out.WriteByte('\n')
		for i := range s.r.Services {
			if row := &s.r.Services[i]; row.Documented && slices.Contains(unused, row.Group) {
				s.loss(row)
			}
		}
		fmt.Fprintf(&s.out, "#groups: [%s]\n", strings.Join(used, ", "))
	}
	hosts := s.unusedEndpoints(used)
	if len(hosts) == 0 {
		return
	}
	s.out.WriteString("\n#deny:\n")
	var told []*Service
	for _, e := range hosts {
		if !slices.Equal(e.services, told) {
			told = e.services
			for _, row := range told {
				s.loss(row)
			}
		}
		fmt.Fprintf(&s.out, "#  - {url: %q, reason: %q}\n", e.url, fmt.Sprintf(s.w.closeReason, minute(s.r.From), minute(s.r.To)))
	}
}

// loss says what a service is for, and what stops working without it.
func (s *suggestions) loss(row *Service) {
	what := row.Breaks
	if what == "" {
		what = s.w.closeUnknown + " " + row.Purpose
	}
	s.comment("", "%s (%s): %s", row.ID, row.Title, what)
}

// groups parts those of the documented services by whether any of them was used.
func (s *suggestions) groups() (used, unused []string) {
	inUse := map[string]bool{}
	for _, row := range s.r.Services {
		inUse[row.Group] = inUse[row.Group] || row.Used
	}
	for _, row := range s.r.Services {
		if !row.Documented || slices.Contains(used, row.Group) || slices.Contains(unused, row.Group) {
			continue
		}
		if inUse[row.Group] {
			used = append(used, row.Group)
		} else {
			unused = append(unused, row.Group)
		}
	}
	return used, unused
}

type unusedEndpoint struct {
	url      string
	services []*Service // that have it
}

// unusedEndpoints gives the endpoints that groups in use have, and nobody asked for under any service.
func (s *suggestions) unusedEndpoints(groups []string) []unusedEndpoint {
	var list []unusedEndpoint
	asked := map[address]bool{}
	rows := map[string]*Service{}
	for i := range s.r.Services {
		row := &s.r.Services[i]
		rows[row.ID] = row
		for _, e := range row.Endpoints {
			asked[address{e.Host, e.Port}] = asked[address{e.Host, e.Port}] || e.Requests > 0 || e.Bytes != Bytes{}
		}
	}
	for i := range s.r.inForce {
		service := &s.r.inForce[i]
		for _, e := range service.Endpoints {
			if asked[address{e.Host, e.Port}] || !slices.Contains(groups, service.Group) {
				continue
			}
			url := denyURL(e)
			at := slices.IndexFunc(list, func(u unusedEndpoint) bool { return u.url == url })
			if at < 0 {
				at = len(list)
				list = append(list, unusedEndpoint{url: url})
			}
			list[at].services = append(list[at].services, rows[service.ID])
		}
	}
	return list
}

// denyURL leaves out the path of https, which nothing can enforce and no rule may have.
func denyURL(e catalog.Endpoint) string {
	return sameEndpoint(e).URL()
}
