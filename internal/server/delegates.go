package server

import (
	"context"
	"time"

	"github.com/portreeve/portreeve/internal/delegate"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// openDelegates reads who may open whose mailbox.
func (s *Server) openDelegates(ctx context.Context) (err error) {
	if s.delegates, err = delegate.Open(ctx, s.store, s.people); err != nil {
		return err
	}
	s.followers = append(s.followers, s.delegates.Apply)
	return nil
}

// lends says that a mailbox's mail server lets us in with a credential of our
// own, and not only with the mailbox's password.
func (s *Server) lends(mailbox directory.Person) bool {
	_, own := s.backends.OwnPasswordOnly(mailbox.Address, mailbox.Backend)
	return !own
}

// refreshMailbox brings up to date what a delegate's session knows of the
// mailbox, and says whether they may still open it.
func (k *keeper) refreshMailbox(f *policy.Facts) (signin.Code, bool) {
	m, known := k.people.ByID(f.Mailbox)
	if !known {
		return signin.SessionPolicyChanged, false
	}
	if _, may := k.delegates.MayOpen(f.Person, f.Mailbox, f.Protocol, f.At); !may {
		return signin.SessionPolicyChanged, false
	}
	f.MailboxGroups = m.Groups
	return signin.OK, true
}

// endDelegates ends the sessions of delegates that would outlive their right,
// which may have been shortened or taken back.
func (k *keeper) endDelegates(c store.Change) {
	if c.Families&store.Delegations == 0 {
		return
	}
	k.sessions.Matching(func(s *session.Session) bool {
		f := s.Facts()
		if f.Mailbox == "" {
			return false
		}
		until, may := k.delegates.MayOpen(f.Person, f.Mailbox, f.Protocol, time.Now())
		return !may || !until.IsZero() && (s.Expires().IsZero() || until.Before(s.Expires()))
	}, signin.SessionPolicyChanged, "the right to this mailbox was taken back")
}
