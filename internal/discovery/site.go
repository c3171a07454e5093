// Package discovery tells programs how to set a mailbox up, so that people type
// their address and sign in: Mozilla's autoconfig, PACC, Autodiscover, an add-on
// for Thunderbird, FairEmail's providers, and the DNS records that lead there.
//
// Each document is a function of a Site and at most a domain. What is before the
// @ of an address is never looked at, so nobody learns here who has a mailbox.
// Signing in is nobody's business here: that is the portal's and oauth's.
package discovery

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/name"
	"github.com/portreeve/portreeve/internal/protocol"
)

// Server is a door that is reached from outside.
type Server struct {
	Protocol protocol.Protocol
	Host     string
	Port     uint16
	STARTTLS bool // otherwise TLS from the first byte
}

// Site is all that programs are told. The zero value tells nothing.
type Site struct {
	// URL is where the public listener is reached, without a slash behind it;
	// it is the issuer's name, too.
	URL string
	// Name is the site's for people; empty: the first domain.
	Name string
	// Domains have their mail here, as A-labels, aliases too, the default first.
	Domains []string
	// Servers are the doors for IMAP, POP3, submission and ManageSieve. Of two
	// for one protocol and way to TLS the first counts.
	Servers []Server
	// OAuth says that our own issuer of tokens is on.
	OAuth bool
	// Passwords says that passwords, app passwords at least, open the doors
	// still: a way for programs that cannot do OAuth with us.
	Passwords bool
	// Help is the address of a page for people; may be empty.
	Help string
	// CA is the path, on people's machines, of our private authority's
	// certificate as PEM; empty if any machine trusts us as it is.
	CA string
}

// The paths of the issuer, below Site.URL.
const (
	authorizePath = "/oauth2/authorize"
	tokenPath     = "/oauth2/token"
)

// Where Thunderbird wants the answer. nativeRedirect is never contacted: its own
// window stops there. The system's browser goes to loopbackRedirect, to which
// Thunderbird adds the port that it listens at, without TLS.
const (
	nativeRedirect   = "https://localhost"
	loopbackRedirect = "http://127.0.0.1"
)

// served is the door of a protocol with one way to TLS.
func (s *Site) served(p protocol.Protocol, startTLS bool) (Server, bool) {
	for _, d := range s.Servers {
		if d.Protocol == p && d.STARTTLS == startTLS && d.Host != "" {
			return d, true
		}
	}
	return Server{}, false
}

// best is the door to tell programs of: TLS from the first byte if there is one
// (RFC 8314, section 3).
func (s *Site) best(p protocol.Protocol) (Server, bool) {
	if d, ok := s.served(p, false); ok {
		return d, true
	}
	return s.served(p, true)
}

// mail says that there is something to set up, and a way to sign in to it.
func (s *Site) mail() bool {
	_, imap := s.best(protocol.IMAP)
	_, pop := s.best(protocol.POP3)
	return (imap || pop) && (s.OAuth || s.Passwords)
}

// scopes are what a mail program asks for: one sign-in for every door.
func (s *Site) scopes() []string {
	var all []string
	for _, x := range []struct {
		p     protocol.Protocol
		scope string
	}{{protocol.IMAP, "imap"}, {protocol.POP3, "pop"}, {protocol.Submission, "smtp"}} {
		if _, ok := s.best(x.p); ok {
			all = append(all, x.scope)
		}
	}
	return append(all, "offline_access")
}

func (s *Site) scope() string { return strings.Join(s.scopes(), " ") }

// title is the site's name for people.
func (s *Site) title() string {
	switch {
	case s.Name != "":
		return s.Name
	case len(s.Domains) > 0:
		return s.Domains[0]
	}
	return s.host()
}

// host is where the public listener is reached, without a port.
func (s *Site) host() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// https is the port of the public listener; false if it is not one that mail
// programs can be sent to: plain HTTP, or an address instead of a name.
func (s *Site) https() (port uint16, ok bool) {
	u, err := url.Parse(s.URL)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return 0, false
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return 0, false
	}
	if u.Port() == "" {
		return 443, true
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return uint16(n), err == nil
}

// hosts are the names of the doors, each once, in their order.
func (s *Site) hosts() []string {
	var all []string
	for _, d := range s.Servers {
		if d.Host != "" && !slices.Contains(all, d.Host) {
			all = append(all, d.Host)
		}
	}
	return all
}

// domain is one of ours by any spelling.
func (s *Site) domain(typed string) (string, bool) {
	canonical, err := name.Domain(typed)
	return canonical, err == nil && slices.Contains(s.Domains, canonical)
}

// maxAddress bounds what is looked at of an address, in bytes: RFC 5321's 64 and
// 255 with the @ between them.
const maxAddress = 320

// ofAddress is the domain of ours that an address is in. Nothing before the @ is
// looked at.
func (s *Site) ofAddress(address string) (string, bool) {
	i := strings.LastIndexByte(address, '@')
	if i < 1 || len(address) > maxAddress {
		return "", false
	}
	return s.domain(address[i+1:])
}

// ofHost is the domain of ours that a request is about by the name it was sent
// to: under autoconfig., say, or the domain's own.
func (s *Site) ofHost(host, prefix string) (string, bool) {
	if under, ok := strings.CutPrefix(strings.ToLower(host), prefix); ok {
		return s.domain(under)
	}
	return s.domain(host)
}

// clientID is the public client of every mail program that has no other.
const clientID = client.Mail
