package admin

import (
	"errors"
	"net/http"

	"github.com/portreeve/portreeve/internal/admintoken"
	"github.com/portreeve/portreeve/internal/store"
)

// adminTokens lists administrators' tokens; their secrets are nowhere.
func (a *api) adminTokens(r *http.Request) (any, error) {
	all, err := a.Tokens.Tokens(r.Context())
	if err != nil {
		return nil, err
	}
	return list(all), nil
}

// issuedToken is a token with its secret, which is shown this once.
type issuedToken struct {
	store.AdminToken
	Secret string `json:"secret"`
}

func (a *api) issueAdminToken(r *http.Request) (any, error) {
	var q admintoken.Request
	if err := decode(r, &q); err != nil {
		return nil, err
	}
	text, t, err := a.Tokens.Make(r.Context(), actor(r), r.Header.Get("X-Reason"), q)
	var fault *admintoken.Fault
	switch {
	case errors.As(err, &fault):
		return nil, bad(fault.Member, "%s", fault.Text)
	case errors.Is(err, store.ErrExists):
		return nil, conflict("there is another token named %s", q.Name).then("`portreeve admin token revoke %s` revokes it", shellWord(q.Name))
	case err != nil:
		return nil, err
	}
	return created{issuedToken{t, text}}, nil
}

func (a *api) revokeAdminToken(r *http.Request) (any, error) {
	t, err := a.Tokens.Revoke(r.Context(), actor(r), r.Header.Get("X-Reason"), r.PathValue("id"))
	if errors.Is(err, store.ErrNotFound) {
		return nil, (&Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: "there is no token " + r.PathValue("id")}).then("`portreeve admin token list` lists them")
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}
