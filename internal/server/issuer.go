package server

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/authn"
	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/oauth"
	"github.com/portreeve/portreeve/internal/token"
)

// issuer is what issues tokens to programs.
type issuer struct {
	url     string
	keys    *token.Keyring
	own     *token.Own
	grants  *grant.Service
	clients *client.Registry
	// endpoints are made with the pages, which come last.
	endpoints *oauth.Server
}

// clientName is what a program is called, empty if there is none such.
func (i *issuer) clientName(id string) string {
	c, _ := i.clients.Find(id)
	return c.Name
}

// damagedTold is how many grants that cannot be read are named.
const damagedTold = 10

// issuerKeys is the file of the issuer's sealed keys, in the state folder. They
// are not those that sign tokens for backends: what a program holds opens no
// backend, and what a backend is shown opens no door of ours.
const issuerKeys = "issuer.keys"

// openIssuer opens our own issuer of tokens, if there is one.
func (s *Server) openIssuer(ctx context.Context) error {
	if !s.Config.OwnIssuer() {
		return nil
	}
	c := &s.Config.OAuth
	i := &issuer{url: s.Config.IssuerURL()}
	var err error
	if i.keys, err = token.OpenKeyring(token.KeyringOptions{Path: filepath.Join(string(s.Config.State), issuerKeys)}, s.box); err != nil {
		return fmt.Errorf("opening the issuer's keys: %w", err)
	}
	if err := i.keys.Prepare(); err != nil {
		return fmt.Errorf("preparing the issuer's next keys: %w", err)
	}
	s.runs = append(s.runs, s.turnKeys)
	i.clients, err = client.Open(ctx, client.Options{Store: s.store, Box: s.box, Issuer: i.url, Registration: client.Registration(c.Registration), PerNetwork: c.Registrations, Log: s.Log})
	if err != nil {
		return fmt.Errorf("opening the clients of the issuer: %w", err)
	}
	s.followers = append(s.followers, i.clients.Apply)
	s.runs = append(s.runs, i.clients.Run)
	i.grants, err = grant.Open(ctx, grant.Options{Store: s.store, Box: s.box, Keys: i.keys, Issuer: i.url, AccessLife: c.AccessToken, RefreshIdle: c.RefreshIdle, RefreshMax: c.RefreshMax})
	if err != nil {
		return fmt.Errorf("opening the grants of the issuer: %w", err)
	}
	s.later(func() error { i.grants.Close(); return nil })
	if damaged := i.grants.Damaged(); len(damaged) > 0 {
		s.Log.Error("grants of programs cannot be read: they count as ended, and stay in the database as they are", "count", len(damaged), "grants", damaged[:min(len(damaged), damagedTold)])
	}
	s.followers = append(s.followers, i.grants.Follow) // so that what a change ended is over before its administrator hears so
	s.runs = append(s.runs, i.grants.Run)
	i.own = token.NewOwn(i.url, i.url+token.MailAudience, i.keys)
	s.issuer = i
	return nil
}

// How the issuer's keys turn: each signs for a season, and its successor has been
// public long before it signs, so that nobody who keeps a copy of them is caught out.
const (
	keysTurn     = 90 * 24 * time.Hour
	keysLookedAt = time.Hour
)

// turningKeys are the issuer's keys, of which the next ones are always public.
type turningKeys struct{ *token.Keyring }

// Rotate signs with the next keys from now on, and publishes those after them.
func (k turningKeys) Rotate() ([]string, error) {
	kids, err := k.Keyring.Rotate()
	if err != nil {
		return nil, err
	}
	return kids, k.Prepare()
}

// old says that a key has signed for long enough: for as long as its successor
// has been waiting, which is made when a key begins to sign.
func (k turningKeys) old(now time.Time) bool {
	return slices.ContainsFunc(k.Keys(), func(l token.Listed) bool { return l.State == "prepared" && now.Sub(l.Made) > keysTurn })
}

// turnKeys rotates the issuer's keys in their time, until ctx ends.
func (s *Server) turnKeys(ctx context.Context) error {
	keys, tick := turningKeys{s.issuer.keys}, time.NewTicker(keysLookedAt)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if !keys.old(now) {
				continue
			}
			if kids, err := keys.Rotate(); err != nil {
				s.Log.Error("cannot rotate the issuer's keys", "err", err)
			} else {
				s.Log.Info("the issuer signs with new keys", "keys", kids)
			}
		}
	}
}

// takesTokens says that a token can open a door at all: that one is issued
// somewhere, and that some backend can be signed in to with something else than a
// person's own password.
func (s *Server) takesTokens() bool {
	if s.tokens != nil {
		return true
	}
	return s.issuer != nil && s.Config.TakesOwnTokens()
}

// bearers is what checks bearer tokens, nil if none are taken.
func (s *Server) bearers() authn.Tokens {
	switch {
	case s.issuer == nil && s.tokens == nil:
		return nil
	case s.issuer == nil:
		return s.tokens
	case s.tokens == nil:
		return s.issuer.own
	}
	return eitherIssuer{s.issuer.own, s.tokens}
}

// eitherIssuer takes our own tokens, and those of the configured issuers.
type eitherIssuer struct {
	own     *token.Own
	foreign *token.Verifier
}

// Verify has the one issuer look at a token that it names a key of.
func (e eitherIssuer) Verify(ctx context.Context, bearer []byte) (token.Claims, error) {
	if e.own.Mine(bearer) {
		return e.own.Verify(ctx, bearer)
	}
	return e.foreign.Verify(ctx, bearer)
}

// tokenForm says that a secret looks like one of our access tokens: three parts
// of base64url of which the first is a JSON object.
func tokenForm(secret []byte) bool {
	return bytes.HasPrefix(secret, []byte("eyJ")) && bytes.Count(secret, []byte{'.'}) == 2
}
