// Package upstream signs people in at an OpenID provider, for browsers: it
// sends the browser there (authorization code flow with PKCE), fetches the ID
// token that the provider made for this one sign-in, and hands it to the gate
// as a credential. What a provider says of a person's groups becomes ours at
// each sign-in, and a logout that it announces ends what hung on its session.
//
// Whether an ID token counts is judged once, where it is fetched: only a token
// that this process has just fetched, for a flow that the same browser began,
// proves anybody, and only once. A provider speaks for the domains and people
// that are routed to it and for nobody else. It knows no page and no policy.
package upstream

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

// Provider is one OpenID provider that browsers are sent to.
type Provider struct {
	Name   string // in the configuration and the log
	Label  string // what people call it
	Issuer string // to the letter
	// ClientID is who we are there. Without a secret we are a public client,
	// which PKCE protects.
	ClientID string
	Secret   secret.Text
	Scopes   []string // besides openid
	// ACRValues are the classes of authentication asked for with a new proof, the best first.
	ACRValues []string
	// Domains and People are whom it speaks for, as canonical names. A person
	// named at one provider is not another's, whatever their domain.
	Domains, People []string
	// Groups says which of its groups are ours: its value, our name. Nil: its
	// values are names of ours.
	Groups map[string]string
	// Roots are the authorities of its certificate; nil are the machine's.
	Roots *x509.CertPool
	// Tokens says how its claims are read. Who it is, whom tokens are for and
	// where its keys are is filled in.
	Tokens token.Issuer
}

// Store keeps what providers say.
type Store interface {
	Change(ctx context.Context, who store.Actor, reason string, do func(*store.Tx) error) error
	Write(ctx context.Context, do func(*store.Tx) error) error
	GroupsFrom(ctx context.Context, person string) ([]string, error)
	PeopleOfSubject(ctx context.Context, provider, subject string) ([]string, error)
}

// Sealer seals what the browser carries for us.
type Sealer interface {
	Seal(purpose string, plain []byte) []byte
	Open(purpose string, sealed []byte) ([]byte, error)
}

// Options are the parts of a service. All but Log must be set.
type Options struct {
	Providers []Provider
	// Public is the configured public address, which redirect URIs begin with.
	Public string
	Store  Store
	Box    Sealer
	// Settle returns once everything stored by now is in force.
	Settle func(ctx context.Context) error
	// Everything is the grant to revoke to end all that a person was granted before a time.
	Everything func(person string, at time.Time) string
	Log        *slog.Logger
}

// Service signs people in at providers. It is safe for concurrent use.
type Service struct {
	Options
	providers map[string]*provider
	byPerson  map[string]string // address: provider
	byDomain  map[string]string
	used      *once // flows that came back
	heard     *once // logout tokens
	arrivals  *arrivals
	logouts   chan struct{} // room to verify logout tokens, which anybody may send
}

// New makes a service. Nothing is asked of a provider before Run or the first sign-in.
func New(o Options) (*Service, error) {
	public, err := url.Parse(o.Public)
	if err != nil || public.Host == "" {
		return nil, errors.New("browser sign-in at a provider needs public_url: its redirect address begins with it")
	}
	s := &Service{Options: o, providers: map[string]*provider{}, byPerson: map[string]string{}, byDomain: map[string]string{},
		used: newOnce(), heard: newOnce(), arrivals: newArrivals(), logouts: make(chan struct{}, logoutsAtOnce)}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	for _, c := range o.Providers {
		if err := s.add(c); err != nil {
			return nil, fmt.Errorf("provider %s: %w", c.Name, err)
		}
	}
	return s, nil
}

func (s *Service) add(c Provider) error {
	if c.Name == "" || strings.ContainsAny(c.Name, ":/?#%") {
		return errors.New("its name must not be empty or hold any of : / ? # %: it stands in addresses and in the log")
	}
	if c.ClientID == "" || len(c.Domains)+len(c.People) == 0 {
		return errors.New("it needs a client_id, and domains or people that it speaks for")
	}
	if err := safe(c.Issuer); err != nil {
		return err
	}
	if s.providers[c.Name] != nil {
		return errors.New("there are two of this name")
	}
	for what, names := range map[*map[string]string][]string{&s.byDomain: c.Domains, &s.byPerson: c.People} {
		for _, n := range names {
			if other, taken := (*what)[n]; taken && other != c.Name {
				return fmt.Errorf("%s is routed to %s already", n, other)
			}
			(*what)[n] = c.Name
		}
	}
	s.providers[c.Name] = newProvider(c, strings.TrimSuffix(s.Public, "/")+callbackPath+c.Name)
	return nil
}

// For says which provider an address is routed to. It asks nobody, and so does
// not tell whether there is such a person.
func (s *Service) For(address string) (provider string, ok bool) {
	if provider, ok = s.byPerson[address]; ok {
		return provider, true
	}
	provider, ok = s.byDomain[address[strings.LastIndexByte(address, '@')+1:]]
	return provider, ok
}

// Vouches says whether a provider speaks for a canonical address.
func (s *Service) Vouches(provider, address string) bool {
	of, ok := s.For(address)
	return ok && of == provider
}

// Offer is a provider as a page shows it.
type Offer struct{ Name, Label string }

// Offers lists the providers by label.
func (s *Service) Offers() []Offer {
	var all []Offer
	for _, p := range s.providers {
		all = append(all, Offer{p.Name, p.Label})
	}
	slices.SortFunc(all, func(a, b Offer) int { return strings.Compare(a.Label+"\x00"+a.Name, b.Label+"\x00"+b.Name) })
	return all
}

// lookEach is how often Run looks whether anything is old.
const lookEach = time.Minute

// Run keeps what is known of the providers fresh until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEach)
	defer tick.Stop()
	for {
		for _, p := range s.providers {
			s.look(ctx, p)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *Service) look(ctx context.Context, p *provider) {
	before := p.health().Fault
	m, err := p.ready(ctx)
	if err == nil {
		m.tokens.Refresh(ctx)
	}
	if after := p.health().Fault; after != before && after != "" {
		s.Log.Warn("an OpenID provider cannot be asked", "provider", p.Name, "err", after)
	}
}

// Health is how one provider is, for status.
type Health struct {
	Name    string    `json:"name"`
	Issuer  string    `json:"issuer"`
	Fetched time.Time `json:"fetched"` // when it last said where everything is
	Fault   string    `json:"fault,omitempty"`
}

// Health says how the providers are, by name.
func (s *Service) Health() []Health {
	var all []Health
	for _, p := range s.providers {
		all = append(all, p.health())
	}
	slices.SortFunc(all, func(a, b Health) int { return strings.Compare(a.Name, b.Name) })
	return all
}
