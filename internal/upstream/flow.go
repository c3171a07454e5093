package upstream

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/token"
)

const (
	flowTime   = 10 * time.Minute // from leaving for the provider to coming back
	leeway     = time.Minute      // clocks differ
	maxHint    = 254              // bytes of an address, RFC 5321
	maxCode    = 4 << 10          // bytes; Entra's have about 1,200
	maxReturn  = 2500             // bytes: a program's sealed request has some 900, and browsers keep no cookie of more than 4,096
	flowSeal   = "browser sign-in at a provider"
	randomSize = 32 // bytes of a state and of a nonce
)

// State is what the browser carries from Begin to Finish, sealed: whoever
// comes back without it did not leave from here.
type State string

// flow is a sign-in under way at a provider. Nothing of it is kept here, so
// that strangers who begin and never come back take up nothing.
type flow struct {
	ID       string        `json:"i"` // the parameter state
	Provider string        `json:"p"`
	Nonce    string        `json:"n"`
	Verifier string        `json:"v"` // of PKCE
	Began    time.Time     `json:"b"`
	MaxAge   time.Duration `json:"m,omitempty"`
	Return   string        `json:"r,omitempty"`
}

// Format prints the provider only: whoever has the rest can go on with it.
func (f flow) Format(s fmt.State, _ rune) { _, _ = fmt.Fprintf(s, "a sign-in at %q", f.Provider) }

// fresh says that nothing less than a new proof will do.
func (f flow) fresh() bool { return f.MaxAge > 0 && f.MaxAge < time.Second }

// BeginOptions say what is asked of the provider.
type BeginOptions struct {
	// MaxAge is how old the person's proof may be; zero is any age, and less
	// than a second asks for a new one.
	MaxAge time.Duration
	// ACRValues are the classes of authentication asked for, the best first.
	ACRValues []string
	// Return is where the person wanted to go, a path of ours. Anything else is dropped.
	Return string
}

// Arrival is somebody who came back with an ID token, which the gate is to judge.
type Arrival struct {
	IDToken  []byte
	Address  string // as the provider states it
	Provider string
	Return   string // a path of ours, or empty
	// Fresh says that a new proof was asked for and made, where else the provider
	// may have asked the person nothing.
	Fresh bool
}

// Format prints who came back, without their token.
func (a Arrival) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "%q from %q", a.Address, a.Provider)
}

// Begin makes the address to send a browser to, and what it must carry.
func (s *Service) Begin(ctx context.Context, name, loginHint string, o BeginOptions) (string, State, error) {
	p := s.providers[name]
	if p == nil {
		return "", "", signin.Refuse(signin.ProviderRefused, "there is no provider %.60q", name)
	}
	m, err := p.ready(ctx)
	if err != nil {
		return "", "", err
	}
	f := flow{ID: random(), Provider: name, Nonce: random(), Verifier: oauth2.GenerateVerifier(), Began: time.Now(), MaxAge: o.MaxAge, Return: ownPath(o.Return)}
	params := []oauth2.AuthCodeOption{oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)}
	if loginHint != "" && len(loginHint) <= maxHint && !strings.ContainsFunc(loginHint, unicode.IsControl) {
		params = append(params, oauth2.SetAuthURLParam("login_hint", loginHint))
	}
	if o.MaxAge > 0 {
		params = append(params, oauth2.SetAuthURLParam("max_age", strconv.FormatInt(int64(o.MaxAge/time.Second), 10)))
	}
	if f.fresh() {
		// Providers count ages in whole seconds, so that max_age=0 by itself
		// takes a proof of this second for a new one.
		params = append(params, oauth2.SetAuthURLParam("prompt", "login"))
	}
	if len(o.ACRValues) > 0 {
		params = append(params, oauth2.SetAuthURLParam("acr_values", strings.Join(o.ACRValues, " ")))
	}
	plain, err := json.Marshal(f)
	if err != nil {
		return "", "", fmt.Errorf("sealing a sign-in at %s: %w", name, err)
	}
	return m.oauth.AuthCodeURL(f.ID, params...), State(base64.RawURLEncoding.EncodeToString(s.Box.Seal(flowSeal, plain))), nil
}

// Finish takes what a provider sent the browser back with, to the redirect
// address of the provider called at, and fetches the ID token. A
// *signin.Refusal says why that proves nothing; any other error means that it
// could not be found out.
func (s *Service) Finish(ctx context.Context, state State, at string, query url.Values) (Arrival, error) {
	f, err := s.returning(state, at, query)
	if err != nil {
		return Arrival{}, err
	}
	p := s.providers[f.Provider]
	if p == nil {
		return Arrival{}, signin.Refuse(signin.ProviderStale, "the provider %.60q is gone", f.Provider)
	}
	m, err := p.ready(ctx)
	if err != nil {
		return Arrival{}, err
	}
	code, err := p.answer(m, query)
	if err != nil {
		return Arrival{}, err
	}
	raw, err := p.exchange(ctx, m, code, f.Verifier)
	if err != nil {
		return Arrival{}, err
	}
	claims, err := p.judge(ctx, m, f, raw)
	if err != nil {
		return Arrival{}, err
	}
	if !s.arrivals.add(raw, claims) {
		return Arrival{}, errors.New("too many people arrive from providers at this moment")
	}
	return Arrival{IDToken: raw, Address: claims.Address, Provider: p.Name, Return: f.Return, Fresh: f.fresh()}, nil
}

// returning finds the flow that a browser comes back from: the one that it
// carries, for this state, at this provider's address, for the first time.
func (s *Service) returning(state State, at string, query url.Values) (*flow, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(string(state))
	if err != nil || state == "" {
		return nil, signin.Refuse(signin.ProviderStale, "the browser carries no sign-in")
	}
	plain, err := s.Box.Open(flowSeal, sealed)
	if err != nil {
		return nil, signin.Refuse(signin.ProviderStale, "what the browser carries is not ours")
	}
	var f flow
	if err := json.Unmarshal(plain, &f); err != nil {
		return nil, fmt.Errorf("reading what the browser carries: %w", err)
	}
	if age := time.Since(f.Began); age > flowTime || age < -leeway {
		return nil, signin.Refuse(signin.ProviderStale, "the sign-in began %s ago", age.Round(time.Second))
	}
	id, ok := single(query, "state")
	if !ok || subtle.ConstantTimeCompare([]byte(id), []byte(f.ID)) != 1 {
		return nil, signin.Refuse(signin.ProviderStale, "state is not that of the sign-in which this browser began")
	}
	if at != f.Provider { // each has an address of its own, so that one cannot answer for another (RFC 9700, section 4.4.2)
		return nil, signin.Refuse(signin.ProviderRefused, "a sign-in begun at %s came back as one of %.60q", f.Provider, at)
	}
	if first, room := s.used.take(f.ID, f.Began.Add(flowTime+leeway)); !room {
		return nil, errors.New("too many people come back from providers at this moment")
	} else if !first {
		return nil, signin.Refuse(signin.ProviderStale, "this sign-in came back before")
	}
	return &f, nil
}

// answer reads the authorization response: whose it is first, then what it says.
func (p *provider) answer(m *metadata, query url.Values) (code string, err error) {
	iss, ok := single(query, "iss")
	if !ok || iss != p.Issuer && (iss != "" || m.namesItself) { // RFC 9207, section 2.4
		return "", signin.Refuse(signin.ProviderRefused, "the answer is of issuer %.200q, not of %s", query["iss"], p.Issuer)
	}
	if fault := query.Get("error"); fault != "" {
		text := fmt.Sprintf("%s says %.60q: %.200q", p.Name, fault, query.Get("error_description"))
		if fault == "server_error" || fault == "temporarily_unavailable" {
			return "", errors.New(text)
		}
		return "", signin.Refuse(signin.ProviderRefused, "%s", text)
	}
	code, ok = single(query, "code")
	if !ok || code == "" || len(code) > maxCode {
		return "", signin.Refuse(signin.ProviderRefused, "the answer of %s holds no code", p.Name)
	}
	return code, nil
}

// exchange fetches the ID token for a code.
func (p *provider) exchange(ctx context.Context, m *metadata, code, verifier string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, p.client), answerTime)
	defer cancel()
	t, err := m.oauth.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	var no *oauth2.RetrieveError
	if errors.As(err, &no) && (no.ErrorCode == "invalid_grant" || no.ErrorCode == "access_denied") {
		return nil, signin.Refuse(signin.ProviderRefused, "%s does not take the code: %.60q, %.200q", p.Name, no.ErrorCode, no.ErrorDescription)
	}
	if err != nil {
		return nil, fmt.Errorf("fetching the ID token from %s: %w", p.Name, brief(err))
	}
	raw, ok := t.Extra("id_token").(string)
	if !ok || raw == "" {
		return nil, signin.Refuse(signin.ProviderRefused, "%s sent no ID token", p.Name)
	}
	return []byte(raw), nil
}

// judge verifies an ID token and that it was made for this flow (OpenID
// Connect Core 1.0, section 3.1.3.7).
func (p *provider) judge(ctx context.Context, m *metadata, f *flow, raw []byte) (token.Claims, error) {
	id, err := m.tokens.VerifyID(ctx, raw)
	if err != nil {
		return token.Claims{}, refusal(err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(f.Nonce)) != 1 {
		return token.Claims{}, signin.Refuse(signin.TokenInvalid, "the nonce is of another sign-in")
	}
	if id.Party != p.ClientID && (id.Party != "" || id.Audiences > 1) {
		return token.Claims{}, signin.Refuse(signin.TokenAtWrongDoor, "the ID token was made for %.200q", id.Party)
	}
	if f.MaxAge > 0 && (id.Signed.IsZero() || id.Signed.Add(f.MaxAge+leeway).Before(f.Began)) {
		return token.Claims{}, signin.Refuse(signin.SignInTooOld, "a proof of the last %s was asked for, auth_time is %s", f.MaxAge, id.Signed.UTC().Format(time.RFC3339))
	}
	if id.ID == "" {
		id.ID = random() // so that the sign-in hangs on something that can be ended
	}
	return id.Claims, nil
}

// refusal makes a token's refusal one of a sign-in.
func refusal(err error) error {
	var r *token.Refusal
	if errors.As(err, &r) {
		return signin.Refuse(r.Code, "%s", r.Detail)
	}
	return err
}

// single is a parameter that may be there once.
func single(query url.Values, name string) (string, bool) {
	switch values := query[name]; len(values) {
	case 0:
		return "", true
	case 1:
		return values[0], true
	}
	return "", false
}

// ownPath is a path of ours, empty for anything that could lead elsewhere: no
// second slash, no backslash, which browsers read as one, no control character,
// which they leave out.
func ownPath(s string) string {
	if len(s) > maxReturn || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") ||
		strings.ContainsFunc(s, func(r rune) bool { return r == '\\' || unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return ""
	}
	if u, err := url.Parse(s); err != nil || u.Scheme != "" || u.Host != "" {
		return ""
	}
	return s
}

func random() string {
	var b [randomSize]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
