// Package factor keeps second factors: codes of an authenticator app (TOTP),
// passkeys and security keys, recovery codes, temporary access passes, and
// browsers that need not be asked again. It enrols them, verifies them, and
// says who may enrol; it knows no page, no cookie's name and no policy.
//
// Whatever works once is used up by one conditional row change that is durable
// before the answer leaves, so that of fifty equal answers at once one wins, and
// none wins after a crash. What strangers can begin (a challenge, a setup) is
// kept by nobody here: it travels sealed with them and comes back.
//
// Failures of proof are a *signin.Refusal; any other error is trouble of ours,
// which proves nothing either. Whoever calls says with From for which session.
package factor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// The kinds of factor.
const (
	KindTOTP     = store.FactorTOTP
	KindPasskey  = store.FactorPasskey
	KindRecovery = "recovery"
	KindPass     = "pass"
)

// RecoveryID is the id of a person's recovery codes in lists, which are one factor.
const RecoveryID = "recovery"

const (
	// maxFactors is how many passkeys, and how many authenticator apps, one
	// person can have.
	maxFactors = 10
	// maxName is the longest name of a factor, in characters.
	maxName = 64
)

// What callers branch on besides refusals.
var (
	ErrLast       = errors.New("this is the last second factor: set up another one first")
	ErrTooMany    = fmt.Errorf("there are %d factors of this kind already: remove one first", maxFactors)
	ErrSetupOld   = errors.New("this setup has run out: begin again")
	ErrNoFactor   = errors.New("recovery codes stand in for a second factor, and there is none")
	ErrNoPasskeys = errors.New("passkeys need a public address (public_url)")
)

// Options are the service's parts.
type Options struct {
	Store *store.Store
	Box   *secret.Box    // seals seeds, public keys and challenges
	Print *secret.Prints // keyed hash of codes, passes and cookies; the same over restarts
	// Name is what authenticator apps and browsers show.
	Name string
	// RPID is the host name that passkeys are bound to, Origins the pages that
	// may ask for one. Without RPID there are no passkeys.
	RPID    string
	Origins []string
	// Tell announces something to a person; it must not wait. It may be nil.
	Tell func(person string, n News)
	// Registration judges setting up a factor by the policies that name that
	// action; nil: there are none.
	Registration func(f *policy.Facts) policy.Verdict
	// Everything names the revocation that ends all that a person was granted up
	// to a time (authn.Everything).
	Everything func(person string, at time.Time) string
}

// Service is the second factors of everybody. It is safe for concurrent use.
type Service struct {
	Options
	web   *webauthn.WebAuthn // nil: no passkeys
	tries tries

	mu       sync.RWMutex
	enrolled map[string]store.Enrolled // by person
}

// New makes the service and reads who has a factor.
func New(ctx context.Context, o Options) (*Service, error) {
	if o.Tell == nil {
		o.Tell = func(string, News) {}
	}
	s := &Service{Options: o}
	var err error
	if o.RPID != "" {
		if s.web, err = webauthn.New(relyingParty(&o)); err != nil {
			return nil, fmt.Errorf("setting up passkeys for %s: %w", o.RPID, err)
		}
	}
	return s, s.load(ctx)
}

// Factor is one factor as its person sees it.
type Factor struct {
	ID       string    `json:"id"`
	Person   string    `json:"person"` // id
	Kind     string    `json:"kind"`
	Name     string    `json:"name"`
	Created  time.Time `json:"created"`
	LastUsed time.Time `json:"lastUsed,omitzero"`
	AAGUID   string    `json:"aaguid,omitempty"` // the model of a key, as the key says
	Left     int       `json:"left,omitempty"`   // recovery codes
	// Starts, Ends and OneTime are a pass's.
	Starts  time.Time `json:"starts,omitzero"`
	Ends    time.Time `json:"ends,omitzero"`
	OneTime bool      `json:"oneTime,omitempty"`
}

func shown(f *store.Factor) Factor {
	return Factor{ID: f.ID, Person: f.Person, Kind: f.Kind, Name: f.Name, Created: f.Created, LastUsed: f.Used, AAGUID: f.AAGUID}
}

// List lists what a person has: factors, recovery codes, and a pass whose time
// is not over.
func (s *Service) List(ctx context.Context, person string) ([]Factor, error) {
	rows, err := s.Store.Factors(ctx, person)
	if err != nil {
		return nil, err
	}
	list := []Factor{}
	for i := range rows {
		list = append(list, shown(&rows[i]))
	}
	codes, err := s.Store.RecoveryCodes(ctx, person)
	if err != nil {
		return nil, err
	}
	if codes.Left > 0 {
		list = append(list, Factor{ID: RecoveryID, Person: person, Kind: KindRecovery, Name: "Recovery codes", Created: codes.Created, Left: codes.Left})
	}
	p, err := s.Store.Pass(ctx, person)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return nil, err
	case p.Ends.After(time.Now()) && !(p.OneTime && p.Uses > 0):
		list = append(list, shownPass(&p))
	}
	return list, nil
}

// Has says that a person has a second factor that can be asked for.
func (s *Service) Has(person string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, has := s.enrolled[person]
	return has
}

// Since is when the oldest factor that a person has was enrolled, and whether
// in a session that a temporary access pass opened. Zero: they have none.
// Whoever adds one and removes the older ones begins anew.
func (s *Service) Since(person string) (first time.Time, byPass bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.enrolled[person]
	return e.First, e.ByPass
}

// Apply takes up a change of the store that somebody else made.
func (s *Service) Apply(ctx context.Context, c store.Change) error {
	if c.Families&(store.Factors|store.People) == 0 {
		return nil
	}
	if len(c.People) == 0 || len(c.People) > 100 {
		return s.load(ctx)
	}
	for _, person := range c.People {
		if err := s.refresh(ctx, person); err != nil {
			return err
		}
	}
	return nil
}

// load reads everybody's anew. The lock is held while the database is read, so
// that no older reading replaces a newer one.
func (s *Service) load(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, err := s.Store.AllEnrolled(ctx)
	if err != nil {
		return fmt.Errorf("reading who has a second factor: %w", err)
	}
	s.enrolled = make(map[string]store.Enrolled, len(all))
	for _, e := range all {
		s.enrolled[e.Person] = e
	}
	return nil
}

func (s *Service) refresh(ctx context.Context, person string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.Store.Enrolled(ctx, person)
	switch {
	case errors.Is(err, store.ErrNotFound):
		delete(s.enrolled, person)
	case err != nil:
		return fmt.Errorf("reading the second factors of a person: %w", err)
	default:
		s.enrolled[person] = e
	}
	return nil
}

// change carries out an audited change of one person's factors and takes it up.
// Its reason comes with store.WithReason. What is made durable is taken up even
// if the one who asked has gone.
func (s *Service) change(ctx context.Context, who store.Actor, person string, do func(*store.Tx) error) error {
	if err := s.Store.Change(ctx, who, "", do); err != nil {
		return err
	}
	return s.refresh(context.WithoutCancel(ctx), person)
}

// Remove takes a factor away, and forgets the browsers that it vouched for. The
// last one that can be asked for stays: ErrLast.
func (s *Service) Remove(ctx context.Context, who store.Actor, person, id string) error {
	return s.remove(ctx, who, person, id, false)
}

// RemoveLast is Remove for administrators: the last one goes too, and recovery
// codes with it.
func (s *Service) RemoveLast(ctx context.Context, who store.Actor, person, id string) error {
	return s.remove(ctx, who, person, id, true)
}

func (s *Service) remove(ctx context.Context, who store.Actor, person, id string, last bool) error {
	if id == RecoveryID {
		return s.change(ctx, who, person, func(tx *store.Tx) error { return tx.DeleteRecoveryCodes(person) })
	}
	switch p, err := s.Store.Pass(ctx, person); {
	case err == nil && p.ID == id:
		return s.RevokePass(ctx, who, person)
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	}
	err := s.change(ctx, who, person, func(tx *store.Tx) error {
		if err := tx.DeleteFactor(person, id); err != nil {
			return err
		}
		switch left, _, err := tx.CountFactors(person, ""); {
		case err != nil:
			return err
		case left == 0 && !last:
			return ErrLast // which undoes the removal
		case left == 0:
			return tx.DeleteFactors(person)
		}
		return tx.DeleteBrowsers(person)
	})
	if err == nil {
		s.Tell(person, News{Kind: NewsRemoved})
	}
	return err
}

// Reset is what a help desk does for somebody who has lost their factors: it
// takes away all that they have, ends every session, and returns a pass that
// works once, to set up new ones with. It is one change: it happens whole.
func (s *Service) Reset(ctx context.Context, who store.Actor, person string) (pass string, err error) {
	pass, p, err := s.newPass(person, PassOptions{OneTime: true})
	if err != nil {
		return "", err
	}
	err = s.change(ctx, who, person, func(tx *store.Tx) error {
		if err := tx.DeleteFactors(person); err != nil {
			return err
		}
		if err := tx.PutPass(p); err != nil {
			return err
		}
		if s.Everything == nil {
			return nil
		}
		return tx.Revoke(store.Revocation{Grant: s.Everything(person, time.Now()), Person: person})
	})
	if err != nil {
		return "", err
	}
	s.Tell(person, News{Kind: NewsReset, Name: who.Name})
	return pass, nil
}

// print is the keyed hash of something random that a person was given. Tables
// are searched by it: how long that takes tells of the hash, not of the code.
func (s *Service) print(kind, person string, code []byte) []byte {
	p := s.Print.Of([]byte(kind), []byte(person), code)
	return p[:]
}

// named makes a name of what a person typed.
func named(typed, otherwise string) string {
	clean := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(typed, ""))
	if clean = strings.TrimSpace(clean); clean == "" {
		return otherwise
	}
	if r := []rune(clean); len(r) > maxName {
		clean = string(r[:maxName])
	}
	return clean
}

func refuse(code signin.Code, format string, args ...any) error {
	return signin.Refuse(code, format, args...)
}

func wrong(format string, args ...any) error { return refuse(signin.FactorFailed, format, args...) }
