package admin

import (
	"context"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/lint"
	"github.com/portreeve/portreeve/internal/policy"
)

// newFindings are what lint finds in the rules that would be in force and not
// in those that are.
func (a *api) newFindings(_ context.Context, x *outlook) ([]lint.Finding, error) {
	now := time.Now()
	known := lint.Check(lint.Input{Rules: x.before, Now: now})
	fresh := []lint.Finding{}
	for _, f := range lint.Check(lint.Input{Rules: x.after, Now: now}) {
		if !slices.ContainsFunc(known, func(k lint.Finding) bool { return k.ID == f.ID && k.Object == f.Object && k.Sentence == f.Sentence }) {
			fresh = append(fresh, f)
		}
	}
	x.Warnings = untold(x.Warnings, fresh)
	return fresh, nil
}

// untold are the warnings that no finding tells already.
func untold(all []policy.Warning, found []lint.Finding) []policy.Warning {
	type key struct{ id, text string }
	told := map[key]bool{}
	for _, f := range found {
		told[key{f.Object.ID, f.Warning}] = true
	}
	return slices.DeleteFunc(all, func(w policy.Warning) bool { return told[key{w.ID, w.Text}] })
}
