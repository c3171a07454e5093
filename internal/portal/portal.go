// Package portal is where people look after their own mail in a browser: they
// sign in, set up second factors, see their sign-ins, approve a program that
// knows only a password, make app passwords, and are told how to set up a
// program.
//
// It decides nothing. Who may come in is the gate's to say, for a browser as
// for a mail program, and stands in the same log; what a person may change is
// the services' to say. A browser holds a random id and nothing else: sessions
// live in memory, in the registry of all open sessions, and end with whatever
// ends those.
package portal

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/portreeve/portreeve/internal/apppassword"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/upstream"
	"github.com/portreeve/portreeve/internal/web"
)

// Gate decides.
type Gate interface {
	SignIn(context.Context, signin.Attempt, signin.Credential) signin.Outcome
	Continue(ctx context.Context, first signin.Outcome, a signin.Attempt, mechanism string, shown []byte, prove gate.Proof) signin.Outcome
	Rejudge(context.Context, signin.Outcome) signin.Outcome
	Grant(ctx context.Context, a signin.Attempt, q gate.Asked) signin.Outcome
}

// Log is the sign-ins that people see of themselves.
type Log interface {
	Events(ctx context.Context, f store.EventFilter, from store.Cursor, limit int) ([]signin.Event, store.Cursor, error)
	EventByReference(context.Context, signin.Reference) (signin.Event, error)
}

// People finds people, and keeps what they change.
type People interface {
	Person(ctx context.Context, id string) (store.Person, error)
	Change(ctx context.Context, who store.Actor, reason string, do func(*store.Tx) error) error
	Write(ctx context.Context, do func(*store.Tx) error) error
}

// Journal writes down how sessions began and ended.
type Journal interface {
	Session(signin.SessionEvent)
}

// Options are the portal's parts. All but what says so must be set.
type Options struct {
	// URL is the configured public address. Links, origins and cookies hang on
	// it, and on nothing that a request says.
	URL      *url.URL
	Listener string // the name under which browsers stand in the log
	Public   *web.Public
	Gate     Gate
	Sessions *session.Registry
	Journal  Journal
	Log      Log
	People   People
	Factors  Factors
	// AppPasswords, Approvals and Upstream may be nil: then there are none.
	AppPasswords AppPasswords
	Approvals    Approvals
	WindowDays   int // that an approved program is let in for; 30
	Upstream     Upstream
	// MayEnrol says whether a session with these facts may set up a factor; a
	// no is a *signin.Refusal.
	MayEnrol func(ctx context.Context, f policy.Facts) error
	// Revoke takes back what a sign-in hung on, and all that was issued to the person before.
	Revoke func(ctx context.Context, who store.Actor, person, grant string) error
	// Countries says that it is known which country an address is in.
	Countries bool
	// Mail is what programs are set up with.
	Mail apppassword.MailServers
	// Signer signs Apple's profiles; nil leaves them unsigned.
	Signer *apppassword.Signer
	// Password says where people change a password that is kept elsewhere: an
	// address, or empty.
	Password string
	// OAuth is our own issuer of tokens; nil: there is none.
	OAuth *OAuth
	// Backends may be nil: then no mail server is shown people's own passwords.
	Backends Backends
	// Settle returns once everything stored by now is in force; it may be nil.
	Settle func(context.Context) error
	// Speaks is told in which language a person reads; it may be nil.
	Speaks func(ctx context.Context, person, lang string)
	// Tell announces something to a person, in a sentence of the languages and
	// what stands in it; it must not wait. It may be nil.
	Tell  func(person, sentence string, names ...string)
	Fault *slog.Logger
}

// Portal is the pages and the sessions of those who are signed in.
type Portal struct {
	Options
	cookies web.Cookies
	origin  string
	forms   *web.Forms
	pages   *web.Pages
	visits  *visits
	pending *pendings
	limiter *web.Limiter
	guesses *guesses
	mux     *http.ServeMux
}

// New makes a portal.
func New(o Options) (*Portal, error) {
	if o.URL == nil || o.URL.Host == "" {
		return nil, errors.New("the portal needs public_url: links and passkeys hang on it")
	}
	pages, err := web.ParsePages(files, "pages")
	if err != nil {
		return nil, err
	}
	p := &Portal{Options: o, cookies: web.Cookies{Secure: o.URL.Scheme == "https"}, origin: web.Origin(o.URL), forms: web.NewForms(),
		pages: pages, visits: newVisits(), pending: newPendings(), limiter: web.NewLimiter(), guesses: newGuesses(), mux: http.NewServeMux()}
	p.Public.SignIn, p.Public.Cookies = true, p.cookies
	p.routes()
	return p, nil
}

// Handler answers everything on the public listener.
func (p *Portal) Handler() http.Handler {
	return p.limiter.Limit(web.WithForms(p.mux), func(r *http.Request) bool {
		return r.Method == http.MethodPost && r.URL.Path == upstream.LogoutPath || p.signedIn(r)
	})
}

// signedIn says that a request comes with a session: it is not a stranger's.
func (p *Portal) signedIn(r *http.Request) bool {
	return p.visits.find(p.cookies.Get(r, sessionCookie), time.Now()) != nil
}

// Visitor is who is signed in at the browser that sends a request, to be named in
// the log.
func (p *Portal) Visitor(r *http.Request) (signin.Principal, bool) {
	v := p.visits.find(p.cookies.Get(r, sessionCookie), time.Now())
	if v == nil {
		return signin.Principal{}, false
	}
	who := &v.outcome.Principal
	return signin.Principal{Person: v.person(), Address: v.address(), Methods: who.Methods, AuthTime: who.AuthTime}, true
}

// sweepEvery is how often what has run out is forgotten.
const sweepEvery = 30 * time.Second

// Run ends what has run out and writes down what has ended, until ctx ends.
func (p *Portal) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			p.tell()
			return nil
		case <-p.visits.ended:
		case now := <-tick.C:
			p.visits.sweep(now)
			p.pending.sweep(now)
			p.guesses.sweep(now)
		}
		p.tell()
	}
}

// tell writes down the sessions that have ended, and has programs told.
func (p *Portal) tell() {
	for _, e := range p.visits.takeEnded() {
		p.Journal.Session(e.SessionEvent)
		if p.OAuth != nil && e.session != "" {
			p.OAuth.Issuer.SessionEnded(e.session)
		}
	}
}

// Names of cookies.
const (
	sessionCookie  = "session"
	pendingCookie  = "signin"
	formCookie     = "form"
	rememberCookie = "remembered"
)
