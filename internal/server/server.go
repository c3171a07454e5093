// Package server is the only place where everything meets: it builds the parts
// from the configuration, starts those that own goroutines, serves until its
// context ends, and stops them in order. It holds no rule.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/portreeve/portreeve/internal/adminlog"
	"github.com/portreeve/portreeve/internal/admintoken"
	"github.com/portreeve/portreeve/internal/alarm"
	"github.com/portreeve/portreeve/internal/apppassword"
	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/authn"
	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/certs"
	"github.com/portreeve/portreeve/internal/change"
	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/decide/dovecot"
	"github.com/portreeve/portreeve/internal/delegate"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/eventlog"
	"github.com/portreeve/portreeve/internal/factor"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/geoip"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/lockout"
	"github.com/portreeve/portreeve/internal/notify"
	"github.com/portreeve/portreeve/internal/proxy"
	"github.com/portreeve/portreeve/internal/relay"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
	"github.com/portreeve/portreeve/internal/upstream"
	"github.com/portreeve/portreeve/internal/web"
)

// Options are what a server needs besides its configuration.
type Options struct {
	Config  *config.Config
	Log     *slog.Logger
	Version string
	// Demo opens a state folder made by the demo; serve refuses one.
	Demo bool
}

// Server is everything that runs.
type Server struct {
	Options
	began    time.Time
	stopping atomic.Bool

	store      *store.Store
	box        *secret.Box
	events     *eventlog.Log
	people     *directory.Local
	sources    *directory.Sources // nil unless there are directories besides our own people
	names      *names
	places     *geoip.DB
	certs      *certs.Manager
	guard      *lockout.Guard
	hashing    *secret.Pool
	tokens     *token.Verifier
	upstream   *upstream.Service // nil unless browsers sign in at a provider
	minter     *token.Minter     // nil unless a backend takes tokens
	issuer     *issuer           // nil unless we issue tokens to programs
	backends   *backend.Pool
	sessions   *session.Registry
	relay      *relay.Pool
	admission  *proxy.Admission
	keeper     *keeper
	found      findings
	gate       *gate.Gate
	observer   *dovecot.Handler
	cas        clientCAs
	writers    []*adminlog.Writer
	forwarders []*proxy.Forwarder

	admin   net.Listener
	remote  net.Listener // administrators over HTTPS; nil unless configured
	public  net.Listener
	observe net.Listener
	doors   []door

	appPasswords *apppassword.Service
	factors      *factor.Service
	approvals    *approval.Service
	changes      *change.Service
	adminTokens  *admintoken.Service
	delegates    *delegate.Rights
	languages    *web.Languages
	readers      readers
	notices      *notify.Mailer // nil unless notices are sent
	alarms       *alarm.Service
	audited      audited
	followers    []follower                    // told of every change
	runs         []func(context.Context) error // further parts that own goroutines
	pages        http.Handler                  // of the public listener

	closers []func() error // in the order in which things were opened
}

// door is one open listener and what serves it.
type door struct {
	listener net.Listener
	server   *proxy.Server
}

// New builds everything and opens the listeners. Nothing is served before Run.
// After an error nothing is left open.
func New(ctx context.Context, o Options) (_ *Server, err error) {
	s := &Server{Options: o, began: time.Now(), sessions: &session.Registry{},
		admission: &proxy.Admission{PerSource: o.Config.Limits.PerSource, InAll: o.Config.Limits.Unauthenticated}}
	defer func() {
		if err != nil {
			_ = s.Close()
		}
	}()
	if err := inOrder(ctx, s.openLanguages, s.openState, s.openWorld, s.openBackends, s.openIdentity, s.openGate, s.openAlarms, s.openDoors); err != nil {
		return nil, err
	}
	return s, nil
}

// inOrder takes steps that build on one another, up to the first that fails.
func inOrder(ctx context.Context, steps ...func(context.Context) error) error {
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// openState opens what outlives the process.
func (s *Server) openState(ctx context.Context) (err error) {
	dir := string(s.Config.State)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the state folder: %w", err)
	}
	lock, err := store.Lock(dir)
	if err != nil {
		return err
	}
	s.later(lock.Close)
	key := filepath.Join(dir, "master.key")
	_, absent := os.Stat(key)
	if s.box, err = s.openBox(key); err != nil {
		return fmt.Errorf("opening the master key: %w", err)
	}
	nameKey := s.box.Prints("names of strangers").Of(nil) // outside the database, so that a copy of it tells no names
	if s.store, err = store.Open(ctx, store.Options{Dir: dir, Demo: s.Demo, NameKey: nameKey[:]}); err != nil {
		if errors.Is(err, store.ErrOtherKey) && errors.Is(absent, os.ErrNotExist) && !s.Config.MasterKey.Set() {
			// The one just made would only be taken for the right one.
			return errors.Join(fmt.Errorf("%s is missing: %w", key, err), os.Remove(key))
		}
		return err
	}
	s.later(s.store.Close)
	sinks, err := s.sinks()
	if err != nil {
		return err
	}
	s.events, err = eventlog.Open(ctx, eventlog.Options{Store: s.store, Dir: dir, Sinks: sinks, Logger: s.Log,
		AllowUnrecorded: s.Config.Log.Unrecorded == "allow",
		Retention:       eventlog.Retention{Days: s.Config.Log.Days, Bytes: int64(s.Config.Log.Size), AddressDays: s.Config.Log.AddressDays}})
	if err != nil {
		return err
	}
	s.later(s.events.Close)
	return nil
}

// openBox opens the master key: the configured one, else the state folder's own.
func (s *Server) openBox(path string) (*secret.Box, error) {
	if s.Config.MasterKey.Set() {
		return secret.BoxOf([]byte(s.Config.MasterKey.Reveal()))
	}
	return secret.OpenBox(path)
}

// openWorld opens what tells us about the world outside, and the relay.
func (s *Server) openWorld(context.Context) (err error) {
	if s.places, err = geoip.Open(geoip.Options{Country: string(s.Config.Geo.Country), ASN: string(s.Config.Geo.ASN)}); err != nil {
		return err
	}
	var pairs []certs.Pair
	for _, c := range s.Config.TLS {
		pairs = append(pairs, certs.Pair{Certificate: string(c.Certificate), Key: string(c.Key)})
	}
	if len(pairs) > 0 {
		if s.certs, err = certs.Open(pairs); err != nil {
			return err
		}
		s.certs.Tell = func(err error) { s.Log.Warn("certificate files cannot be used; the last good ones serve", "err", err) }
	}
	if s.relay, err = relay.NewPool(relay.Options{}); err != nil {
		return fmt.Errorf("making the relay: %w", err)
	}
	s.later(s.relay.Close)
	return nil
}

// openIdentity opens what says who somebody is.
func (s *Server) openIdentity(ctx context.Context) (err error) {
	s.hashing = secret.NewPool(0)
	if s.people, err = directory.NewLocal(ctx, s.store, s.hashing); err != nil {
		return err
	}
	if err := s.names.know(s.people.Alias); err != nil {
		return err
	}
	s.guard = lockout.New(lockout.Options{})
	s.adminTokens = admintoken.New(admintoken.Options{Store: s.store, Box: s.box, Guard: tokenGuard{s.guard}})
	return inOrder(ctx, s.openDirectories, s.openClientCAs, s.openAppPasswords, s.openFactors, s.openApprovals, s.openDelegates, s.openNotices,
		s.openUpstream, s.openIssuers, s.openIssuer)
}

// openGate joins the parts that decide.
func (s *Server) openGate(ctx context.Context) error {
	s.changes = change.New(s.store, s.Log)
	if _, err := s.changes.Due(ctx); err != nil { // before anybody is judged by what is due; Run tries again
		s.Log.Error("cannot take back a change that nobody confirmed", "err", err)
	}
	changes, unsubscribe := s.store.Subscribe()
	s.later(func() error { unsubscribe(); return nil })
	s.keeper = &keeper{store: s.store, people: s.people, delegates: s.delegates, sessions: s.sessions, guard: s.guard, log: s.Log,
		changes: changes, ask: make(chan request), followers: s.followers}
	snap, err := s.keeper.first(ctx)
	if err != nil {
		return fmt.Errorf("putting the rules in force: %w", err)
	}
	for _, w := range s.keeper.named() {
		s.Log.Warn("rule is not enforced as it stands", "what", w.String())
	}
	var form func([]byte) bool
	if s.issuer != nil && s.Config.OAuth.TokenAsPassword {
		form = tokenForm
	}
	s.gate = gate.New(gate.Options{TokenForm: form, Names: s.names, People: s.everybody(), Guard: s.guard, Fingerprint: func(b []byte) secret.Print { return prints.Of(b) },
		Verifier: s.verifier(), AppPassword: apppassword.Form, Enrolled: s.factors.Has, KeyModel: s.factors.KeyModel, Windows: s.approvals,
		Log: s.events, Places: s.places, Delegates: s.delegates, Lends: s.lends, Words: s.words(), Outdated: s.sessions.Outdated,
		Fault: s.fault, Slow: s.slow}, snap)
	s.keeper.gate = s.gate
	s.sessions.Refresh = s.keeper.refresh
	s.sessions.Install(snap)
	return nil
}

// prints tells secrets apart for the guard, under a key of this process alone.
var prints = secret.NewPrints()

// later has f called when the server closes.
func (s *Server) later(f func() error) { s.closers = append(s.closers, f) }

// Close closes what New opened, last opened first.
func (s *Server) Close() error {
	var all []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		if err := s.closers[i](); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrNotExist) {
			all = append(all, err)
		}
	}
	s.closers = nil
	return errors.Join(all...)
}

// verifier is what checks credentials.
func (s *Server) verifier() *authn.Verifier {
	o := authn.Options{Names: s.names, Vouchers: s.names, Directory: s.directory(), Networks: s.events, Pool: s.hashing,
		Delegates: s.delegates, Revocations: &s.keeper.ended, AppPasswords: s.appPasswords, Factors: s.factors}
	for _, d := range s.Config.Directories {
		if d.Kind == "backend" && len(s.Config.Backends) > 0 {
			o.Backends, o.Newcomers = s.checkingBackends(), s.people
		}
	}
	if t := s.bearers(); t != nil {
		o.Tokens = t
	}
	if s.issuer != nil {
		o.Grants, o.ClientName = s.issuer.grants, s.issuer.clientName
	}
	if s.upstream != nil {
		o.Upstream = s.upstream
	}
	if len(s.cas) > 0 {
		o.Certificates = s.cas
	}
	return authn.New(o)
}

// Gate is the gate that decides, for who drives it without a door (benchmarks, the demo).
func (s *Server) Gate() *gate.Gate { return s.gate }

// Grants are the issuer's, nil if there is none, and Pages what the public
// listener shows; both likewise.
func (s *Server) Grants() *grant.Service {
	if s.issuer == nil {
		return nil
	}
	return s.issuer.grants
}

// Pages is what the public listener shows.
func (s *Server) Pages() http.Handler { return s.pages }

// Person finds somebody by address, likewise.
func (s *Server) Person(ctx context.Context, address string) (store.Person, error) {
	return s.store.Person(ctx, address)
}
