package factor

import (
	"context"
	"fmt"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	recoveryCodes = 10
	recoverySigns = 10 // 50 bits: far beyond guessing, so a keyed hash without stretching is enough
)

// NewRecoveryCodes makes ten codes in place of the last ones. They are shown
// once. Without a factor that they could stand in for: ErrNoFactor.
func (s *Service) NewRecoveryCodes(ctx context.Context, who store.Actor, person string) ([]string, error) {
	if !s.Has(person) {
		return nil, ErrNoFactor
	}
	var codes []string
	var prints [][]byte
	for range recoveryCodes {
		code := newCode(recoverySigns)
		prints = append(prints, s.print(KindRecovery, person, []byte(code)))
		codes = append(codes, code[:recoverySigns/2]+"-"+code[recoverySigns/2:])
	}
	if err := s.change(ctx, who, person, func(tx *store.Tx) error { return tx.PutRecoveryCodes(person, prints) }); err != nil {
		return nil, err
	}
	s.Tell(person, News{Kind: NewsCodes})
	return codes, nil
}

// Recovery verifies a recovery code, each of which works once. It counts as a
// software OATH code: like that it is worth something only beside a first
// proof. (A pass, which Graph has a word for as well, proves by itself.)
func (s *Service) Recovery(ctx context.Context, person, code string) (policy.Methods, error) {
	print, there := s.print(KindRecovery, person, typed(code)), false
	if err := s.Store.Write(ctx, func(tx *store.Tx) (err error) {
		there, err = tx.UseRecoveryCode(person, print)
		return err
	}); err != nil {
		return 0, fmt.Errorf("using a recovery code: %w", err)
	}
	if !there {
		return 0, wrong("the recovery code is none of the person's, or was used before")
	}
	s.Tell(person, News{Kind: NewsCodeUsed})
	return policy.MethodSoftwareOath, nil
}
