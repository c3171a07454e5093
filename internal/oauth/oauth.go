// Package oauth is the authorization server as programs see it: OAuth 2.0's and
// OpenID Connect's endpoints. It reads what a program asks, says who the program
// is, has the gate judge whoever the tokens are for, and words the answer.
//
// It knows no policy, keeps no grant and shows no page: the gate decides, package
// grant keeps, and people meet the portal. What is not written here is refused:
// there is no password grant, no implicit flow and no token exchange.
package oauth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

// Gate decides whether tokens are handed out.
type Gate interface {
	Grant(ctx context.Context, a signin.Attempt, q gate.Asked) signin.Outcome
	Still(ctx context.Context, a signin.Attempt, q gate.Asked) signin.Outcome
	Withhold(ctx context.Context, a signin.Attempt, q gate.Asked, code signin.Code, detail string) signin.Outcome
}

// Grants keeps what tokens hang on.
type Grants interface {
	Seal(grant.Request) (string, error)
	Answer(q grant.Request, code, errorCode, description string) string
	Fields(q grant.Request, code, errorCode, description string) url.Values
	Redeem(ctx context.Context, code, clientID, redirect, verifier string, judge func(grant.Grant) error) (grant.Grant, error)
	Issue(ctx context.Context, g grant.Grant) (grant.Grant, error)
	Refresh(ctx context.Context, refresh, clientID string, from netip.Addr, judge func(grant.Grant) error) (grant.Grant, string, error)
	RefreshToken(g grant.Grant) (string, error)
	Access(g grant.Grant, f grant.AccessFor) (access string, life time.Duration, err error)
	IDToken(g grant.Grant, f grant.IDTokenFor) (string, error)
	LogoutToken(clientID, person, sid, algorithm string) (string, error)
	StartDevice(ctx context.Context, q grant.DeviceRequest) (grant.Device, error)
	PollDevice(ctx context.Context, deviceCode, clientID string, from netip.Addr, judge func(grant.Grant) error) (grant.Grant, error)
	Waits(ctx context.Context, code string) bool
	ByRefresh(ctx context.Context, refresh string) (grant.Grant, error)
	ByID(id string) (grant.Grant, bool)
	Of(person string) []grant.Grant
	List() []grant.Grant
	End(ctx context.Context, who store.Actor, id, reason string) error
}

// Clients knows the programs.
type Clients interface {
	Find(id string) (client.Client, bool)
	Admit(client.Client) error
	Authenticate(id, secret string) bool
	Register(ctx context.Context, from netip.Addr, m client.Metadata) (client.Client, error)
	Used(ctx context.Context, id string) error
}

// People knows who somebody is by id.
type People interface {
	Person(ctx context.Context, id string) (store.Person, error)
}

// Minted checks the tokens that we mint for backends. A *token.Refusal says why
// one is none; it is for a backend that asks us instead of our keys.
type Minted interface {
	Verify(minted []byte) (token.Minted, error)
}

// Options are the server's parts. All but what says so must be set.
type Options struct {
	Issuer string // the issuer's URL, without a slash at its end
	// Listener is the name under which programs stand in the log.
	Listener string
	// Hosts are the names of our mail servers besides the issuer's own, which
	// programs may name as what a token is for (RFC 8707).
	Hosts   []string
	Gate    Gate
	Grants  Grants
	Clients Clients
	Keyring *token.Keyring
	People  People
	// Changes tells what ends, for logout tokens; nil: none are sent.
	Changes func() (<-chan store.Change, func())
	// Minted may be nil: then no backend can ask about its tokens.
	Minted Minted
	Box    *secret.Box
	// Algorithm signs access tokens: ES256 or RS256; empty is ES256.
	Algorithm string
	// DeviceCode and Registration say whether there are these endpoints.
	DeviceCode   bool
	Registration bool
	// Languages are those of the pages that people meet (BCP 47).
	Languages []string
	// Prefer has the pages that follow be in one of the languages that a program
	// asks for, where there is one; nil: they are in the browser's.
	Prefer func(w http.ResponseWriter, locales string)
	// Problem shows a person that what their program asked cannot be done, in a
	// sentence; nil: it is plain text.
	Problem func(w http.ResponseWriter, r *http.Request, status int, text string)
	// NotSignedOut shows a person that they were not signed out, since what their
	// program asked is not right; nil: it is plain text.
	NotSignedOut func(w http.ResponseWriter, r *http.Request, text string)
	// Post is the page that sends an answer by a form (OAuth 2.0 Form Post Response
	// Mode); nil: programs are not answered so.
	Post func(w http.ResponseWriter, r *http.Request, q grant.Request, fields url.Values)
	// Visitor is who is signed in at the browser that sends a request;
	// nil: nobody is known.
	Visitor func(r *http.Request) (signin.Principal, bool)
	// Logouts posts logout tokens; nil: a client that knows bounds and follows nothing.
	Logouts *http.Client
	Fault   *slog.Logger
}

// Server is the authorization server. It is safe for concurrent use.
type Server struct {
	op.UnimplementedServer
	Options
	secure    bool
	mail      *token.Own // tokens that open a mailbox
	plain     *token.Own // tokens that tell who somebody is, and nothing else
	discovery []byte     // documents, made once
	resource  []byte
	mailbox   []byte
	slow      *slow
	strangers strangers
	leaving   *leaving
	mux       *http.ServeMux
	patterns  []string
	bounds    map[string]route // by pattern
	masked    sync.Once        // tells of a proxy that nobody named
}

// New makes a server.
func New(o Options) (*Server, error) {
	u, err := url.Parse(o.Issuer)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" || strings.HasSuffix(o.Issuer, "/") {
		return nil, errors.New("the issuer of tokens is named by the address of a host, such as https://mail.example.org")
	}
	if o.Fault == nil {
		o.Fault = slog.New(slog.DiscardHandler)
	}
	o.Hosts = append(slices.Clone(o.Hosts), u.Hostname())
	s := &Server{Options: o, secure: u.Scheme == "https", mail: token.NewOwn(o.Issuer, o.Issuer+token.MailAudience, o.Keyring), plain: token.NewOwn(o.Issuer, o.Issuer, o.Keyring),
		slow: newSlow(), leaving: newLeaving(o.Logouts)}
	s.discovery, s.resource, s.mailbox = s.describe(), s.describeResource(o.Issuer), s.describeResource(o.Issuer+token.MailAudience)
	s.routes()
	return s, nil
}

// library is the HTTP side of the grants: it reads forms and secrets, tells grant
// types apart and calls one method for each. Its own CORS answers any origin with
// credentials, so it is off; its log is for those who build it.
//
// Authorization and end of session are not among its endpoints: whoever is in
// front of those is a person, who is not to read JSON, and an error in one
// parameter has to go to the program that sent it.
func (s *Server) library() http.Handler {
	return op.RegisterServer(s, op.Endpoints{Token: op.NewEndpoint(pathToken), Introspection: op.NewEndpoint(pathIntrospect),
		Revocation: op.NewEndpoint(pathRevoke), DeviceAuthorization: op.NewEndpoint(pathDevice)},
		op.WithServerCORSOptions(nil), op.WithFallbackLogger(slog.New(slog.DiscardHandler)))
}
