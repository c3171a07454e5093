package config

import (
	"fmt"
	"strings"

	"github.com/portreeve/portreeve/internal/name"
	"github.com/portreeve/portreeve/internal/protocol"
)

// NameRules are the rules for names typed at a listener ("": the site's). The
// faults are entries that contradict each other.
func (c *Config) NameRules(listener string) (name.Rules, []error) {
	r := name.Rules{DefaultDomain: c.DefaultDomain, DomainAliases: map[string]string{}, NTDomains: map[string]string{},
		Detail: c.Names.Detail, Separators: c.Names.Separators}
	for _, l := range c.Listeners {
		if l.Name == listener && listener != "" {
			r.DefaultDomain = l.DefaultDomain
		}
	}
	var faults []error
	add := func(into map[string]string, from, to string) {
		if other, ok := into[from]; ok && other != to {
			faults = append(faults, fmt.Errorf("%s cannot mean both %s and %s", from, other, to))
		}
		into[from] = to
	}
	for _, domain := range sorted(c.Domains) {
		for _, a := range c.Domains[domain].Aliases {
			add(r.DomainAliases, strings.ToLower(a), domain)
		}
		for _, w := range c.Domains[domain].Windows {
			add(r.NTDomains, strings.ToUpper(w), domain)
		}
	}
	normal, err := r.Normalize()
	if err != nil {
		return r, append(faults, err)
	}
	return normal, faults
}

// EndpointOf is where a backend serves a protocol, nil if it does not.
func (b Backend) EndpointOf(p protocol.Protocol) *Endpoint { return endpointOf(b, p) }

func endpointOf(b Backend, p protocol.Protocol) *Endpoint {
	switch p {
	case protocol.IMAP:
		return b.IMAP
	case protocol.POP3:
		return b.POP3
	case protocol.Submission:
		return b.Submission
	case protocol.Sieve:
		return b.Sieve
	}
	return nil
}
