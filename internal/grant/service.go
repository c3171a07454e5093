package grant

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

const seedSize = 16

// Options are the service's parts. Store, Box, Keys and Issuer must be set.
type Options struct {
	Store  *store.Store
	Box    *secret.Box
	Keys   *token.Keyring
	Issuer string // the issuer's URL, without a slash at its end

	AccessLife  time.Duration // how long an access token lasts; 0 is 10 minutes
	RefreshIdle time.Duration // how long a grant may be unused; 0 is 90 days
	RefreshMax  time.Duration // how long a grant lasts at most; 0 is without end
}

// Service keeps the grants. It is safe for concurrent use.
type Service struct{ Options }

var errSoon = errors.New("being built")

func Open(ctx context.Context, o Options) (*Service, error) { return &Service{Options: o}, nil }
func (s *Service) Run(ctx context.Context) error            { <-ctx.Done(); return nil }
func (s *Service) Close()                                   {}

func (s *Service) IssueCode(ctx context.Context, q Request, g Grant) (code string, err error) {
	return "", errSoon
}
func (s *Service) Redeem(ctx context.Context, code, clientID, redirect, verifier string) (Grant, error) {
	return Grant{}, errSoon
}
func (s *Service) Issue(ctx context.Context, g Grant) (Grant, error) { return g, errSoon }
func (s *Service) Refresh(ctx context.Context, refresh, clientID string, from netip.Addr, judge func(Grant) error) (g Grant, next string, err error) {
	return g, "", errSoon
}
func (s *Service) RefreshToken(g Grant) (string, error) { return "", errSoon }

// AccessFor says what an access token is for.
type AccessFor struct {
	ClientID  string
	Algorithm string    // ES256 or RS256; empty is ES256
	Scope     scope.Set // what of the grant's; empty is all
}

func (s *Service) Access(g Grant, client AccessFor) (access string, expires time.Duration, err error) {
	return "", 0, errSoon
}

// IDTokenFor says what an ID token is for.
type IDTokenFor struct {
	ClientID    string
	Algorithm   string // ES256 or RS256; empty is ES256
	Nonce       string
	AccessToken string // for at_hash; empty: none is given along with it
	Code        string // for c_hash; likewise
	Name        string // the person's, told if the scopes say so
}

func (s *Service) IDToken(g Grant, f IDTokenFor) (string, error) { return "", errSoon }
func (s *Service) LogoutToken(clientID, person, sid, algorithm string) (string, error) {
	return "", errSoon
}

// Standing says whether a grant holds at a door, for who comes from an address.
func (s *Service) Standing(id string, p protocol.Protocol, from netip.Addr) (Standing, error) {
	return Standing{}, errSoon
}

// ByRefresh finds the live grant of a refresh token, used or not.
func (s *Service) ByRefresh(refresh string) (Grant, error) { return Grant{}, errSoon }
func (s *Service) ByID(id string) (Grant, bool)            { return Grant{}, false }
func (s *Service) Of(person string) []Grant                { return nil }
func (s *Service) List() []Grant                           { return nil }
func (s *Service) End(ctx context.Context, who store.Actor, id, reason string) error {
	return errSoon
}

// EndClient ends the grants of a client that is forbidden or removed.
func (s *Service) EndClient(ctx context.Context, who store.Actor, client, reason string) (int, error) {
	return 0, errSoon
}

// EndSession ends the grants given in a browser session, and returns those that lived.
func (s *Service) EndSession(ctx context.Context, who store.Actor, session, reason string) ([]Grant, error) {
	return nil, errSoon
}
