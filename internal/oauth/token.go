package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

// tokens are the answer of the token endpoint (RFC 6749, section 5.1).
type tokens struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int    `json:"expires_in"` // seconds
	Scope   string `json:"scope"`      // word for word as asked: programs keep the refresh token under this text
	Refresh string `json:"refresh_token,omitempty"`
	ID      string `json:"id_token,omitempty"`
}

// Format prints no token.
func (t tokens) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "tokens for %q, for %d seconds", t.Scope, t.Expires)
}

// known refuses the grants that are not written here, in words of ours: the
// library's repeat what was sent.
func known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.PostForm.Get("grant_type") {
		case "", client.GrantCode, client.GrantRefresh, client.GrantCredentials, client.GrantDevice:
			next.ServeHTTP(w, r)
		default:
			tell(w, http.StatusBadRequest, unsupportedGrant, "There is no such grant here: people sign in in a browser.")
		}
	})
}

// of is the program that a request of the library's is from.
func of(c op.Client) client.Client { return c.(party).Client }

// CodeExchange gives the tokens of a code. The gate judged when the person said
// yes, not a minute ago, and that is the sign-in in the log; what has changed
// since is looked at (upheld) before the code is used up.
func (s *Server) CodeExchange(ctx context.Context, r *op.ClientRequest[oidc.AccessTokenRequest]) (*op.Response, error) {
	c := of(r.Client)
	if fault := s.checkTarget(r.Form); fault != nil {
		return nil, fault
	}
	var p store.Person
	g, err := s.Grants.Redeem(ctx, r.Data.Code, c.ID, r.Data.RedirectURI, r.Data.CodeVerifier, func(g grant.Grant) (err error) {
		p, err = s.upheld(ctx, &c, &g)
		return err
	})
	if err != nil {
		return nil, s.wordedFault(ctx, request{&c, gate.AuthorizationCode}, err)
	}
	return s.first(ctx, c, g, p)
}

// DeviceToken gives the tokens of a device code once somebody has typed the user
// code that goes with it (RFC 8628); the gate judged them then, and where this
// program is, and looks at what has changed since (upheld).
func (s *Server) DeviceToken(ctx context.Context, r *op.ClientRequest[oidc.DeviceAccessTokenRequest]) (*op.Response, error) {
	c := of(r.Client)
	var p store.Person
	g, err := s.Grants.PollDevice(ctx, r.Data.DeviceCode, c.ID, knock(ctx).Client.Addr(), func(g grant.Grant) (err error) {
		p, err = s.upheld(ctx, &c, &g)
		return err
	})
	if err != nil {
		return nil, s.wordedFault(ctx, request{&c, gate.DeviceCode}, err)
	}
	return s.first(ctx, c, g, p)
}

// first gives the first tokens of a grant. Its code is used up: nothing from here
// on fails with the database.
func (s *Server) first(ctx context.Context, c client.Client, g grant.Grant, p store.Person) (*op.Response, error) {
	var refresh string
	if g.Offline && c.Stays(g.Scope) { // the person agreed to as much, and the grant lasts for it
		var err error
		if refresh, err = s.Grants.RefreshToken(g); err != nil {
			return nil, s.wordedFault(ctx, request{&c, g.Kind}, err)
		}
	}
	s.used(ctx, c, g)
	return s.hand(ctx, c, g, g.Scope, refresh, p)
}

// used notes that a program is in use, and that it wants to hear of the grant's end.
func (s *Server) used(ctx context.Context, c client.Client, g grant.Grant) {
	s.leaving.watch(c, g)
	if err := s.Clients.Used(ctx, c.ID); err != nil {
		s.Fault.Warn("cannot note that a program was used", "client", c.ID, "err", err)
	}
}

// hand makes the tokens of a grant, for a person as they are now.
func (s *Server) hand(ctx context.Context, c client.Client, g grant.Grant, sc scope.Set, refresh string, p store.Person) (*op.Response, error) {
	if now, known := s.Clients.Find(c.ID); !known || s.Clients.Admit(now) != nil { // forbidden since the request was let in
		return nil, refuse(grant.InvalidGrant, goneText)
	}
	access, life, err := s.Grants.Access(g, grant.AccessFor{ClientID: c.ID, Algorithm: s.Algorithm, Scope: sc})
	if err != nil {
		return nil, s.wordedFault(ctx, request{&c, g.Kind}, err)
	}
	t := tokens{Access: access, Type: "Bearer", Expires: int(life / time.Second), Scope: sc.String(), Refresh: refresh}
	if sc.Has(scope.OpenID) && g.Kind != grant.KindClientCredentials {
		f := grant.IDTokenFor{ClientID: c.ID, Algorithm: idAlgorithm(&c), AccessToken: access, Name: p.DisplayName}
		if t.ID, err = s.Grants.IDToken(g, f); err != nil {
			return nil, s.wordedFault(ctx, request{&c, g.Kind}, err)
		}
	}
	return op.NewResponse(t), nil
}

// idAlgorithm signs a program's ID tokens: what every program can verify, unless
// it asked for something else (OpenID Connect Dynamic Registration, section 2).
func idAlgorithm(c *client.Client) string {
	if c.IDTokenAlg != "" {
		return c.IDTokenAlg
	}
	return "RS256"
}

// RefreshToken gives new tokens for a refresh token, which is a sign-in: the gate
// judges it as things are now.
func (s *Server) RefreshToken(ctx context.Context, r *op.ClientRequest[oidc.RefreshTokenRequest]) (*op.Response, error) {
	c, a := of(r.Client), knock(ctx)
	if fault := s.checkTarget(r.Form); fault != nil {
		return nil, fault
	}
	asked, err := scope.Parse(r.Form.Get("scope"))
	if err != nil {
		return nil, refuse(invalidScope, err.Error())
	}
	var p store.Person
	g, next, err := s.Grants.Refresh(ctx, r.Data.RefreshToken, c.ID, a.Client.Addr(), func(g grant.Grant) (err error) {
		if !asked.Within(g.Scope) {
			return refuse(invalidScope, "More is asked for than was granted.")
		}
		if g.Scope.Has(scope.OpenID) { // an ID token may be made, with their name
			if p, err = s.People.Person(ctx, g.Person); err != nil && !errors.Is(err, store.ErrNotFound) { // who is gone, the gate refuses
				return err
			}
		}
		return s.judge(ctx, a, &c, &g, gate.RefreshToken)
	})
	if err != nil {
		return nil, s.wordedFault(ctx, request{&c, gate.RefreshToken}, err)
	}
	s.used(ctx, c, g)
	if asked.Empty() {
		asked = g.Scope
	}
	g.Nonce = "" // of the first ID token alone
	return s.hand(ctx, c, g, asked, next, p)
}

// judge has the gate say whether tokens of a grant are handed out, and writes
// that down. What ends a person's proofs ends their grants in the same commit, so
// that nothing older than this moment can have been taken back.
func (s *Server) judge(ctx context.Context, a signin.Attempt, c *client.Client, g *grant.Grant, mechanism string) error {
	if out := s.Gate.Grant(ctx, a, asked(a, c, g, mechanism)); !out.Allowed() {
		return &refused{out}
	}
	return nil
}

// asked is the question to the gate for a grant's tokens.
func asked(a signin.Attempt, c *client.Client, g *grant.Grant, mechanism string) gate.Asked {
	q := gate.Asked{Key: g.Key, Protocols: g.Scope.Protocols(), Mechanism: mechanism, Client: c.Name, Correlation: g.Correlation, From: a.Client.Addr(),
		Principal: signin.Principal{Person: g.Person, Address: g.Address, Methods: g.Methods, AuthTime: g.AuthTime, Flow: g.Flow, Grant: grant.Prefix + g.ID, Until: g.Until}}
	if q.Correlation.IsZero() {
		q.Correlation = a.Correlation
	}
	return q
}

// ClientCredentialsExchange gives a service the tokens of the account that an
// administrator made it for. There is no refresh token: it asks again.
func (s *Server) ClientCredentialsExchange(ctx context.Context, r *op.ClientRequest[oidc.ClientCredentialsRequest]) (*op.Response, error) {
	c, a := of(r.Client), knock(ctx)
	if c.Public || c.Account == "" {
		return nil, refuse(unauthorizedClient, notFor)
	}
	if fault := s.checkTarget(r.Form); fault != nil {
		return nil, fault
	}
	asked, err := scope.Parse(r.Form.Get("scope"))
	if err != nil {
		return nil, refuse(invalidScope, err.Error())
	}
	if asked.Empty() && r.Form.Get("scope") == "" {
		asked = c.Limit
	}
	if asked = asked.Only(c.Limit); asked.Empty() {
		return nil, refuse(invalidScope, "No scope was asked for that there is and that this program may have.")
	}
	by := request{&c, gate.ClientCredentials}
	g, err := s.service(ctx, &c, asked, r.Form["resource"])
	if err != nil {
		return nil, s.wordedFault(ctx, by, err)
	}
	if err := s.judge(ctx, a, &c, &g, gate.ClientCredentials); err != nil {
		return nil, s.wordedFault(ctx, by, err)
	}
	if g, err = s.Grants.Issue(ctx, g); err != nil {
		return nil, s.wordedFault(ctx, by, err)
	}
	s.used(ctx, c, g)
	return s.hand(ctx, c, g, g.Scope, "", store.Person{})
}

// errNoAccount says that the person whom a service signs in as is gone.
var errNoAccount = &grant.Refusal{OAuth: grant.InvalidGrant, Detail: "the service's account is gone"}

// service is the grant that a service asks for. One that it has already is
// prolonged under its name, which stands in the log.
func (s *Server) service(ctx context.Context, c *client.Client, asked scope.Set, resource []string) (grant.Grant, error) {
	p, err := s.People.Person(ctx, c.Account)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return grant.Grant{}, errNoAccount
	case err != nil:
		return grant.Grant{}, err
	}
	now := time.Now()
	g := grant.Grant{ID: uuid.NewString(), Person: p.ID, Address: p.Address, Client: c.ID, Scope: asked, Resource: resource, AuthTime: now, Created: now,
		Kind: grant.KindClientCredentials, Correlation: knock(ctx).Correlation}
	for _, had := range s.Grants.Of(p.ID) {
		if had.Client == c.ID && had.Kind == g.Kind && had.Scope == asked {
			g.ID = had.ID
		}
	}
	return g, nil
}

// checkTarget refuses tokens for what is not ours.
func (s *Server) checkTarget(form url.Values) error {
	if _, fault := s.named(form); fault != nil {
		return fault
	}
	return nil
}

// DeviceAuthorization begins the device grant: it gives the program a code for
// itself, and one for the person to type.
func (s *Server) DeviceAuthorization(ctx context.Context, r *op.ClientRequest[oidc.DeviceAuthorizationRequest]) (*op.Response, error) {
	c, a := of(r.Client), knock(ctx)
	if !s.DeviceCode || !c.HasGrant(client.GrantDevice) {
		return nil, refuse(unauthorizedClient, notFor)
	}
	if web.Masked(ctx) {
		s.masked.Do(func() {
			s.Fault.Error("programs on devices are refused: requests come through a proxy that public.forwarded_from does not name, so that everybody seems to be in one place", "proxy", a.Client.Addr())
		})
		return nil, refuse(unauthorizedClient, "It cannot be told where this program is: its server's administrator reads why.")
	}
	list, fault := s.named(r.Form)
	if fault != nil {
		return nil, fault
	}
	q := grant.Request{}
	if fault := scopes(&q, &c, r.Form); fault != nil {
		return nil, fault
	}
	d, err := s.Grants.StartDevice(ctx, grant.DeviceRequest{Client: c.ID, ClientName: c.Name, Scope: q.Scope, Resource: list, From: a.Client.Addr(), Agent: a.Hints.UserAgent, At: a.At})
	if err != nil {
		return nil, s.wordedFault(ctx, request{&c, gate.DeviceCode}, err)
	}
	at := s.Issuer + pathDevicePage
	return op.NewResponse(oidc.DeviceAuthorizationResponse{DeviceCode: d.DeviceCode, UserCode: d.UserCode, VerificationURI: at,
		VerificationURIComplete: at + "?user_code=" + url.QueryEscape(d.UserCode), ExpiresIn: int(d.Expires / time.Second), Interval: int(d.Interval / time.Second)}), nil
}
