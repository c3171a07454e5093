package server

import (
	"context"
	"time"

	"github.com/portreeve/portreeve/internal/apppassword"
	"github.com/portreeve/portreeve/internal/store"
)

// openAppPasswords opens the app passwords, which are kept under a key of their
// own, derived from the master key.
func (s *Server) openAppPasswords(ctx context.Context) (err error) {
	s.appPasswords, err = apppassword.New(ctx, apppassword.Options{Store: s.store, Prints: s.box.Prints("app passwords"),
		Places: s.places, Backends: s.backends, Factors: enrolled{s}})
	if err != nil {
		return err
	}
	s.followers = append(s.followers, s.appPasswords.Apply)
	s.runs = append(s.runs, s.appPasswords.Run)
	return nil
}

// enrolled says when people enrolled their first factor.
type enrolled struct{ *Server }

// Since is the factors', which are opened later.
func (e enrolled) Since(person string) (first time.Time, byPass bool) { return e.factors.Since(person) }

// follower brings what somebody holds in memory up to a change of the store,
// before the change is told to whoever made it.
type follower func(context.Context, store.Change) error
