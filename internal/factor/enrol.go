package factor

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	// settled is how long a network must have been known before a first factor
	// is set up from it: whoever guessed a password yesterday has not been
	// there for a week.
	settled = 7 * 24 * time.Hour
	// dormant is for how long somebody must not have signed in to count as
	// dormant; what happened within the last settled days does not wake them,
	// since it may be the guesser's doing.
	dormant = 90 * 24 * time.Hour
	// oneTimeEnrol is how long after its use a pass for one time lets enrol, as
	// in Entra.
	oneTimeEnrol = 10 * time.Minute
)

const passes = policy.MethodTemporaryAccessPassOneTime | policy.MethodTemporaryAccessPassMulti

// EnrolFacts are what decides, besides the session, whether a first factor may
// be set up. The zero value lets nobody.
type EnrolFacts struct {
	Trusted    bool      // the session comes from a named location marked as trusted
	KnownSince time.Time // when the person first signed in from the session's network; zero is never
	PassUsed   bool      // the session was opened by a temporary access pass
	Dormant    bool      // nobody has signed in as this person for long
}

// Seen gathers what the log knows of a person for MayEnrol; whether the place
// is trusted, and whether there was a pass, is for the caller to add.
func (s *Service) Seen(ctx context.Context, person string, addr netip.Addr) (e EnrolFacts, err error) {
	now := time.Now()
	e.KnownSince, err = s.Store.NetworkSince(ctx, person, network.Of(addr))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return EnrolFacts{Dormant: true}, err
	}
	active, err := s.Store.SignedInBetween(ctx, person, now.Add(-dormant), now.Add(-settled))
	e.Dormant = !active
	return e, err
}

// MayEnrol says whether a session may set up a factor: a further one if it was
// proven with two factors itself; a first one only with a temporary access pass,
// from a trusted location, or from a network known for a week, since whoever
// guesses a password first would otherwise enrol first. For the dormant, whom
// nobody would hear of, only a pass counts. Policies on registering security
// information come on top: they can refuse, never allow. A no is a
// *signin.Refusal.
func (s *Service) MayEnrol(f policy.Facts, e EnrolFacts) error {
	if err := s.guard(&f, &e); err != nil {
		return err
	}
	if s.Registration == nil {
		return nil
	}
	f.At = time.Now()
	if v := s.Registration(&f); !v.Allowed() {
		return notHere("policy %s on registering security information: %s", v.By, signin.Code(v.Code))
	}
	return nil
}

// guard is the rule that holds without any policy.
func (s *Service) guard(f *policy.Facts, e *EnrolFacts) error {
	now := time.Now()
	oneTime := f.Methods&policy.MethodTemporaryAccessPassOneTime != 0
	switch {
	case !f.Proven || f.Person == "":
		return notHere("nobody has signed in")
	case oneTime && now.Sub(f.AuthTime) > oneTimeEnrol:
		return notHere("the pass was used more than %s ago", oneTimeEnrol)
	case s.Has(f.Person) && !policy.MultiFactor(f.Methods):
		return notHere("a further factor is set up in a session that was proven with one")
	case s.Has(f.Person), e.PassUsed, f.Methods&passes != 0:
		return nil
	case e.Dormant:
		return notHere("nobody has signed in as this person for %d days: only with a temporary access pass", int(dormant.Hours()/24))
	case e.Trusted, !e.KnownSince.IsZero() && now.Sub(e.KnownSince) >= settled:
		return nil
	}
	return notHere("neither a trusted location, nor a network known for %d days, nor a temporary access pass", int(settled.Hours()/24))
}

func notHere(format string, args ...any) error { return refuse(signin.EnrolNotHere, format, args...) }

// enrol keeps a new factor and announces it. Whatever the page has asked
// before, a further factor is refused here too unless the session in ctx was
// proven with two: somebody may have enrolled meanwhile. begun is what else
// belongs to the same change; it may be nil.
func (s *Service) enrol(ctx context.Context, who store.Actor, f *store.Factor, begun func(*store.Tx) error) error {
	by := factsOf(ctx)
	if by.Person != "" && by.Person != f.Person {
		return notHere("the session is somebody else's")
	}
	f.ByPass = by.Methods&passes != 0
	err := s.change(ctx, who, f.Person, func(tx *store.Tx) error {
		if begun != nil {
			if err := begun(tx); err != nil {
				return err
			}
		}
		switch all, same, err := tx.CountFactors(f.Person, f.Kind); {
		case err != nil:
			return err
		case all > 0 && !policy.MultiFactor(by.Methods):
			return notHere("a further factor is set up in a session that was proven with one")
		case same >= maxFactors:
			return ErrTooMany
		}
		f.ID = "" // a change may be tried again
		return tx.AddFactor(f)
	})
	if err == nil {
		s.Tell(f.Person, News{Kind: NewsAdded, Name: f.Name})
	}
	return err
}
