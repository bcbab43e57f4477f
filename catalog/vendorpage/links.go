package vendorpage

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sepproxy/sepproxy/catalog"
)

// A link is a URL of the page, with what stands beside it.
type link struct {
	line     int
	endpoint catalog.Endpoint
	named    bool              // the URL names its port
	ports    []uint16          // of its row
	marked   bool              // with a star or another mark of a footnote
	note     string            // what else its line says of it
	versions []catalog.Version // in the note, or before it in the row
}

const (
	marks   = "*†‡§¹²³"
	bullets = "•·▪◦–—-"
)

var (
	webScheme  = regexp.MustCompile(`(?i)https?://`)
	afterURL   = regexp.MustCompile(`[\s,;()（）、"<>“”«»]`)
	urlLike    = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*:/+|\bwww\.`)
	hostLike   = regexp.MustCompile(`(?i)^(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)+[a-z]{2,}\.?(:\d+)?(/\S*)?$`)
	portLine   = regexp.MustCompile(`(?i)^(tcp\b[ /:]*)?\d{1,5}([ ,;/+&、]+\d{1,5})*([ /(]*tcp\)?)?$`)
	numberLine = regexp.MustCompile(`^[\d ,;/.–-]*\d[\d ,;/.–-]*$`)
	number     = regexp.MustCompile(`\d+`)
	release    = regexp.MustCompile(`(?i)\b(1\d\.\d+)(?: ?RU ?(\d+))?(?: ?MP ?(\d+))?\b`)
)

// readLinks reads a line of URLs: marks or a bullet, then URLs, each perhaps with a note after it. No links and no
// error is a line of text. Of an error, none of the line may be taken.
func readLinks(l line) ([]link, error) {
	text := strings.TrimLeft(l.text, marks+bullets+" ")
	starts := webScheme.FindAllStringIndex(text, -1)
	switch {
	case len(starts) == 0 && (hostLike.MatchString(l.text) || hostLike.MatchString(text)):
		return nil, errors.New("a host without https:// or http://")
	case len(starts) == 0 && urlLike.MatchString(l.text):
		return nil, errors.New("neither https:// nor http://")
	case len(starts) == 0:
		return nil, nil
	case starts[0][0] > 0:
		return nil, errors.New("text stands before the URL")
	}
	marked := strings.ContainsAny(l.text[:len(l.text)-len(text)], marks)
	var links []link
	for i, start := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		one, err := readLink(text[start[0]:end])
		if err != nil {
			return nil, err
		}
		one.line, one.marked = l.number, one.marked || marked && i == 0
		links = append(links, one)
	}
	return links, nil
}

// readLink reads a URL and what follows it.
func readLink(text string) (link, error) {
	url, rest := text, ""
	if at := afterURL.FindStringIndex(text); at != nil {
		url, rest = text[:at[0]], text[at[0]:]
	}
	if strings.HasSuffix(url, "/*") {
		return link{}, errors.New("a star for any path is not known here: write the URL without it")
	}
	bare := strings.TrimRight(strings.TrimRight(url, ".:"), marks)
	e, err := catalog.ParseURL(bare)
	if err != nil {
		return link{}, err
	}
	for word := range strings.FieldsSeq(rest) {
		if word = strings.Trim(word, ".,;()（）"); urlLike.MatchString(word) || hostLike.MatchString(word) {
			return link{}, errors.New("another host stands beside the URL")
		}
	}
	// The next URL's mark and bullet stand at the end of this one's note.
	note := strings.Trim(rest, " ,;()（）、"+bullets+marks)
	authority, _, _ := strings.Cut(strings.TrimPrefix(bare[strings.Index(bare, "://")+3:], "*."), "/")
	return link{
		endpoint: e, note: note, versions: releasesIn(note),
		named:  strings.Contains(authority, ":"),
		marked: strings.ContainsAny(url[len(bare):]+rest, marks),
	}, nil
}

// releasesIn gives the SEP releases that a text names, each once, sorted.
func releasesIn(text string) []catalog.Version {
	var found []catalog.Version
	for _, m := range release.FindAllStringSubmatch(text, -1) {
		name := m[1]
		if m[2] != "" {
			name += " RU" + m[2]
		}
		if m[3] != "" {
			name += " MP" + m[3]
		}
		if v, err := catalog.ParseVersion(name); err == nil {
			found = append(found, v)
		}
	}
	slices.SortFunc(found, catalog.Version.Compare)
	return slices.Compact(found)
}

// readPorts reads a line of ports, and nothing else.
func readPorts(text string) ([]uint16, bool) {
	if !portLine.MatchString(text) {
		return nil, false
	}
	var ports []uint16
	for _, digits := range number.FindAllString(text, -1) {
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil || n == 0 {
			return nil, false
		}
		if !slices.Contains(ports, uint16(n)) {
			ports = append(ports, uint16(n))
		}
	}
	return ports, true
}

// endpoints gives one for each port. A row's ports stand for its URLs of every scheme: what is the other scheme's
// own is not meant for this one. Without any left, the scheme gives the port.
func (l *link) endpoints() []catalog.Endpoint {
	other := uint16(80)
	if l.endpoint.Scheme == "http" {
		other = 443
	}
	var all []catalog.Endpoint
	for _, port := range l.ports {
		if port != other && !l.named {
			e := l.endpoint
			e.Port = port
			all = append(all, e)
		}
	}
	if all == nil {
		all = append(all, l.endpoint)
	}
	return all
}
