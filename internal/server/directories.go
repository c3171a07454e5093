package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/portreeve/portreeve/internal/authn"
	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/gate"
)

// openDirectories makes the directories that people are mirrored from; nothing
// is dialled yet.
func (s *Server) openDirectories(ctx context.Context) error {
	var others []*directory.LDAP
	for i := range s.Config.Directories {
		c := &s.Config.Directories[i]
		if c.Kind != "ldap" {
			continue
		}
		o, err := s.ldapOptions(c)
		if err != nil {
			return fmt.Errorf("directory %s: %w", c.Name, err)
		}
		l, err := directory.NewLDAP(ctx, o)
		if err != nil {
			return fmt.Errorf("directory %s: %w", c.Name, err)
		}
		others = append(others, l)
	}
	if len(others) > 0 {
		s.sources = directory.NewSources(s.people, others)
	}
	return nil
}

func (s *Server) ldapOptions(c *config.Directory) (directory.LDAPOptions, error) {
	o := directory.LDAPOptions{Name: c.Name, URLs: c.URLs, StartTLS: c.StartTLS, ServerName: c.ServerName, BindDN: c.BindDN, BindPassword: c.BindPassword.Reveal,
		Base: c.Base, Filter: c.Filter, AD: c.Schema == "ad", Address: c.Attributes.Address, Aliases: c.Attributes.Aliases, Login: c.Attributes.Login,
		DisplayName: c.Attributes.Name, Domain: c.Attributes.Domain, Changed: c.Attributes.Changed, Disabled: c.Attributes.Disabled,
		GroupBase: c.Groups.Base, GroupFilter: c.Groups.Filter, GroupName: c.Groups.Name, ByMemberOf: c.Groups.By == "member_of",
		Domains: c.Domains, Poll: c.Poll, Timeout: c.Timeout, GuessBudget: c.GuessBudget, GuessWindow: c.GuessWindow,
		Canonical: s.names.stated, Everything: authn.Everything, Store: s.store, Log: s.Log}
	if c.CA != "" {
		var err error
		if o.CAs, err = authorities(string(c.CA)); err != nil {
			return o, fmt.Errorf("ca: %w", err)
		}
	}
	return o, nil
}

// stated makes one canonical address of what a directory states. What looks
// like a detail (mary+lists) is part of the name there, and aliases are not
// followed: they are what is being read.
func (n *names) stated(address string) (string, error) {
	r := n.site
	r.Aliases, r.Detail = nil, ""
	a, err := r.Vouched(address)
	return a.Full, err
}

// everybody is who is asked for people: our own database alone, unless there
// are directories besides it.
func (s *Server) everybody() gate.People {
	if s.sources != nil {
		return s.sources
	}
	return s.people
}

// directory is who is asked for passwords.
func (s *Server) directory() directory.Directory {
	if s.sources != nil {
		return s.sources
	}
	return s.people
}

// checkingBackends are the mail servers as checkers of passwords. In a domain
// that a directory has for itself, they are not asked about who is not in it.
func (s *Server) checkingBackends() authn.Backends {
	if s.sources == nil {
		return s.backends
	}
	return claimed{s.backends, s.sources}
}

type claimed struct {
	*backend.Pool
	sources *directory.Sources
}

func (c claimed) Login(ctx context.Context, q backend.Request) error {
	if _, known, _ := c.sources.Local.Lookup(ctx, q.Address); !known && c.sources.Claims(q.Address) {
		return backend.ErrRefused
	}
	return c.Pool.Login(ctx, q)
}

// directories are the sources of people, in the order of the configuration.
func (s *Server) directories() []directory.State {
	var all []directory.State
	for _, c := range s.Config.Directories {
		switch c.Kind {
		case "ldap":
			for _, st := range s.sources.States() {
				if st.Name == c.Name {
					all = append(all, st)
				}
			}
		default:
			all = append(all, directory.State{Name: c.Kind, Kind: c.Kind})
		}
	}
	return all
}

var errNoDirectories = errors.New("no directory of kind ldap is configured")

// testDirectory tries a directory step by step; no name: all of them.
func (s *Server) testDirectory(ctx context.Context, name, user string, password []byte) ([]directory.Report, error) {
	if s.sources == nil {
		return nil, errNoDirectories
	}
	if user != "" {
		address, err := s.names.Canonical("", user)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", user, err)
		}
		user = address
	}
	return s.sources.Test(ctx, name, user, password)
}
