package admin

import (
	"context"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/lint"
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
	return fresh, nil
}
