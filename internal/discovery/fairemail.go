package discovery

import (
	"encoding/xml"
	"regexp"
	"strings"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/protocol"
)

// fairProviders is the file that FairEmail imports (its EmailProvider.java reads
// it): elements that it does not know end the reading, so there are none.
type fairProviders struct {
	XMLName  xml.Name     `xml:"providers"`
	Provider fairProvider `xml:"provider"`
}

type fairProvider struct {
	ID       string      `xml:"id,attr"`
	Name     string      `xml:"name,attr"`
	Domain   string      `xml:"domain,attr"` // a regular expression
	Link     string      `xml:"link,attr,omitempty"`
	User     string      `xml:"user,attr"`
	Password bool        `xml:"appPassword,attr"`
	IMAP     fairServer  `xml:"imap"`
	SMTP     fairServer  `xml:"smtp"`
	POP      *fairServer `xml:"pop"`
	OAuth    *fairOAuth  `xml:"oauth"`
}

type fairServer struct {
	Host     string `xml:"host,attr"`
	Port     uint16 `xml:"port,attr"`
	STARTTLS bool   `xml:"starttls,attr"`
}

type fairOAuth struct {
	Enabled       bool   `xml:"enabled,attr"`
	Ask           bool   `xml:"askAccount,attr"` // asks for the address, and sends it as login_hint
	ClientID      string `xml:"clientId,attr"`
	PKCE          bool   `xml:"pcke,attr"`   // FairEmail's own spelling
	Scopes        string `xml:"scopes,attr"` // between commas
	Authorization string `xml:"authorizationEndpoint,attr"`
	Token         string `xml:"tokenEndpoint,attr"`
	Redirect      string `xml:"redirectUri,attr"`
}

// fairRedirect is FairEmail's own scheme.
const fairRedirect = "eu.faircode.email:/"

// FairEmail is the file for one domain, false without IMAP and submission:
// FairEmail takes no provider that lacks one.
func (s *Site) FairEmail(domain string) ([]byte, bool) {
	imap, reads := s.best(protocol.IMAP)
	smtp, sends := s.best(protocol.Submission)
	if !reads || !sends || !s.mail() {
		return nil, false
	}
	p := fairProvider{ID: s.host(), Name: s.title(), Domain: regexp.QuoteMeta(domain), Link: s.Help, User: "email", Password: !s.OAuth, IMAP: fair(imap), SMTP: fair(smtp)}
	if pop, ok := s.best(protocol.POP3); ok {
		f := fair(pop)
		p.POP = &f
	}
	if s.OAuth {
		p.OAuth = &fairOAuth{Enabled: true, Ask: true, ClientID: client.FairEmail, PKCE: true, Scopes: strings.Join(s.scopes(), ","),
			Authorization: s.URL + authorizePath, Token: s.URL + tokenPath, Redirect: fairRedirect}
	}
	return document(fairProviders{Provider: p}), true
}

func fair(d Server) fairServer { return fairServer{d.Host, d.Port, d.STARTTLS} }
