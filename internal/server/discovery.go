package server

import (
	"slices"

	"github.com/portreeve/portreeve/internal/discovery"
	"github.com/portreeve/portreeve/internal/name"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
)

// setUp are the doors that programs are set up with.
var setUp = map[protocol.Protocol]bool{protocol.IMAP: true, protocol.POP3: true, protocol.Submission: true, protocol.Sieve: true}

// site is what programs are told to set a mailbox up with, as it stands now.
func (s *Server) site() discovery.Site {
	d := discovery.Site{URL: s.Config.IssuerURL(), Name: s.Config.DefaultDomain, Domains: s.domains(), OAuth: s.issuer != nil && s.takesTokens(),
		Passwords: s.passwordsOpen(), CA: string(s.Config.Public.Authority)}
	for _, c := range s.Config.Listeners {
		if setUp[c.Protocol] && c.TLS != "none" && len(c.LegacyTLSFrom) == 0 {
			d.Servers = append(d.Servers, discovery.Server{Protocol: c.Protocol, Host: s.hostname(), Port: c.Address.Port(), STARTTLS: c.TLS == "starttls"})
		}
	}
	return d
}

// domains are those whose mail is here, the default one first.
func (s *Server) domains() []string {
	var others []string
	for d, c := range s.Config.Domains {
		others = append(append(others, d), c.Aliases...)
	}
	for d := range s.Config.Routes {
		others = append(others, d) // "*" is no domain
	}
	first := canonicalDomains([]string{s.Config.DefaultDomain})
	return slices.Concat(first, slices.DeleteFunc(canonicalDomains(others), func(d string) bool { return slices.Contains(first, d) }))
}

// canonicalDomains are those of a list that are domains, each once, sorted.
func canonicalDomains(typed []string) (all []string) {
	for _, d := range typed {
		if canonical, err := name.Domain(d); err == nil {
			all = append(all, canonical)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// passwordsOpen says that the organisation lets passwords, or app passwords, be
// shown at IMAP at all. What a policy makes of who shows one from where is not
// asked: a program that can do nothing else is to hear the reason at the door.
func (s *Server) passwordsOpen() bool {
	f := policy.Facts{Domain: s.Config.DefaultDomain, Protocol: protocol.IMAP, Credential: policy.CredentialAppPassword}
	v := policy.Preauth(s.gate.Snapshot(), &f)
	return v.Allowed() || v.Stage != policy.StageAuthenticationPolicy
}
