package report

import "github.com/sepproxy/sepproxy/audit"

// chains checks the chains of the trails that files belong to. Each proxy writes one trail.
type chains struct{ trails []trailOfHost }

type trailOfHost struct {
	host string
	*audit.Verifier
}

// begin gives the verifier of the trail that the next file goes on with. Files come host by host in the order of
// their records; one whose first record is not known beforehand, such as a pipe, is a trail of its own.
func (c *chains) begin(s *source) *audit.Verifier {
	v := c.find(s)
	if v == nil {
		v = audit.NewVerifier()
		c.trails = append(c.trails, trailOfHost{s.host, v})
	}
	v.Begin(s.path)
	return v
}

// find gives the trail that ends where the file begins. Where there is none, files are missing between it
// and one of the host's trails, which then says so; nil if the file begins a trail.
func (c *chains) find(s *source) *audit.Verifier {
	var same *audit.Verifier
	for _, t := range c.trails {
		if t.host != s.host {
			continue
		}
		if t.Chain() == s.previous {
			return t.Verifier
		}
		if same == nil {
			same = t.Verifier
		}
	}
	if s.first == "" || s.sequence == 1 {
		return nil
	}
	return same
}

// result sums the trails up. What belongs to one trail is left out where there are several.
func (c *chains) result() Trail {
	all := Trail{Intact: true, Trails: len(c.trails), Problems: []string{}}
	var last audit.Result
	for _, t := range c.trails {
		last = t.Result()
		all.Intact = all.Intact && last.OK()
		all.Files += last.Files
		all.Records += last.Records
		all.More += last.More
		for _, p := range last.Problems {
			all.Problems = append(all.Problems, p.String())
		}
	}
	if over := len(all.Problems) - maxWarnings; over > 0 {
		all.Problems, all.More = all.Problems[:maxWarnings], all.More+over
	}
	if len(c.trails) == 1 {
		all.First, all.Last, all.Chain, all.MissingBefore = last.First, last.Last, last.Chain, last.MissingBefore
	}
	return all
}
