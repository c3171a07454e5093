package admin

import (
	"net/http"
	"slices"

	"github.com/portreeve/portreeve/internal/discovery"
	"github.com/portreeve/portreeve/internal/name"
)

// shownDomain is how a domain looks in a list.
type shownDomain struct {
	Domain  string `json:"domain"`
	Default bool   `json:"default"` // its people may leave it out
	Records int    `json:"records"`
}

// domainStory is all there is to publish for a domain.
type domainStory struct {
	Domain    string               `json:"domain"`
	Records   []discovery.Record   `json:"records"`
	Documents []discovery.Document `json:"documents"`
}

// domains lists the domains that have their mail here.
func (a *api) domains(*http.Request) (any, error) {
	s := a.site()
	rows := []shownDomain{}
	for i, d := range s.Domains {
		rows = append(rows, shownDomain{d, i == 0 && d == a.Names.DefaultDomain, len(s.Records(d))})
	}
	return list(rows), nil
}

// domain tells the DNS records of one, and where its documents are.
func (a *api) domain(r *http.Request) (any, error) {
	if a.Site == nil {
		return nil, conflict("nothing is published for mail programs: the server does not know its public address").then("set public_url and public.address in the configuration")
	}
	s, typed := a.site(), r.PathValue("domain")
	domain, err := name.Domain(typed)
	if err != nil || !slices.Contains(s.Domains, domain) {
		return nil, notFound("domain", typed, s.Domains...)
	}
	if len(s.Servers) == 0 {
		return nil, conflict("there is nothing to tell programs of: no listener is reached from outside with TLS").
			then("name one for imap and one for submission under `listeners` in the configuration")
	}
	return domainStory{domain, s.Records(domain), s.Documents(domain)}, nil
}

// site is how the site stands; nothing is published before the server says so.
func (a *api) site() discovery.Site {
	if a.Site == nil {
		return discovery.Site{}
	}
	return a.Site()
}
