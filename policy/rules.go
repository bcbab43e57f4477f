package policy

// An endpoint is what a rule is about; its host is the key of the table that the rule stands in.
type endpoint struct {
	scheme string
	port   uint16
	path   string // "" is every path, and always so for https: nothing can see a path inside TLS
}

// A rule lets clients reach one endpoint that the vendor documents, or an allow rule names.
type rule struct {
	endpoint
	documented bool   // the endpoint stands in the catalog
	local      *local // the allow rule for it; nil: there is none
	sniOff     bool   // the allow rule says so
	audience   *audience
}

// local is where a rule of policy.yaml stands, for people.
type local struct {
	position string // file:line:column
	why      string
}

// An audience says who may use an endpoint and what for. Many rules share one.
type audience struct {
	services []string   // everything the endpoint is for; sorted, never changed
	byClient [][]string // by client.index: what it is for there; nil: the client may not use it
	inForce  bool       // somebody may use it
}

// forClient gives the services for c, which may be nil; nil means that c may not use it.
func (a *audience) forClient(c *client) []string {
	if c == nil {
		return nil
	}
	return a.byClient[c.index]
}

// A denial is a deny rule.
type denial struct {
	endpoint // path is decoded
	local
}

func (d *denial) hits(t *Target) bool {
	return d.scheme == t.Scheme && d.port == t.Port && maybeUnderPath(d.path, t.Path)
}

// firstUnlisted gives the first of the checks scheme, port and path that the target fails; "" if
// it passes all.
func (e *endpoint) firstUnlisted(t *Target) Reason {
	switch {
	case e.scheme != t.Scheme:
		return ReasonSchemeNotListed
	case e.port != t.Port:
		return ReasonPortNotListed
	case !underPath(e.path, t.Path):
		return ReasonPathNotListed
	}
	return ""
}

// A match is what the rules say of a target, before draining, limits and deny rules.
type match struct {
	by     *rule  // lets the client through: the most specific that does; nil: none
	named  *rule  // is about the target, in force or not: a documented one before others; nil: none
	reason Reason // why not, where by is nil: the furthest check that a rule in force reached
}

// progress orders the reasons by how far a rule got.
func progress(r Reason) int {
	switch r {
	case ReasonSchemeNotListed:
		return 1
	case ReasonPortNotListed:
		return 2
	case ReasonPathNotListed:
		return 3
	case ReasonGroupNotAllowed:
		return 4
	}
	return 0
}

func (p *Policy) match(t *Target, c *client) match {
	m := match{reason: ReasonNotListed}
	for rules := range p.rules.about(t.Host) {
		for i := range rules {
			m.try(&rules[i], t, c)
		}
	}
	return m
}

func (m *match) try(r *rule, t *Target, c *client) {
	reached := r.firstUnlisted(t)
	if reached == "" {
		reached = ReasonGroupNotAllowed
		if m.named == nil || r.documented && !m.named.documented {
			m.named = r
		}
		if m.by == nil && r.audience.forClient(c) != nil {
			m.by = r
		}
	}
	if progress(reached) > progress(m.reason) && r.audience.inForce {
		m.reason = reached
	}
}
