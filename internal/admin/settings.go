package admin

import (
	"net/http"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/store"
)

// mfaAlsoAccepts is the organisation's setting that widens the control mfa
// beyond Entra's built-in strength. It is kept as combinations separated by
// semicolons.
const mfaAlsoAccepts = "mfaAlsoAccepts"

// settings are what holds for the whole organisation beside its switches.
type settings struct {
	MFAAlsoAccepts []string `json:"mfaAlsoAccepts"` // combinations such as "password,approvalWindow"
}

func (a *api) settings(r *http.Request) (any, error) {
	text, err := a.Store.Setting(r.Context(), mfaAlsoAccepts)
	if err != nil {
		return nil, err
	}
	out := settings{MFAAlsoAccepts: []string{}}
	for c := range strings.SplitSeq(text, ";") {
		if c = strings.TrimSpace(c); c != "" {
			out.MFAAlsoAccepts = append(out.MFAAlsoAccepts, c)
		}
	}
	return out, nil
}

func (a *api) changeSettings(r *http.Request) (any, error) {
	var c settings
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	for _, one := range c.MFAAlsoAccepts {
		if _, unknown := policy.ParseCombination(one); len(unknown) > 0 || strings.Contains(one, ";") {
			return nil, bad(mfaAlsoAccepts, "%q is no combination of authentication methods", one)
		}
	}
	if _, err := a.change(r, func(tx *store.Tx) error {
		return tx.PutSetting(mfaAlsoAccepts, strings.Join(c.MFAAlsoAccepts, ";"))
	}); err != nil {
		return nil, err
	}
	return a.settings(r)
}
