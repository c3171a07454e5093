package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portreeve/portreeve/internal/store"
)

const (
	// keptFor is how long a grant that ended is kept, for whoever asks why.
	keptFor = 30 * 24 * time.Hour
	// keptUnredeemed is how long a grant is kept whose code nobody redeemed.
	keptUnredeemed = time.Hour
	sweepEvery     = 5 * time.Minute
)

// End ends a grant, with the sessions that hang on it. One that has ended
// already stays as it is; ErrUnknown if there never was one.
func (s *Service) End(ctx context.Context, who store.Actor, id, reason string) error {
	known := false
	_, err := s.end(ctx, who, reason, func(tx *store.Tx) ([]string, error) {
		_, err := tx.Grant(id)
		if known = err == nil; errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return []string{id}, err
	})
	if err == nil && !known {
		return fmt.Errorf("the grant %s is %w", id, ErrUnknown)
	}
	return err
}

// ByProgram is why a grant ended that its program gave back.
const ByProgram = "revoked by the program"

// Dismissed is when a grant that a person gave a client was last ended by
// somebody or something else than that program, and not to make room; zero: none
// was of late.
func (s *Service) Dismissed(ctx context.Context, person, client string) (time.Time, error) {
	return s.Store.LastEnd(ctx, person, client, ByProgram, crowdedOut)
}

// end ends what which names, in one audited change.
func (s *Service) end(ctx context.Context, who store.Actor, reason string, which func(*store.Tx) ([]string, error)) ([]Grant, error) {
	var rows []store.Grant
	err := s.Store.Change(ctx, who, reason, func(tx *store.Tx) error {
		ids, err := which(tx)
		if err == nil {
			rows, err = tx.EndGrants(ids, time.Now(), reason)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ending grants: %w", err)
	}
	var ended []Grant
	for _, r := range rows {
		s.drop(r.ID)                          // the change tells so too, a moment later
		if g, err := grantOf(r); err == nil { // else it was over before
			ended = append(ended, g)
		}
	}
	return ended, nil
}

// Run ends what ran out and forgets what ended long ago, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		_ = s.sweep(ctx) // what cannot be written down now is again in five minutes; nothing that ran out is let in
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sweep ends what ran out. What a door was opened with counts as used, so that
// is written down first.
func (s *Service) sweep(ctx context.Context) error {
	now := time.Now()
	s.devices.forget(now)
	used := s.usedAtDoors()
	for more := true; more; used = nil {
		err := s.Store.Write(ctx, func(tx *store.Tx) error {
			for id, at := range used {
				if err := tx.UsedGrant(id, at); err != nil {
					return err
				}
			}
			ended, err := tx.EndStaleGrants(now, now.Add(-s.RefreshIdle))
			if err != nil {
				return err
			}
			forgotten, err := tx.ForgetGrants(now.Add(-keptFor), now.Add(-keptUnredeemed))
			more = ended || forgotten
			return err
		})
		if err != nil {
			return fmt.Errorf("clearing grants away: %w", err)
		}
	}
	return nil
}

// usedAtDoors are the grants that a door was opened with after their last
// refresh, and not written down yet.
func (s *Service) usedAtDoors() map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := map[string]time.Time{}
	for id, r := range s.live {
		if at := r.lastUsed(); at.After(r.Used) {
			used[id] = at
			fresh := *r
			fresh.Used = at
			s.live[id] = &fresh
		}
	}
	return used
}
