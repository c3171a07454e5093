package admin

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/portreeve/portreeve/internal/token"
)

// IssuerKeys are the keys that sign what programs are given.
type IssuerKeys interface {
	Keys() []token.Listed
	Rotate() (kids []string, err error)
	JWKS() ([]byte, error)
}

// MintedKeys are the keys that sign tokens for backends.
type MintedKeys interface {
	Keys() []token.Listed
	Rotate() (kid string, err error)
}

// What keys sign.
const (
	forPrograms = "programs"
	forBackends = "backends"
)

// shownKey is a key and what it signs.
type shownKey struct {
	token.Listed
	Signs string `json:"signs"` // what programs are given, or tokens for backends
}

func (a *api) keys(*http.Request) (any, error) {
	rows := []shownKey{}
	if a.IssuerKeys != nil {
		for _, k := range a.IssuerKeys.Keys() {
			rows = append(rows, shownKey{k, forPrograms})
		}
	}
	if a.MintedKeys != nil {
		for _, k := range a.MintedKeys.Keys() {
			rows = append(rows, shownKey{k, forBackends})
		}
	}
	return list(rows), nil
}

// issuerKeySet is the issuer's public keys, as programs read them.
func (a *api) issuerKeySet(*http.Request) (any, error) {
	if a.IssuerKeys == nil {
		return nil, errNoIssuer
	}
	raw, err := a.IssuerKeys.JWKS()
	return json.RawMessage(raw), err
}

// rotatedKeys are the ids of the keys that sign from now on.
type rotatedKeys struct {
	Programs []string `json:"programs,omitempty"`
	Backends []string `json:"backends,omitempty"`
}

// rotateKeys signs with new keys: those of one kind, or all there are.
func (a *api) rotateKeys(r *http.Request) (any, error) {
	only := r.URL.Query().Get("signs")
	issuer, minted := a.IssuerKeys != nil && only != forBackends, a.MintedKeys != nil && only != forPrograms
	switch {
	case only != "" && only != forPrograms && only != forBackends:
		return nil, bad("signs", "keys sign for %s or for %s, not for %q", forPrograms, forBackends, only)
	case !issuer && only == forPrograms:
		return nil, errNoIssuer
	case !issuer && !minted:
		return nil, conflict("no backend takes tokens (login: token), so there are no keys")
	}
	var out rotatedKeys
	if issuer {
		kids, err := a.IssuerKeys.Rotate()
		if errors.Is(err, token.ErrTooEarly) {
			return nil, conflict("the next keys are public now and sign nothing yet, so that whoever keeps a copy learns of them first: %v", err)
		}
		if err != nil {
			return nil, err
		}
		out.Programs = kids
	}
	if minted {
		kid, err := a.MintedKeys.Rotate()
		if err != nil {
			return nil, err
		}
		out.Backends = []string{kid}
	}
	return out, a.note(r, "rotate", "key", "", "", out)
}
