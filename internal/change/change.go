// Package change makes changes of the rules that take themselves back: such a
// change acts at once, and unless somebody confirms it in time every object
// that it touched, and that nobody changed since, is put back as it was.
//
// When that is due stands in the database beside the change itself, written in
// the same transaction, so that a process that is killed in between forgets
// nothing: what became due meanwhile is taken back when the next one starts.
// The owner calls Run. Whoever else puts changes in force hears of this one
// through the store like of any other.
package change

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/store"
)

const (
	// Shortest and Longest bound how long a change may wait to be confirmed.
	Shortest = time.Second
	Longest  = 24 * time.Hour
	// again is how long is waited when the database could not be written.
	again = time.Second
	// glance bounds every wait, so that a clock that is put forward is noticed.
	glance = time.Minute
)

// Service makes, confirms and takes back changes.
type Service struct {
	store *store.Store
	log   *slog.Logger
	wake  chan struct{} // holds one: a deadline has come or gone
	// latest is, by a change's id, when it is taken back whatever the wall's
	// clock says: one that is put back must not keep anybody out for longer.
	// Only Due touches it, which is called by one at a time.
	latest map[string]time.Time
}

// New makes a service over a store.
func New(s *store.Store, log *slog.Logger) *Service {
	return &Service{store: s, log: log, wake: make(chan struct{}, 1), latest: map[string]time.Time{}}
}

// Make carries out a change that is taken back unless it is confirmed in time.
// If it changes nothing the zero Pending is returned.
func (s *Service) Make(ctx context.Context, who store.Actor, reason string, within time.Duration, do func(*store.Tx) error) (p store.Pending, err error) {
	err = s.store.Change(ctx, who, reason, func(tx *store.Tx) (err error) {
		p, err = tx.Await(within, do)
		return err
	})
	if err != nil {
		return store.Pending{}, err
	}
	s.look()
	return p, nil
}

// Confirm has changes stay; how is kept in the audit. Those that wait no more
// are passed over, and the others returned.
func (s *Service) Confirm(ctx context.Context, who store.Actor, reason string, how any, all []store.Pending) (confirmed []store.Pending, err error) {
	err = s.store.Change(ctx, who, reason, func(tx *store.Tx) error {
		confirmed = nil
		for _, p := range all {
			switch err := tx.Confirm(p.ID, how); {
			case errors.Is(err, store.ErrNotFound):
				continue
			case err != nil:
				return err
			}
			confirmed = append(confirmed, p)
		}
		return nil
	})
	s.look()
	return confirmed, err
}

// State is a change that waits, for people.
type State struct {
	ID      string    `json:"id"`
	Made    time.Time `json:"made"`
	Until   time.Time `json:"until"`
	Actor   string    `json:"actor"`
	Reason  string    `json:"reason,omitempty"`
	Changes []Touched `json:"changes"`
}

// Touched is one object of a change.
type Touched struct {
	Action string `json:"action"`
	Kind   string `json:"kind"`
	Object string `json:"id"`
	Name   string `json:"name"`
}

// Waiting lists what waits, the next to be taken back first.
func (s *Service) Waiting(ctx context.Context) ([]State, error) {
	list, err := s.store.Pendings(ctx)
	if err != nil {
		return nil, err
	}
	all := []State{}
	for _, p := range list {
		st := State{ID: p.ID, Made: p.Made.UTC(), Until: p.Until.UTC(), Actor: p.Actor.Name, Reason: p.Reason, Changes: []Touched{}}
		rows, err := s.store.Touched(ctx, p)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if row.Kind == store.ManagedKind && len(st.Changes) > 0 {
				continue // the file that an object comes from, which is told already
			}
			st.Changes = append(st.Changes, Touched{row.Action, row.Kind, row.Object, row.Name})
		}
		all = append(all, st)
	}
	return all, nil
}

// Due takes back what is due by now and returns when the next is; zero: nothing
// more waits. One that cannot be taken back stands in no other's way. The newest
// goes first, since it may hang on what an older one made.
func (s *Service) Due(ctx context.Context) (next time.Time, err error) {
	list, err := s.store.Pendings(ctx)
	if err != nil {
		return next, err
	}
	slices.SortFunc(list, func(a, b store.Pending) int {
		if a.After(b) {
			return -1
		}
		return 1
	})
	now, latest := time.Now(), make(map[string]time.Time, len(list))
	var faults []error
	for _, p := range list {
		at := s.deadline(p, now)
		latest[p.ID] = at
		if wall := p.Until; wall.After(now) && at.After(now) {
			if wall.Before(at) {
				at = wall
			}
			if next.IsZero() || at.Before(next) {
				next = at
			}
			continue
		}
		if err := s.takeBack(ctx, p); err != nil {
			faults = append(faults, err)
		}
	}
	s.latest = latest
	return next, errors.Join(faults...)
}

// deadline is when a change is due by the clock that nobody puts back: what was
// left of its time when this process first saw it, and never more than all of it.
func (s *Service) deadline(p store.Pending, now time.Time) time.Time {
	if at, known := s.latest[p.ID]; known {
		return at
	}
	return now.Add(min(p.Until.Sub(now), p.Until.Sub(p.Made)))
}

func (s *Service) takeBack(ctx context.Context, p store.Pending) error {
	var undone []store.Undone
	reason := "nobody confirmed the change of " + p.Actor.Name + " in time"
	err := s.store.Change(store.WithOrigin(ctx, store.OriginRevert), store.System, reason, func(tx *store.Tx) (err error) {
		undone, err = tx.TakeBack(p.ID)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil // confirmed meanwhile
	}
	if err != nil {
		return err
	}
	for _, u := range undone {
		if u.Left != "" {
			s.log.Warn("left as it is, though nobody confirmed its change", "kind", u.Kind, "name", u.Name, "why", u.Left)
			continue
		}
		s.log.Info("taken back, since nobody confirmed it", "kind", u.Kind, "name", u.Name, "made", p.Made, "by", p.Actor.Name)
	}
	return nil
}

// look has Run look at the deadlines again.
func (s *Service) look() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run takes changes back when they are due, until ctx ends. What cannot be
// written is tried again: a deadline is never given up.
func (s *Service) Run(ctx context.Context) error {
	for {
		next, err := s.Due(ctx)
		if ctx.Err() != nil {
			return nil
		}
		wait := glance
		if err != nil {
			s.log.Error("cannot take back a change that nobody confirmed", "err", err)
			wait = again
		}
		if !next.IsZero() {
			wait = min(wait, max(0, time.Until(next)))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}
