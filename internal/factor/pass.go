package factor

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/span"
	"github.com/portreeve/portreeve/internal/store"
)

// Entra's limits of a temporary access pass, and its defaults.
const (
	MinPassLife     = 10 * time.Minute
	MaxPassLife     = 30 * 24 * time.Hour
	DefaultPassLife = time.Hour
	MinPassLength   = 8
	MaxPassLength   = 48
	// maxPassStart is how far ahead a pass may be issued.
	maxPassStart = 30 * 24 * time.Hour
)

// ErrPassLimits says that a pass was asked for that is not issued.
var ErrPassLimits = errors.New("no such pass is issued")

// PassOptions are what a pass is issued with; the zero value is Entra's default.
type PassOptions struct {
	Lifetime time.Duration // 10 minutes to 30 days; 0 is an hour
	StartsAt time.Time     // zero is now
	OneTime  bool
	Length   int // characters, 8 to 48; 0 is 8
}

func (o *PassOptions) complete(now time.Time) error {
	if o.Lifetime == 0 {
		o.Lifetime = DefaultPassLife
	}
	if o.Length == 0 {
		o.Length = MinPassLength
	}
	if o.StartsAt.IsZero() {
		o.StartsAt = now
	}
	switch {
	case o.Lifetime < MinPassLife || o.Lifetime > MaxPassLife:
		return fmt.Errorf("%w: it lives %s to %s, not %s", ErrPassLimits, span.Words(MinPassLife), span.Words(MaxPassLife), span.Words(o.Lifetime))
	case o.Length < MinPassLength || o.Length > MaxPassLength:
		return fmt.Errorf("%w: it has %d to %d characters, not %d", ErrPassLimits, MinPassLength, MaxPassLength, o.Length)
	case o.StartsAt.Before(now.Add(-time.Minute)) || o.StartsAt.After(now.Add(maxPassStart)):
		return fmt.Errorf("%w: it starts between now and in 30d", ErrPassLimits)
	}
	return nil
}

// newPass makes a pass that is not issued yet.
func (s *Service) newPass(person string, o PassOptions) (text string, p *store.Pass, err error) {
	if err := o.complete(time.Now()); err != nil {
		return "", nil, err
	}
	text = newCode(o.Length)
	return text, &store.Pass{Person: person, Print: s.print(KindPass, person, []byte(text)), Starts: o.StartsAt.UTC(),
		Ends: o.StartsAt.Add(o.Lifetime).UTC(), OneTime: o.OneTime}, nil
}

// IssuePass issues a pass, in place of the person's last one. Its text is shown
// once. Outside Entra's limits: ErrPassLimits.
func (s *Service) IssuePass(ctx context.Context, who store.Actor, person string, o PassOptions) (text string, _ Factor, err error) {
	text, p, err := s.newPass(person, o)
	if err != nil {
		return "", Factor{}, err
	}
	if err := s.change(ctx, who, person, func(tx *store.Tx) error {
		p.ID = "" // a change may be tried again
		return tx.PutPass(p)
	}); err != nil {
		return "", Factor{}, err
	}
	s.Tell(person, News{Kind: NewsPass, Name: who.Name})
	return text, shownPass(p), nil
}

// RevokePass takes a person's pass back and ends what it opened.
func (s *Service) RevokePass(ctx context.Context, who store.Actor, person string) error {
	return s.change(ctx, who, person, func(tx *store.Tx) error { return tx.DeletePass(person) })
}

func shownPass(p *store.Pass) Factor {
	return Factor{ID: p.ID, Person: p.Person, Kind: KindPass, Name: "Temporary access pass", Created: p.Created, LastUsed: p.Used,
		Starts: p.Starts, Ends: p.Ends, OneTime: p.OneTime}
}

// Pass verifies a temporary access pass, which stands in for the password and
// the second factor. Only who shows the right one hears that its time is over
// or that it was used.
func (s *Service) Pass(ctx context.Context, person string, pass []byte) (policy.Methods, error) {
	print := s.print(KindPass, person, typed(string(pass)))
	p, err := s.Store.Pass(ctx, person)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	if subtle.ConstantTimeCompare(p.Print, print) != 1 {
		return 0, wrong("the pass is not the person's")
	}
	now, may := time.Now(), false
	if err := s.Store.Write(ctx, func(tx *store.Tx) (err error) {
		may, err = tx.UsePass(p.ID, now)
		return err
	}); err != nil {
		return 0, fmt.Errorf("using a pass: %w", err)
	}
	switch {
	case !may && (now.Before(p.Starts) || !now.Before(p.Ends)):
		return 0, refuse(signin.PassExpired, "the pass is for %s to %s", p.Starts.Format(time.RFC3339), p.Ends.Format(time.RFC3339))
	case !may:
		return 0, refuse(signin.PassUsedUp, "the pass was used before, or taken back this moment")
	}
	s.Tell(person, News{Kind: NewsPassUsed})
	if p.OneTime {
		return policy.MethodTemporaryAccessPassOneTime, nil
	}
	return policy.MethodTemporaryAccessPassMulti, nil
}

// PassGrant is what a session that a person's pass opened hangs on: it ends
// when the pass is revoked, and when its time is over. shown is the pass that
// was used: where another has come in its place since, nothing hangs on that.
func (s *Service) PassGrant(ctx context.Context, person string, shown []byte) (grant string, until time.Time, err error) {
	p, err := s.Store.Pass(ctx, person)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", time.Time{}, err
	}
	if subtle.ConstantTimeCompare(p.Print, s.print(KindPass, person, typed(string(shown)))) != 1 {
		return "", time.Time{}, refuse(signin.PassUsedUp, "the pass was taken back this moment")
	}
	return store.PassGrant(p.ID), p.Ends, nil
}
