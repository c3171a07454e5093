package server

import (
	"context"

	"github.com/portreeve/portreeve/internal/apppassword"
	"github.com/portreeve/portreeve/internal/store"
)

// openAppPasswords opens the app passwords, which are kept under a key of their
// own, derived from the master key.
func (s *Server) openAppPasswords(ctx context.Context) (err error) {
	s.appPasswords, err = apppassword.New(ctx, apppassword.Options{Store: s.store, Prints: s.box.Prints("app passwords"),
		Places: s.places, Backends: s.backends})
	if err != nil {
		return err
	}
	s.followers = append(s.followers, s.appPasswords.Apply)
	s.runs = append(s.runs, s.appPasswords.Run)
	return nil
}

// follower brings what somebody holds in memory up to a change of the store,
// before the change is told to whoever made it.
type follower func(context.Context, store.Change) error
