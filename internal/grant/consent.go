package grant

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/store"
)

// Consent is what a person has allowed a program once, and is not asked again.
type Consent struct {
	Person string // id
	Client string // id
	Scope  scope.Set
	At     time.Time
}

// Consented says that a person has allowed a program all that it asks for.
func (s *Service) Consented(person, client string, asked scope.Set) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, given := s.consents[whose{person, client}]
	return given && asked.Within(c.Scope)
}

// Consent keeps what a person allows a program, beside what they had allowed it.
func (s *Service) Consent(ctx context.Context, person, client string, asked scope.Set) error {
	s.consenting.Lock()
	defer s.consenting.Unlock()
	s.mu.RLock()
	before := s.consents[whose{person, client}]
	s.mu.RUnlock()
	if both, err := scope.Parse(before.Scope.String() + " " + asked.String()); err == nil {
		asked = both
	}
	c := store.Consent{Person: person, Client: client, Scope: asked.String(), At: time.Now().UTC()}
	if err := s.Store.Write(ctx, func(tx *store.Tx) error { return tx.PutConsent(c) }); err != nil {
		return err
	}
	return s.remember(c)
}

func (s *Service) remember(c store.Consent) error {
	set, err := scope.Parse(c.Scope)
	if err != nil {
		return fmt.Errorf("reading what %s allowed %s: %w", c.Person, c.Client, err)
	}
	s.mu.Lock()
	s.consents[whose{c.Person, c.Client}] = Consent{c.Person, c.Client, set, c.At}
	delete(s.damaged, c.Person+" "+c.Client)
	s.mu.Unlock()
	return nil
}

// Withdraw takes back what a person has allowed a program, and ends its grants.
func (s *Service) Withdraw(ctx context.Context, who store.Actor, person, client string) error {
	s.consenting.Lock()
	defer s.consenting.Unlock()
	_, err := s.end(ctx, who, "the person withdrew it", func(tx *store.Tx) ([]string, error) {
		if err := tx.DeleteConsent(person, client); err != nil {
			return nil, err
		}
		return tx.OpenGrants(person, client)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.consents, whose{person, client})
	delete(s.damaged, person+" "+client)
	s.mu.Unlock()
	return nil
}

// Consents lists what a person has allowed, by client.
func (s *Service) Consents(person string) (list []Consent) {
	s.mu.RLock()
	for _, c := range s.consents {
		if c.Person == person {
			list = append(list, c)
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(list, func(a, b Consent) int { return cmp.Compare(a.Client, b.Client) })
	return list
}
