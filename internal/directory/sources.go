package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/secret"
)

// Sources is our own people and those of other directories together. Everybody
// known is in the store and found there in one step; each person's password is
// checked where they come from.
type Sources struct {
	*Local
	others []*LDAP
}

// NewSources joins them, the first directory that serves a domain before the next.
func NewSources(local *Local, others []*LDAP) *Sources { return &Sources{local, others} }

// Lookup finds a person by canonical address or alias. Somebody new in a
// directory is found at once, not only after the next look at it.
func (s *Sources) Lookup(ctx context.Context, address string) (Person, bool, error) {
	p, known, err := s.Local.Lookup(ctx, address)
	if known || err != nil {
		return p, known, err
	}
	for _, l := range s.others {
		there, err := l.known(ctx, address)
		if err != nil {
			return Person{}, false, err
		}
		if !there {
			continue
		}
		if _, err := s.reload(ctx); err != nil {
			return Person{}, false, err
		}
		if p, known, err = s.Local.Lookup(ctx, address); known || err != nil {
			return p, known, err
		}
	}
	return Person{}, false, nil
}

// CheckPassword asks the person's own source.
func (s *Sources) CheckPassword(ctx context.Context, p Person, password []byte, from secret.Source) error {
	if p.Source == "" {
		return s.Local.CheckPassword(ctx, p, password, from)
	}
	for _, l := range s.others {
		if l.Name == p.Source {
			return l.CheckPassword(ctx, p, password, from)
		}
	}
	return fmt.Errorf("checking the password of %s: no directory %q is configured any more", p.Address, p.Source)
}

// Claims says that a directory has a domain for itself: who is not in it is
// nobody, whatever a mail server says.
func (s *Sources) Claims(address string) bool {
	_, domain, _ := strings.Cut(address, "@")
	return slices.ContainsFunc(s.others, func(l *LDAP) bool { return slices.Contains(l.Domains, domain) })
}

// States are how the directories stand.
func (s *Sources) States() []State {
	var all []State
	for _, l := range s.others {
		all = append(all, l.State())
	}
	return all
}

// Rooms are the parts that own goroutines.
func (s *Sources) Rooms() (all []func(context.Context) error) {
	for _, l := range s.others {
		all = append(all, l.Run)
	}
	return all
}

// errNoDirectory says that no directory has a name.
var errNoDirectory = errors.New("no such directory is configured")
