package server

import (
	"slices"

	"github.com/portreeve/portreeve/internal/apppassword"
	"github.com/portreeve/portreeve/internal/discovery"
	"github.com/portreeve/portreeve/internal/name"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
)

// site is what programs are told to set a mailbox up with, as it stands now.
func (s *Server) site() discovery.Site {
	d := discovery.Site{URL: s.Config.IssuerURL(), Name: s.Config.DefaultDomain, Domains: s.domains(), OAuth: s.issuer != nil && s.takesTokens(),
		Passwords: s.passwordsOpen(), CA: string(s.Config.Public.Authority)}
	m := s.mailServers(s.hostname())
	for p, door := range map[protocol.Protocol]apppassword.Server{protocol.IMAP: m.IMAP, protocol.POP3: m.POP3, protocol.Submission: m.Submission, protocol.Sieve: m.Sieve} {
		if door.Host != "" {
			d.Servers = append(d.Servers, discovery.Server{Protocol: p, Host: door.Host, Port: door.Port, STARTTLS: door.STARTTLS})
		}
	}
	slices.SortFunc(d.Servers, func(a, b discovery.Server) int { return int(a.Protocol) - int(b.Protocol) })
	return d
}

// domains are those whose mail is here, the default one first.
func (s *Server) domains() (list []string) {
	add := func(d string) {
		if canonical, err := name.Domain(d); err == nil && !slices.Contains(list, canonical) {
			list = append(list, canonical)
		}
	}
	add(s.Config.DefaultDomain)
	var others []string
	for d, c := range s.Config.Domains {
		others = append(append(others, d), c.Aliases...)
	}
	for d := range s.Config.Routes {
		others = append(others, d)
	}
	slices.Sort(others)
	for _, d := range others {
		if d != "*" {
			add(d)
		}
	}
	return list
}

// passwordsOpen says that the organisation lets passwords, or app passwords, be
// shown at IMAP at all. What a policy makes of who shows one from where is not
// asked: a program that can do nothing else is to hear the reason at the door.
func (s *Server) passwordsOpen() bool {
	f := policy.Facts{Domain: s.Config.DefaultDomain, Protocol: protocol.IMAP, Credential: policy.CredentialAppPassword}
	v := policy.Preauth(s.gate.Snapshot(), &f)
	return v.Allowed() || v.Stage != policy.StageAuthenticationPolicy
}
