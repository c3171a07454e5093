package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/token"
)

const (
	answerTime     = 8 * time.Second // one answer of a provider; a person waits for it
	answerBytes    = 512 << 10       // Entra's discovery has 2 kB, its keys 20 kB
	headerBytes    = 64 << 10
	discoveryFresh = time.Hour        // then it is asked again where everything is
	discoveryPause = 10 * time.Second // between two attempts to ask
	faultMost      = 300              // bytes of a fault that are told: a provider may answer with a page
)

// provider is a Provider ready for use.
type provider struct {
	Provider
	redirect string
	client   *http.Client
	known    atomic.Pointer[metadata]

	mu    sync.Mutex // held while asking
	tried time.Time
	fault error // of the last attempt
}

// metadata is what a provider says of itself. It is replaced, never changed.
type metadata struct {
	oauth  oauth2.Config
	tokens *token.Verifier
	keys   string
	// namesItself says that its answers carry iss (RFC 9207), so that one without is not its own.
	namesItself bool
	fetched     time.Time
}

func newProvider(c Provider, redirect string) *provider {
	return &provider{Provider: c, redirect: redirect, client: newClient(c.Roots)}
}

// newClient asks a provider, and nobody that it redirects to.
func newClient(roots *x509.CertPool) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	t.MaxResponseHeaderBytes = headerBytes
	t.MaxIdleConnsPerHost = 2
	return &http.Client{Transport: bounded{t}, Timeout: answerTime, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("it redirects, which is not followed")
	}}
}

// bounded ends an answer that is too long, unpacked as it is read.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(q *http.Request) (*http.Response, error) {
	r, err := b.next.RoundTrip(q)
	if err == nil {
		r.Body = http.MaxBytesReader(nil, r.Body, answerBytes)
	}
	return r, err
}

// ready is what is known of the provider, asked anew when it is old. What was
// known stays good while the provider cannot be asked.
func (p *provider) ready(ctx context.Context) (*metadata, error) {
	if m := p.known.Load(); m != nil && time.Since(m.fetched) < discoveryFresh {
		return m, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.known.Load()
	if old != nil && time.Since(old.fetched) < discoveryFresh {
		return old, nil
	}
	if p.tried.IsZero() || time.Since(p.tried) >= discoveryPause {
		p.tried = time.Now()
		m, err := p.discover(ctx, old)
		if p.fault = err; err == nil {
			p.known.Store(m)
			return m, nil
		}
	}
	if old != nil {
		return old, nil
	}
	return nil, fmt.Errorf("asking the OpenID provider %s where everything is: %w", p.Name, p.fault)
}

// discover reads the provider's configuration (OpenID Connect Discovery 1.0,
// section 4), which must be of the very issuer that we were told.
func (p *provider) discover(ctx context.Context, old *metadata) (*metadata, error) {
	// One browser giving up must not take the answer from all who wait for it.
	ctx, cancel := context.WithTimeout(oidc.ClientContext(context.WithoutCancel(ctx), p.client), answerTime)
	defer cancel()
	d, err := oidc.NewProvider(ctx, p.Issuer)
	if err != nil {
		return nil, brief(err)
	}
	var more struct {
		Keys        string   `json:"jwks_uri"`
		AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
		NamesItself bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := d.Claims(&more); err != nil {
		return nil, brief(err)
	}
	at := d.Endpoint()
	for _, u := range []string{at.AuthURL, at.TokenURL, more.Keys} {
		if err := safe(u); err != nil {
			return nil, err
		}
	}
	at.AuthStyle = p.authStyle(more.AuthMethods)
	m := &metadata{keys: more.Keys, namesItself: more.NamesItself, fetched: time.Now(), oauth: oauth2.Config{ClientID: p.ClientID,
		ClientSecret: string(p.Secret.Bytes()), Endpoint: at, RedirectURL: p.redirect, Scopes: append([]string{oidc.ScopeOpenID}, p.Scopes...)}}
	if old != nil && old.keys == m.keys {
		m.tokens = old.tokens // with the keys that it has
		return m, nil
	}
	m.tokens, err = token.NewVerifier([]token.Issuer{p.issuer(more.Keys)})
	return m, err
}

// issuer is how the provider's tokens for us are read.
func (p *provider) issuer(keys string) token.Issuer {
	i := p.Tokens
	i.Name, i.Issuer, i.Audiences, i.Keys, i.Client = p.Name, p.Issuer, []string{p.ClientID}, keys, p.client
	return i
}

// authStyle is how we show our secret: as the provider says, and Basic where it
// says nothing (OpenID Connect Discovery 1.0, section 3).
func (p *provider) authStyle(supported []string) oauth2.AuthStyle {
	if len(p.Secret.Bytes()) == 0 || len(supported) > 0 && !slices.Contains(supported, "client_secret_basic") {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

func (p *provider) health() Health {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := Health{Name: p.Name, Issuer: p.Issuer}
	if m := p.known.Load(); m != nil {
		st.Fetched = m.fetched
	}
	if p.fault != nil {
		st.Fault = p.fault.Error()
	}
	return st
}

// safe takes https, and http on loopback, where nobody can sit in between.
func safe(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("%.200q is no address of a provider", s)
	}
	if network.Safe(u) {
		return nil
	}
	return fmt.Errorf("a provider is spoken to over https, not at %.200q", s)
}

// brief cuts an error that holds a provider's whole answer.
func brief(err error) error {
	if len(err.Error()) <= faultMost {
		return err
	}
	return errors.New(err.Error()[:faultMost] + "…")
}
