package backend

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/sasl"
)

// Routes say which backend serves whom.
type Routes struct {
	Domains map[string]string // domain → backend's name
	Default string            // for every other domain; empty: nobody
}

// Pool is all backends. It works as soon as it is made; Run keeps what it has
// learned fresh and logs out what nobody claims.
type Pool struct {
	backends map[string]*backend
	names    []string // in the order of the configuration
	routes   Routes
	held     holds
	known    learned
}

// backend is one mail server with its endpoints.
type backend struct {
	options Options
	servers map[protocol.Protocol]*server
}

// New checks the options and makes a pool. It connects to nothing.
func New(options []Options, routes Routes) (*Pool, error) {
	p := &Pool{backends: map[string]*backend{}, routes: routes}
	for _, o := range options {
		b, err := newBackend(o)
		if err != nil {
			return nil, fmt.Errorf("backend %q: %w", o.Name, err)
		}
		if p.backends[o.Name] != nil {
			return nil, fmt.Errorf("backend %q is there twice", o.Name)
		}
		p.backends[o.Name] = b
		p.names = append(p.names, o.Name)
	}
	if err := p.checkRoutes(); err != nil {
		return nil, err
	}
	p.known.start(p)
	return p, nil
}

func (p *Pool) checkRoutes() error {
	if d := p.routes.Default; d != "" && p.backends[d] == nil {
		return fmt.Errorf("the default route leads to %q, which is no backend", d)
	}
	for domain, name := range p.routes.Domains {
		if p.backends[name] == nil {
			return fmt.Errorf("the route of %q leads to %q, which is no backend", domain, name)
		}
	}
	return nil
}

func newBackend(o Options) (*backend, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = dialTime
	}
	if o.LoginTimeout <= 0 {
		o.LoginTimeout = loginTime
	}
	if o.TokenMechanism == "" {
		o.TokenMechanism = sasl.OAuthBearer
	}
	if o.Hello = clientHello(o.Hello, ""); o.Hello == "" {
		o.Hello = ownName()
	}
	b := &backend{options: o, servers: map[protocol.Protocol]*server{}}
	from, confirmed := &sources{addrs: o.SourceAddrs}, &names{}
	for p, e := range o.Endpoints {
		if e.Proxy == 0 {
			e.Proxy = o.Proxy
		}
		if e.Proxy < 0 || e.Proxy > 2 {
			return nil, fmt.Errorf("%s: there is no version %d of the PROXY header", p, e.Proxy)
		}
		conf, err := e.tlsConfig()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		if newDialect(p, "") == nil {
			return nil, fmt.Errorf("%s is not spoken to backends", p)
		}
		b.servers[p] = &server{options: &b.options, protocol: p, endpoint: e, tls: conf, sources: from, confirmed: confirmed}
	}
	return b, nil
}

// ownName is what we call ourselves where nobody says otherwise.
func ownName() string {
	name, err := os.Hostname()
	if err != nil {
		name = ""
	}
	return clientHello(name, "localhost")
}

func (o *Options) check() error {
	switch {
	case o.Name == "":
		return errors.New("it has no name")
	case o.Login == LoginMaster && (o.MasterUser == "" || o.MasterPassword == ""):
		return errors.New("login by master needs a master user and its password")
	case o.Login == LoginToken && o.Mint == nil:
		return errors.New("login by token needs somebody who mints them")
	case o.TokenMechanism != "" && o.TokenMechanism != sasl.OAuthBearer && o.TokenMechanism != sasl.XOAUTH2:
		return fmt.Errorf("tokens are shown by OAUTHBEARER or XOAUTH2, not %q", o.TokenMechanism)
	}
	return nil
}

// maxResumed is how many TLS sessions are kept for resumption, per endpoint.
const maxResumed = 64

// tlsConfig verifies the server always; plaintext is for loopback only, unless
// the configuration insists.
func (e Endpoint) tlsConfig() (*tls.Config, error) {
	host, _, err := net.SplitHostPort(e.Address)
	if err != nil {
		return nil, err
	}
	if e.TLS == TLSNone {
		if !e.Plaintext && !network.Here(host) {
			return nil, fmt.Errorf("%s is not loopback, and passwords would travel in clear", e.Address)
		}
		return nil, nil
	}
	name := e.ServerName
	if name == "" {
		name = host
	}
	return &tls.Config{ServerName: name, RootCAs: e.RootCAs, MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(maxResumed)}, nil
}

// find gives the server for a request.
func (p *Pool) find(q *Request) (*server, error) {
	name := q.Backend
	if name == "" {
		_, domain, _ := strings.Cut(q.Address, "@")
		if name = p.routes.Domains[strings.ToLower(domain)]; name == "" {
			name = p.routes.Default
		}
	}
	b := p.backends[name]
	if b == nil || b.servers[q.Protocol] == nil {
		return nil, ErrNoBackend
	}
	return b.servers[q.Protocol], nil
}

// Login checks the person's own password: over the auth socket where there is
// one, else by a real sign-in, whose connection it holds under the request's id
// for Dial to claim or Release to end. Somebody in front of a page speaks what no
// mail server does: their password is checked at the first door there is, and
// nothing is held.
func (p *Pool) Login(ctx context.Context, q Request) error {
	s, err := p.checker(&q)
	if err != nil {
		return err
	}
	passing := s.protocol != q.Protocol
	q.Protocol = s.protocol
	if s.options.foreign(q.Address) || len(q.Password) == 0 {
		return fmt.Errorf("%w: not asked", ErrRefused)
	}
	ctx, cancel := context.WithTimeout(ctx, s.options.LoginTimeout)
	defer cancel()
	own := credential{sasl.Plain, sasl.Identity{Authcid: q.Address}, q.Password}
	if s.options.AuthSocket != "" {
		final, err := s.askAuth(ctx, &q, own)
		if err != nil {
			return err
		}
		return s.options.sameName(final, q.Address)
	}
	c, err := s.signIn(ctx, &q, own)
	if err != nil {
		return err
	}
	if passing {
		return c.Close()
	}
	p.held.put(&q, c)
	return nil
}

// checker is the server that checks a password.
func (p *Pool) checker(q *Request) (*server, error) {
	if q.Protocol != protocol.Portal && q.Protocol != protocol.Webmail {
		return p.find(q)
	}
	for _, door := range []protocol.Protocol{protocol.IMAP, protocol.Submission, protocol.POP3, protocol.Sieve} {
		try := *q
		try.Protocol = door
		if s, err := p.find(&try); err == nil {
			return s, nil
		}
	}
	return nil, ErrNoBackend
}

// Dial opens a signed-in connection: the one that Login holds for this
// sign-in, else a new one in the way the backend is configured for. A refusal
// is ErrAway except of the person's own password: it is our credential, not
// theirs, that the server did not like.
func (p *Pool) Dial(ctx context.Context, q Request) (*Conn, error) {
	s, err := p.find(&q)
	if err != nil {
		return nil, err
	}
	if c := p.held.claim(&q); c != nil {
		return c, nil
	}
	c, err := s.options.credential(&q)
	if err != nil {
		return nil, awayError("making the credential", err)
	}
	defer clear(c.secret)
	ctx, cancel := context.WithTimeout(ctx, s.options.LoginTimeout)
	defer cancel()
	var conn *Conn
	if err = s.confirm(ctx, &q, c); err == nil {
		conn, err = s.signIn(ctx, &q, c)
	}
	if err != nil && s.options.Login != LoginPassword && errors.Is(err, ErrRefused) {
		return nil, fmt.Errorf("%w: it does not take our own credential: %v", ErrAway, err)
	}
	return conn, err
}

// foreign says that a name holds what makes the mail server see another person
// in it. The names of people hold none; this is the last door.
func (o *Options) foreign(address string) bool {
	separators := "*%" // Dovecot's auth_master_user_separator, as recipes set it
	return address == "" || strings.ContainsAny(address, separators+o.MasterSeparator)
}

// credential is how we sign in for a person.
func (o *Options) credential(q *Request) (credential, error) {
	if o.foreign(q.Address) {
		return credential{}, errors.New("the name holds a separator of the mail server's")
	}
	switch o.Login {
	case LoginMaster:
		id := sasl.Identity{Authcid: o.MasterUser, Authzid: q.Address}
		if o.MasterSeparator != "" {
			id = sasl.Identity{Authcid: q.Address + o.MasterSeparator + o.MasterUser}
		}
		return credential{sasl.Plain, id, []byte(o.MasterPassword)}, nil
	case LoginToken:
		token, err := o.Mint(q.Address, q.Protocol)
		if err != nil {
			return credential{}, err
		}
		defer token.Clear()
		return credential{o.TokenMechanism, sasl.Identity{Authcid: q.Address}, bytes.Clone(token.Bytes())}, nil
	}
	if len(q.Password) == 0 {
		return credential{}, errors.New("it takes the person's own password only, and none was shown")
	}
	return credential{sasl.Plain, sasl.Identity{Authcid: q.Address}, bytes.Clone(q.Password)}, nil
}

// sweepTime is how often unclaimed connections are looked for.
const sweepTime = 5 * time.Second

// Run learns what the backends can do, at once and from time to time, and logs
// out connections that nobody claims, until ctx ends.
func (p *Pool) Run(ctx context.Context) error {
	p.known.refresh(ctx, p)
	probe, sweep := time.NewTimer(p.known.pause()), time.NewTicker(sweepTime)
	defer probe.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-probe.C:
			p.known.refresh(ctx, p)
			probe.Reset(p.known.pause())
		case now := <-sweep.C:
			p.held.expire(now)
		}
	}
}

// Close logs out every held connection. Run is ended by its context.
func (p *Pool) Close() error {
	p.held.close()
	return nil
}
