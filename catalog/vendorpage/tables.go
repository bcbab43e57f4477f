package vendorpage

import (
	"regexp"
	"strings"

	"github.com/sepproxy/sepproxy/catalog"
)

// A table is one of the page's, with the rows that have URLs.
type table struct {
	title string // the text before it, "" for none
	rows  []entry
}

// An entry is a row of a table.
type entry struct {
	line  int // of its first URL
	text  []string
	links []link
	ports []uint16 // of the row; empty where it has none
}

// A Leftover is a line of the page that looks like a URL or a port and is not in the catalog.
type Leftover struct {
	Line int // in the file, from 1
	Text string
	Why  string
}

// A scan goes through the lines of a page once. The column of URLs is called the same in every language, and that
// is the one word it knows. In HTML rows are rows. In text, a row is text, URLs, ports; without ports it ends where
// text comes after URLs, unless that text ends in a colon and so leads to more of them.
type scan struct {
	columns map[int]bool // HTML tables that have a column of URLs; empty: go by the lines
	at      place        // row of such a table
	open    bool         // inside of a table
	skip    bool         // the next line is the heading of the last column

	row       entry
	versions  []catalog.Version // named in the row's text: of the URLs that follow
	last      [2]string         // the lines before this one, the nearer one first
	tables    []table
	leftovers []Leftover
	footnote  string // the first text behind a mark
}

var urlHeading = regexp.MustCompile(`(?i)^URL\(?s?\)?$`)

func scanTables(lines []line) *scan {
	s := &scan{columns: map[int]bool{}}
	for _, l := range lines {
		if n := len(l.within); n > 0 && urlHeading.MatchString(l.text) {
			s.columns[l.within[n-1].table] = true
		}
	}
	for _, l := range lines {
		if len(s.columns) > 0 {
			s.move(l)
		}
		s.line(l)
		s.last = [2]string{l.text, s.last[0]}
	}
	s.endRow()
	return s
}

// move follows the rows of HTML. Of nested tables the outermost with a column of URLs counts.
func (s *scan) move(l line) {
	var at place
	for _, p := range l.within {
		if s.columns[p.table] {
			at = p
			break
		}
	}
	if at == s.at {
		return
	}
	s.endRow()
	if s.open = at.table != 0; s.open && at.table != s.at.table {
		s.tables = append(s.tables, table{title: s.last[0]})
	}
	s.at = at
}

func (s *scan) line(l line) {
	if s.at.table == 0 && len(s.columns) == 0 && urlHeading.MatchString(l.text) {
		s.endRow()
		s.tables = append(s.tables, table{title: s.last[1]})
		s.open, s.skip = true, true
		return
	}
	skip := s.skip
	s.skip = false
	ports, isPorts := readPorts(l.text)
	links, err := readLinks(l)
	switch {
	case err != nil:
		s.leave(l, err.Error())
	case links != nil && !s.open:
		s.leave(l, "it stands outside of the tables")
	case links != nil:
		s.addLinks(links)
	case isPorts && s.open:
		s.addPorts(l, ports)
	case s.open && numberLine.MatchString(l.text):
		s.leave(l, "numbers that are not a list of ports")
	case !skip:
		s.addText(l.text)
	}
}

func (s *scan) leave(l line, why string) {
	s.leftovers = append(s.leftovers, Leftover{l.number, l.text, why})
}

func (s *scan) addLinks(links []link) {
	for _, l := range links {
		if l.versions == nil {
			l.versions = s.versions
		}
		s.row.links = append(s.row.links, l)
	}
}

func (s *scan) addPorts(l line, ports []uint16) {
	switch {
	case s.at == place{} && s.row.links == nil:
		s.leave(l, "ports without a URL before them")
	case s.at == place{}:
		s.row.ports = ports
		s.endRow()
	default:
		s.row.ports = append(s.row.ports, ports...)
	}
}

func (s *scan) addText(text string) {
	if note := strings.TrimLeft(text, marks+" "); note != text && s.footnote == "" {
		s.footnote = note
	}
	byLines := s.at == place{}
	if byLines && s.row.links != nil && !strings.HasSuffix(text, ":") && !strings.HasSuffix(text, "：") {
		s.endRow()
	}
	s.row.text = append(s.row.text, text)
	if found := releasesIn(text); found != nil {
		s.versions = found
	}
}

// endRow keeps a row that has URLs. One without text goes on with the row above it, whose cell spans both.
func (s *scan) endRow() {
	row := s.row
	s.row, s.versions = entry{}, nil
	if row.links == nil {
		return
	}
	row.line = row.links[0].line
	for i := range row.links {
		row.links[i].ports = row.ports
	}
	t := &s.tables[len(s.tables)-1]
	if n := len(t.rows); n > 0 && row.text == nil {
		above := &t.rows[n-1]
		above.links = append(above.links, row.links...)
		return
	}
	t.rows = append(t.rows, row)
}
