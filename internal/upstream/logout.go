package upstream

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

const (
	logoutsAtOnce = 8 // logout tokens verified at the same time
	// endedFor is how long an ended session of a provider is remembered: longer
	// than any access token of it can be valid.
	endedFor = 48 * time.Hour
	// replayTime is how long a logout token is remembered; an older one is refused by its iat.
	replayTime = 10 * time.Minute
)

// Logout carries out a logout token (OpenID Connect Back-Channel Logout 1.0):
// whatever hangs on the provider's session that it names ends, browsers and
// mail programs alike; where it names a person only, all of that person's. A
// *signin.Refusal says why it is not believed; any other error means that it
// could not be carried out.
func (s *Service) Logout(ctx context.Context, raw []byte) error {
	select {
	case s.logouts <- struct{}{}:
		defer func() { <-s.logouts }()
	case <-ctx.Done():
		return ctx.Err()
	}
	p, said, err := s.verifyLogout(ctx, raw)
	if err != nil {
		return err
	}
	id := p.Name + "\x00" + said.ID
	if first, room := s.heard.take(id, time.Now().Add(replayTime)); !room {
		return errors.New("too many logout tokens at this moment")
	} else if !first {
		return signin.Refuse(signin.TokenInvalid, "this logout token came before")
	}
	if err := s.end(ctx, p, said); err != nil {
		s.heard.forget(id)
		return fmt.Errorf("ending what hangs on a session of %s: %w", p.Name, err)
	}
	s.Log.Info("a provider ended a session", "provider", p.Name, "session", said.Session, "subject", said.Subject)
	return nil
}

// verifyLogout finds the provider that a logout token names and verifies it
// there. Several may be one issuer, with another client each.
func (s *Service) verifyLogout(ctx context.Context, raw []byte) (*provider, token.Logout, error) {
	err := signin.Refuse(signin.TokenInvalid, "the logout token is of no provider here")
	iss := claimedIssuer(raw)
	for _, p := range s.providers {
		if p.Issuer != iss {
			continue
		}
		m, away := p.ready(ctx)
		if away != nil {
			return nil, token.Logout{}, away
		}
		said, no := m.tokens.VerifyLogout(ctx, raw)
		if no == nil {
			return p, said, nil
		}
		err = refusal(no)
	}
	return nil, token.Logout{}, err
}

// claimedIssuer is the issuer that a token names, believed by nobody: it says
// only whom to ask.
func claimedIssuer(raw []byte) string {
	if len(raw) > maxLogout {
		return ""
	}
	parts := strings.Split(string(raw), ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var c struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(payload, &c) != nil {
		return ""
	}
	return c.Issuer
}

// end takes back what hangs on one session of the provider, or on all of a
// subject's. One that nobody here has is ended already.
func (s *Service) end(ctx context.Context, p *provider, said token.Logout) error {
	people, err := s.Store.PeopleOfSubject(ctx, p.Name, said.Subject)
	if err != nil {
		return err
	}
	now := time.Now()
	return s.Store.Change(ctx, p.actor(), "logged out at "+p.Name, func(tx *store.Tx) error {
		if said.Session != "" {
			r := store.Revocation{Grant: p.Name + ":" + said.Session, Until: now.Add(endedFor)}
			if len(people) > 0 {
				r.Person = people[0]
			}
			return tx.EndGrant(r)
		}
		for _, person := range people {
			if err := tx.Revoke(store.Revocation{Grant: s.Everything(person, now), Person: person, Until: now.Add(endedFor)}); err != nil {
				return err
			}
		}
		return nil
	})
}
