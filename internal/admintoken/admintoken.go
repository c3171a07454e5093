// Package admintoken lets scripts administer over the network: tokens of a
// role, made on the server, shown once, and kept as a keyed fingerprint.
//
// A token is shown as it is (Authorization: Bearer), or exchanged at the token
// endpoint, as an OAuth client's secret, for a bearer token that lives an hour.
// Both are looked up at each request, so a token that is revoked is worth
// nothing from that moment on. Wrong ones are counted against the address that
// they come from, which then waits; no other address does.
package admintoken

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	// secretMark begins a token's secret.
	secretMark = "pradmin_"
	maxShown   = 512
	// DefaultLife is how long a token lives for which nothing else is said, and
	// LongestLife how long at most: what is forgotten ends some day.
	DefaultLife = 90 * 24 * time.Hour
	LongestLife = 2 * 366 * 24 * time.Hour
	// usedEvery is how often a token's use is written down.
	usedEvery = time.Minute
	maxTokens = 1000
)

// What is wrong with a token that is shown.
var (
	ErrWrong     = errors.New("the token is not one of ours, was revoked, has run out, or may not be used from this address")
	ErrThrottled = errors.New("too many wrong tokens came from this address")
	// ErrElsewhere is for our log alone: whoever shows a token hears of ErrWrong,
	// or a thief would learn which network to steal it from next.
	ErrElsewhere = errors.New("a token was shown from a network that it may not be used from")
)

// Fault is what is wrong with a token that is asked for.
type Fault struct{ Member, Text string }

func (f *Fault) Error() string { return f.Text }

// Guard slows addresses that show wrong tokens.
type Guard interface {
	// Knock says whether a token from an address may be looked at. If so, note
	// must be told whether it was wrong.
	Knock(from netip.Addr, print secret.Print) (note func(wrong bool), pass bool)
}

// Options are what the service needs.
type Options struct {
	Store *store.Store
	Box   *secret.Box
	Guard Guard
}

// Service makes, checks and revokes tokens. It is safe for concurrent use.
type Service struct {
	Options
	prints  *secret.Prints // of tokens, as the table holds them
	bearers *secret.Prints // proves our own bearer tokens
	knocks  *secret.Prints // tells the guard wrong ones apart

	mu   sync.Mutex
	used map[string]time.Time // when a token's use was written down last, by id
}

// New makes the service.
func New(o Options) *Service {
	return &Service{Options: o, prints: o.Box.Prints("administrators' tokens"), bearers: o.Box.Prints("administrators' bearer tokens"),
		knocks: secret.NewPrints(), used: map[string]time.Time{}}
}

// Request is a token that is asked for.
type Request struct {
	Name     string    `json:"name"`
	Role     string    `json:"role"`
	Scopes   []string  `json:"scopes"`
	Networks []string  `json:"networks"`
	Expires  time.Time `json:"expires"` // zero: after DefaultLife
}

var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Make makes a token and returns its secret, which nobody can read again.
func (s *Service) Make(ctx context.Context, who store.Actor, reason string, q Request) (shown string, t store.AdminToken, err error) {
	if t, err = q.token(time.Now()); err != nil {
		return "", t, err
	}
	all, err := s.Store.AdminTokens(ctx)
	if err != nil {
		return "", t, err
	}
	if len(all) >= maxTokens {
		return "", t, &Fault{"", fmt.Sprintf("there are %d tokens already: revoke some", maxTokens)}
	}
	shown = secret.NewMarked(secretMark)
	print := s.prints.Of([]byte(shown))
	t.Print = print[:]
	err = s.Store.Change(ctx, who, reason, func(tx *store.Tx) error { return tx.AddAdminToken(&t) })
	return shown, t, err
}

// token checks what is asked for.
func (q *Request) token(now time.Time) (t store.AdminToken, err error) {
	if t.Name = q.Name; !names.MatchString(q.Name) {
		return t, &Fault{"name", "a token's name has letters, digits, dots, hyphens and underscores, at most 64"}
	}
	role, err := parseRole(q.Role)
	if err != nil {
		return t, err
	}
	t.Role = string(role)
	if t.Scopes, err = parseScopes(q.Scopes, role); err != nil {
		return t, err
	}
	t.Networks = []netip.Prefix{}
	for _, n := range q.Networks {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			return t, &Fault{"networks", fmt.Sprintf("%q is no network such as 192.0.2.0/24", n)}
		}
		t.Networks = append(t.Networks, p.Masked())
	}
	switch t.Expires = q.Expires.UTC(); {
	case q.Expires.IsZero():
		t.Expires = now.Add(DefaultLife).UTC()
	case !q.Expires.After(now):
		return t, &Fault{"expires", "it would have run out already"}
	case q.Expires.After(now.Add(LongestLife)):
		return t, &Fault{"expires", "a token lives two years at most"}
	}
	return t, nil
}

// Tokens lists the tokens there are.
func (s *Service) Tokens(ctx context.Context) ([]store.AdminToken, error) {
	return s.Store.AdminTokens(ctx)
}

// Revoke revokes a token, given by id or name; store.ErrNotFound.
func (s *Service) Revoke(ctx context.Context, who store.Actor, reason, idOrName string) (t store.AdminToken, err error) {
	err = s.Store.Change(ctx, who, reason, func(tx *store.Tx) (err error) {
		t, err = tx.DeleteAdminToken(idOrName)
		return err
	})
	return t, err
}

// Holder is whoever showed a token.
type Holder struct {
	Token store.AdminToken
	held  []Scope
}

// Actor is how the audit names the holder.
func (h *Holder) Actor() store.Actor { return store.Actor{UID: -1, Name: "token " + h.Token.Name} }

// May says that the holder's role and scopes suffice.
func (h *Holder) May(needed Scope) bool { return permits(h.held, needed) }

// holder is a token as the one who holds it.
func holder(t store.AdminToken) *Holder {
	role := scopesOf[Role(t.Role)]
	if len(t.Scopes) == 0 {
		return &Holder{t, role}
	}
	var held []Scope
	for _, s := range t.Scopes { // never more than the role has, even if the table says so
		if permits(role, Scope(s)) {
			held = append(held, Scope(s))
		}
	}
	return &Holder{t, held}
}

// Known finds out whose a token is that somebody shows: a secret, or a bearer
// token that it was exchanged for.
func (s *Service) Known(ctx context.Context, shown string, from netip.Addr) (*Holder, error) {
	return s.guarded(ctx, shown, from, func() (store.AdminToken, error) {
		if id, ok := s.readBearer(shown, time.Now()); ok {
			return s.Store.AdminToken(ctx, id)
		}
		print := s.prints.Of([]byte(shown))
		t, err := s.Store.AdminTokenByPrint(ctx, print[:])
		if err == nil && subtle.ConstantTimeCompare(t.Print, print[:]) != 1 {
			return t, store.ErrNotFound
		}
		return t, err
	})
}

// Client finds out whose a client's id and secret are.
func (s *Service) Client(ctx context.Context, id, shown string, from netip.Addr) (*Holder, error) {
	return s.guarded(ctx, id+"\x00"+shown, from, func() (store.AdminToken, error) {
		t, err := s.Store.AdminToken(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			t.Print = make([]byte, len(secret.Print{})) // compared all the same, so that no name is told by time
		} else if err != nil {
			return t, err
		}
		print := s.prints.Of([]byte(shown))
		if subtle.ConstantTimeCompare(t.Print, print[:]) != 1 || err != nil {
			return t, store.ErrNotFound
		}
		return t, nil
	})
}

// Holds says that a holder's token is still there and has not run out. What
// cannot be found out is a no.
func (s *Service) Holds(ctx context.Context, h *Holder) bool {
	t, err := s.Store.AdminToken(ctx, h.Token.ID)
	return err == nil && t.ID == h.Token.ID && (t.Expires.IsZero() || time.Now().Before(t.Expires))
}

// guarded looks a token up unless its address has shown too many wrong ones.
func (s *Service) guarded(ctx context.Context, shown string, from netip.Addr, look func() (store.AdminToken, error)) (*Holder, error) {
	if shown == "" || len(shown) > maxShown {
		return nil, ErrWrong
	}
	note, pass := s.Guard.Knock(from, s.knocks.Of([]byte(shown)))
	if !pass {
		return nil, ErrThrottled
	}
	t, err := look()
	now := time.Now()
	wrong := errors.Is(err, store.ErrNotFound) || err == nil && !t.Expires.IsZero() && !now.Before(t.Expires)
	elsewhere := err == nil && !wrong && len(t.Networks) > 0 && !slices.ContainsFunc(t.Networks, func(p netip.Prefix) bool { return p.Contains(from.Unmap()) })
	note(wrong || elsewhere)
	switch {
	case wrong:
		return nil, ErrWrong
	case err != nil:
		return nil, err
	case elsewhere:
		return nil, fmt.Errorf("%w: %q from %s", ErrElsewhere, t.Name, from)
	}
	s.use(ctx, t.ID, now, from)
	return holder(t), nil
}

// use writes down now and then that a token is in use. That it cannot be
// written keeps nobody out.
func (s *Service) use(ctx context.Context, id string, now time.Time, from netip.Addr) {
	s.mu.Lock()
	due := now.Sub(s.used[id]) >= usedEvery
	if due {
		if len(s.used) >= 2*maxTokens { // of tokens long revoked
			clear(s.used)
		}
		s.used[id] = now
	}
	s.mu.Unlock()
	if due {
		_ = s.Store.Write(ctx, func(tx *store.Tx) error { return tx.UseAdminToken(id, now, from) })
	}
}
