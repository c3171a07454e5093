package server

import (
	"cmp"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/portreeve/portreeve/internal/apppassword"
	"github.com/portreeve/portreeve/internal/authn"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/portal"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

// browsers is the public listener's name in the log.
const browsers = "public"

// openPages makes what the public listener shows: the pages that anybody may
// read, and the portal if we know our own public address.
func (s *Server) openPages() error {
	public, err := s.publicPages()
	if err != nil {
		return err
	}
	s.pages = web.Bounded(public)
	u, err := url.Parse(string(s.Config.PublicURL))
	if err == nil && u.Host != "" { // links and passkeys hang on it; the check of the configuration warns where it is missing
		if err := s.openEndpoints(); err != nil {
			return err
		}
		o, err := s.portalOptions(u, public)
		if err != nil {
			return err
		}
		p, err := portal.New(o)
		if err != nil {
			return fmt.Errorf("making the portal: %w", err)
		}
		if s.issuer != nil {
			s.issuer.endpoints.Prefer = public.Prefer
			s.issuer.endpoints.Problem, s.issuer.endpoints.Post, s.issuer.endpoints.Visitor = p.Problem, p.Post, p.Visitor
			s.issuer.endpoints.NotSignedOut = p.NotSignedOut
		}
		s.pages = s.withPrograms(p.Handler())
		s.runs = append(s.runs, p.Run)
	}
	s.pages = web.Forwarded(s.Config.Public.ForwardedFrom, s.pages)
	return nil
}

func (s *Server) portalOptions(u *url.URL, public *web.Public) (portal.Options, error) {
	o := portal.Options{URL: u, Listener: browsers, Public: public, Gate: s.gate, Sessions: s.sessions, Journal: s.events,
		Log: s.store, People: s.store, Factors: s.factors, AppPasswords: s.appPasswords, Approvals: s.approvals, WindowDays: s.Config.Approval.Days, MayEnrol: s.mayEnrol,
		Revoke: s.revokeOf, Mail: s.mailServers(u.Hostname()), Password: string(s.Config.Public.PasswordURL), Fault: s.Log,
		Settle: s.settle, Tell: s.announce, Speaks: s.speaks, Countries: s.Config.Geo.Country != ""}
	if s.upstream != nil {
		o.Upstream = s.upstream
	}
	if s.backends != nil {
		o.Backends = s.backends
	}
	if s.issuer != nil {
		o.OAuth = &portal.OAuth{Grants: s.issuer.grants, Clients: s.issuer.clients, Issuer: s.issuer.endpoints, Places: s.places}
	}
	var err error
	o.Signer, err = s.profileSigner()
	return o, err
}

// settle returns once everything stored by now is in force.
func (s *Server) settle(ctx context.Context) error {
	_, err := s.keeper.apply(ctx, 0)
	return err
}

// mayEnrol says whether a session may set up a second factor.
func (s *Server) mayEnrol(ctx context.Context, f policy.Facts) error {
	e, err := s.factors.Seen(ctx, f.Person, f.Addr)
	if err != nil {
		return fmt.Errorf("finding out since when a person is known here: %w", err)
	}
	e.Trusted = s.gate.Snapshot().Trusted(&f)
	return s.factors.MayEnrol(f, e)
}

// revokeOf takes back a token's grant, and all that was issued to the person.
func (s *Server) revokeOf(ctx context.Context, who store.Actor, person, grant string) error {
	now := time.Now()
	return s.store.Change(ctx, who, "the person says that a sign-in was not theirs", func(tx *store.Tx) error {
		for _, g := range []string{grant, authn.Everything(person, now)} {
			if g == "" {
				continue
			}
			if err := tx.Revoke(store.Revocation{Grant: g, Person: person, At: now}); err != nil {
				return err
			}
		}
		return nil
	})
}

// mailServers is what programs are set up with: of each protocol one door that
// is reached from outside, with TLS from the first byte if there is one.
func (s *Server) mailServers(host string) apppassword.MailServers {
	m := apppassword.MailServers{Name: s.Config.DefaultDomain}
	doors := map[protocol.Protocol]*apppassword.Server{protocol.IMAP: &m.IMAP, protocol.POP3: &m.POP3, protocol.Submission: &m.Submission, protocol.Sieve: &m.Sieve}
	for _, c := range s.Config.Listeners {
		d := doors[c.Protocol]
		if d == nil || c.TLS == "none" || len(c.LegacyTLSFrom) > 0 || d.Host != "" && (!d.STARTTLS || c.TLS != "implicit") {
			continue
		}
		*d = apppassword.Server{Host: cmp.Or(s.Config.Hostname, host), Port: c.Address.Port(), STARTTLS: c.TLS == "starttls"}
	}
	return m
}

// profileSigner reads what signs Apple's profiles, nil if nothing does.
func (s *Server) profileSigner() (*apppassword.Signer, error) {
	c := s.Config.Public.ProfileSigner
	if c.Certificate == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(string(c.Certificate), string(c.Key))
	if err != nil {
		return nil, fmt.Errorf("reading public.profile_signer: %w", err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New("reading public.profile_signer: the key cannot sign")
	}
	o := &apppassword.Signer{Certificate: pair.Leaf, Key: key}
	for _, der := range pair.Certificate[1:] {
		between, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("reading the chain of public.profile_signer: %w", err)
		}
		o.Chain = append(o.Chain, between)
	}
	return o, nil
}

// DisownedState is a sign-in that its person says was not theirs.
type DisownedState struct {
	At        time.Time        `json:"at"`
	User      string           `json:"user"`
	Reference signin.Reference `json:"reference"`
}

// disownedFor is how long such a sign-in stands in the status.
const disownedFor = 7 * 24 * time.Hour

func (s *Server) disowned(ctx context.Context) (list []DisownedState) {
	rows, err := s.store.Audits(ctx, store.AuditFilter{From: time.Now().Add(-disownedFor), Kind: portal.Disowned})
	if err != nil {
		s.Log.Error("cannot read which sign-ins were disowned", "err", err)
	}
	for _, r := range rows {
		if id, err := signin.ParseID(r.Object); err == nil {
			list = append(list, DisownedState{r.At, r.Name, id.Reference()})
		}
	}
	return list
}
