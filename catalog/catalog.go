// Package catalog answers one question: what does the vendor document?
//
// A Catalog is one edition of the vendor's page "URLs that allow SEP and SES to connect to
// Symantec servers": groups (who needs it), services (what for) and endpoints (scheme, host, port
// and, for plain HTTP, a path). It is data: nothing here decides, resolves or connects.
package catalog

// A Text is a sentence in the languages of the project. The zero Text says nothing.
type Text struct {
	EN string `yaml:"en" json:"en,omitempty"`
	ES string `yaml:"es" json:"es,omitempty"`
}

// In gives the text in lang ("en" or "es"), and the English one for any other language or where
// the Spanish one is missing.
func (t Text) In(lang string) string {
	if lang == "es" && t.ES != "" {
		return t.ES
	}
	return t.EN
}

// A Catalog is all groups of one edition of the vendor's page, and what is known of the hosts.
// It is not changed after it is made.
type Catalog struct {
	Edition string  `json:"edition,omitempty"` // names the edition, e.g. "2020-11"
	Source  Text    `json:"source,omitzero"`   // the title of the page it comes from
	Groups  []Group `json:"groups"`            // in the order of the page
	Hosts   []Host  `json:"hosts,omitempty"`   // only hosts about which there is something to say
}

// A Group is one table of the vendor's page.
type Group struct {
	ID       string    `json:"id"` // agent, agent-cloud, sepm, sepm-cloud or icdm in the built-in catalog
	Title    Text      `json:"title"`
	Purpose  Text      `json:"purpose,omitzero"`
	Services []Service `json:"services"`
}

// A Service is one row of the vendor's page: a set of endpoints with one purpose.
type Service struct {
	ID        string     `json:"id"` // begins with its group's: "agent.insight"
	Group     string     `json:"-"`  // the ID of the group it stands in
	Title     Text       `json:"title"`
	Purpose   Text       `json:"purpose,omitzero"`
	Breaks    Text       `json:"breaks,omitzero"`  // what stops working when it is blocked, as far as the page says; often zero
	Pinned    bool       `json:"pinned,omitempty"` // the page says that the certificates are pinned
	Review    string     `json:"review,omitempty"` // what an import wants a person to look at; "" when somebody has
	Endpoints []Endpoint `json:"endpoints"`
}

// A Host holds what is known of a host beyond its endpoints.
type Host struct {
	Name   string `json:"name"`
	Shared Text   `json:"shared,omitzero"` // zero: the vendor's alone; otherwise who else is reached under this name
	Note   Text   `json:"note,omitzero"`   // what a footnote says of it
}

// An Endpoint is one thing the vendor documents. Host is normalised (see ParsePattern) and may
// begin with "*." in files that replace the built-in catalog. Path is "" or begins with "/"; with scheme
// https nothing can enforce it, it says what the host is used for.
type Endpoint struct {
	Scheme   string   `json:"scheme"` // "https" or "http"
	Host     string   `json:"host"`
	Port     uint16   `json:"port"`
	Path     string   `json:"path,omitempty"`
	Versions Versions `json:"versions,omitzero"` // the SEP versions that use it; the zero value is all
	Note     Text     `json:"note,omitzero"`
	Review   string   `json:"review,omitempty"` // as of a Service
}
