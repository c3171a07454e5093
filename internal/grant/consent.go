package grant

import (
	"context"
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

func (s *Service) Consented(person, client string, asked scope.Set) bool { return false }
func (s *Service) Consent(ctx context.Context, person, client string, asked scope.Set) error {
	return errSoon
}
func (s *Service) Withdraw(ctx context.Context, who store.Actor, person, client string) error {
	return errSoon
}
func (s *Service) Consents(person string) []Consent { return nil }
