package apppassword

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	// MostOf is how many living app passwords a person can have.
	MostOf = 50
	// Wait is how long after enrolling a first factor a person makes none, unless
	// the factor came by a pass: whoever enrols in somebody's place is found out first.
	Wait     = 24 * time.Hour
	mintings = 100                  // tries for an id that is free
	keptFor  = 180 * 24 * time.Hour // revoked and expired ones stay, so that the log can tell them from unknown ones
	keptDead = 24 * time.Hour       // those that died unused stay for less
)

// The errors that callers branch on.
var (
	// ErrNoFactor means that the person has no second factor yet.
	ErrNoFactor = errors.New("an app password needs a second factor first")
	// ErrTooMany means that the person has MostOf already.
	ErrTooMany = fmt.Errorf("there are %d app passwords already: revoke one first", MostOf)
	// ErrNothingPending means that nothing waits for approval.
	ErrNothingPending = errors.New("nothing waits for approval")
)

// TooEarly is the error of Create within Wait of the first factor.
type TooEarly struct{ Until time.Time }

func (e *TooEarly) Error() string {
	return "app passwords can be made a day after the first second factor, from " + e.Until.UTC().Format("2006-01-02 15:04 MST")
}

// NoWayIn is the error where the mail server takes nothing but the person's own
// password.
type NoWayIn struct{ Backend string }

func (e *NoWayIn) Error() string {
	return fmt.Sprintf("an app password cannot be used at the mail server %[1]q: backends.%[1]s.login is password, so only the person's own password signs in there; use login: master or login: token", e.Backend)
}

// Create makes an app password for a person who asked for it themselves, after
// a second factor, and returns its text, which is kept nowhere.
func (s *Service) Create(ctx context.Context, who store.Actor, person, name string, sc Scope) (text string, _ Password, err error) {
	if err := s.MayCreate(person, time.Now()); err != nil {
		return "", Password{}, err
	}
	return s.make(ctx, who, person, name, sc)
}

// MayCreate says why a person may not make app passwords now: ErrNoFactor or a
// *TooEarly.
func (s *Service) MayCreate(person string, now time.Time) error {
	if s.Factors == nil {
		return ErrNoFactor
	}
	first, byPass := s.Factors.Since(person)
	if first.IsZero() {
		return ErrNoFactor
	}
	if from := first.Add(Wait); !byPass && now.Before(from) {
		return &TooEarly{from}
	}
	return nil
}

// Issue makes an app password for a person's device in an administrator's name.
func (s *Service) Issue(ctx context.Context, who store.Actor, p directory.Person, name string, sc Scope) (text string, _ Password, err error) {
	if err := s.CanUse(p); err != nil {
		return "", Password{}, err
	}
	return s.make(ctx, who, p.ID, name, sc)
}

// CanUse says with a *NoWayIn that an app password would open nothing for a person.
func (s *Service) CanUse(p directory.Person) error {
	if s.Backends == nil {
		return nil
	}
	if name, only := s.Backends.OwnPasswordOnly(p.Address, p.Backend); only {
		return &NoWayIn{name}
	}
	return nil
}

func (s *Service) make(ctx context.Context, who store.Actor, person, name string, sc Scope) (string, Password, error) {
	name = strings.TrimSpace(name)
	if err := errors.Join(checkName(name), s.check(&sc)); err != nil {
		return "", Password{}, err
	}
	raw, err := json.Marshal(sc)
	if err != nil {
		return "", Password{}, fmt.Errorf("making an app password: %w", err)
	}
	s.making.Lock() // so that two at once do not both take the last place, or one name
	defer s.making.Unlock()
	for range mintings {
		p := mint()
		print := s.Prints.Of([]byte(p.id()), []byte(person), p.secret())
		row := store.AppPassword{ID: p.id(), Person: person, Name: name, Print: print[:], Scope: raw}
		err := s.Store.Change(ctx, who, "", func(tx *store.Tx) error {
			if err := s.room(person, name); err != nil {
				return err
			}
			owner, err := tx.Person(person)
			if err != nil {
				return err
			}
			if err := s.CanUse(directory.Person{ID: owner.ID, Address: owner.Address, Backend: owner.Backend}); err != nil {
				return err
			}
			return tx.AddAppPassword(&row)
		})
		if errors.Is(err, store.ErrExists) && !errors.As(err, new(*NameTaken)) {
			continue
		}
		if err != nil {
			return "", Password{}, fmt.Errorf("making an app password: %w", err)
		}
		e, err := entryOf(row)
		if err != nil {
			return "", Password{}, err
		}
		s.mu.Lock()
		s.put(e)
		s.mu.Unlock()
		return p.shown(), e.shown(), nil
	}
	return "", Password{}, errors.New("making an app password: no free id was found")
}

// NameTaken means that a living one has that name already.
type NameTaken struct{ Name string }

func (e *NameTaken) Error() string { return fmt.Sprintf("there is an app password %q already", e.Name) }

// Unwrap makes it a store.ErrExists.
func (e *NameTaken) Unwrap() error { return store.ErrExists }

// room says whether a person can have one more, of that name.
func (s *Service) room(person, name string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	for _, e := range s.byPerson[person] {
		if !e.row.Revoked.IsZero() || e.expired(time.Now()) {
			continue
		}
		if n++; strings.EqualFold(e.row.Name, name) {
			return &NameTaken{name}
		}
	}
	if n >= MostOf {
		return ErrTooMany
	}
	return nil
}

// List is a person's app passwords, the oldest first, revoked ones too; of
// everybody if person is empty.
func (s *Service) List(_ context.Context, person string) ([]Password, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []Password
	of := s.byID
	if person != "" {
		of = s.byPerson[person]
	}
	for _, e := range of {
		all = append(all, e.shown())
	}
	slices.SortFunc(all, func(a, b Password) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all, nil
}

// mine is an entry if it is the person's; store.ErrNotFound.
func (s *Service) mine(person, id string) (entry, error) {
	e, ok := s.find(id)
	if !ok || person != "" && e.row.Person != person {
		return entry{}, fmt.Errorf("app password %.16q: %w", id, store.ErrNotFound)
	}
	return e, nil
}

// Revoke revokes a person's app password (anybody's if person is empty) and
// ends its sessions. One that was revoked before stays revoked.
func (s *Service) Revoke(ctx context.Context, who store.Actor, person, id string) error {
	e, err := s.mine(person, id)
	if err != nil {
		return err
	}
	if err := s.Store.Change(ctx, who, "", func(tx *store.Tx) error { return tx.RevokeAppPassword(id) }); err != nil {
		return err
	}
	return s.refresh(ctx, e.row.Person)
}

// Approve binds a person's app password (anybody's if person is empty) to the
// program and network that were refused, besides those it was bound to. mark is
// the PendingMark of what the approver was shown: whoever else has shown the app
// password since is not approved in its place.
func (s *Service) Approve(ctx context.Context, who store.Actor, person, id, mark string) error {
	s.writing.Lock() // or what waited could be written down once more behind us
	defer s.writing.Unlock()
	e, err := s.mine(person, id)
	if err != nil {
		return err
	}
	if e.pending == nil || !e.row.Revoked.IsZero() || mark != e.pending.mark(&e.scope) {
		return ErrNothingPending
	}
	raw, err := json.Marshal(e.bound.with(e.pending, &e.scope))
	if err != nil {
		return fmt.Errorf("binding an app password: %w", err)
	}
	if err := s.Store.Change(ctx, who, "", func(tx *store.Tx) error { return tx.BindAppPassword(id, raw) }); err != nil {
		return err
	}
	s.amend(id, func(e *entry) { e.pending = nil })
	return s.refresh(ctx, e.row.Person)
}

// Apply brings what is in memory up to a change of the store.
func (s *Service) Apply(ctx context.Context, c store.Change) error {
	if c.Families&(store.AppPasswords|store.People) == 0 {
		return nil
	}
	if len(c.People) == 0 {
		return s.reload(ctx)
	}
	for _, person := range c.People {
		if err := s.refresh(ctx, person); err != nil {
			return err
		}
	}
	return nil
}

// refresh reads a person's app passwords anew.
func (s *Service) refresh(ctx context.Context, person string) error {
	s.load.Lock()
	defer s.load.Unlock()
	rows, err := s.Store.AppPasswordsOf(ctx, person)
	if err != nil {
		return fmt.Errorf("reading app passwords: %w", err)
	}
	return s.take(rows, person)
}

func (s *Service) reload(ctx context.Context) error {
	s.load.Lock()
	defer s.load.Unlock()
	rows, err := s.Store.AppPasswords(ctx)
	if err != nil {
		return fmt.Errorf("reading app passwords: %w", err)
	}
	return s.take(rows, "")
}

// take puts rows in the place of a person's, or of everybody's.
func (s *Service) take(rows []store.AppPassword, person string) error {
	fresh := make([]*entry, 0, len(rows))
	for _, row := range rows {
		e, err := entryOf(row)
		if err != nil {
			return err
		}
		fresh = append(fresh, e)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.byID
	if person == "" {
		s.byID, s.byPerson = make(map[string]*entry, len(rows)), map[string]map[string]*entry{}
	} else {
		old = s.byPerson[person]
		for id := range old {
			delete(s.byID, id)
		}
		delete(s.byPerson, person)
	}
	for _, e := range fresh {
		if was := old[e.row.ID]; was != nil && s.dirty[e.row.ID] {
			e.row.Last, e.row.LastAddr, e.row.LastProgram, e.pending = was.row.Last, was.row.LastAddr, was.row.LastProgram, was.pending
		}
		s.put(e)
	}
	return nil
}
