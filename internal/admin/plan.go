package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/portreeve/portreeve/internal/lint"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policyset"
	"github.com/portreeve/portreeve/internal/store"
)

// planAnswer is what a folder would make of the server, and what that comes to.
type planAnswer struct {
	ID            string           `json:"id"` // of exactly this plan; apply takes it
	ServerVersion int64            `json:"serverVersion"`
	Changes       []plannedChange  `json:"changes"`
	Adopts        []takenOver      `json:"adopts"` // as the folder has them already, managed from it once applied
	Add           int              `json:"add"`
	Change        int              `json:"change"`
	Remove        int              `json:"remove"`
	Consequences  *consequences    `json:"consequences"` // null where no rule changes
	KeepsOut      []string         `json:"keepsOut"`     // administrators, and why
	KeepsAllOut   bool             `json:"keepsAllOut"`  // then apply needs to be confirmed
	Warnings      []policy.Warning `json:"warnings"`     // what cannot be enforced as it stands, and is new
	Findings      []lint.Finding   `json:"findings"`     // of lint, that are new
	Tests         *tested          `json:"tests"`        // null: the folder has none
	Notes         []string         `json:"notes"`
}

// outlook is a plan as the transaction left it: the words, and the rules that
// would be in force.
type outlook struct {
	*planAnswer
	before, after *policy.Snapshot
}

// plan says what applying a folder would do. Nothing is kept: it is done in a
// transaction, which is looked at and rolled back.
func (a *api) plan(r *http.Request) (any, error) {
	f, set, err := a.readFolder(r)
	if err != nil {
		return nil, err
	}
	x, err := a.look(r, set, f.Commit)
	if err != nil {
		return nil, err
	}
	if x.Tests, err = a.testFolder(r, set, x); err != nil {
		return nil, err
	}
	if x.after == nil {
		return x.planAnswer, nil
	}
	if x.Findings, err = a.newFindings(r.Context(), x); err != nil {
		return nil, err
	}
	if f.Days > 0 {
		if err := a.note(r, "plan", "signIn", "", "", map[string]any{"days": f.Days}); err != nil {
			return nil, err
		}
		if x.Consequences, err = a.consequencesOf(r, x, f); err != nil {
			return nil, err
		}
	}
	return x.planAnswer, nil
}

// look works a plan out, carries it out, sees what would be in force, and takes
// it back.
func (a *api) look(r *http.Request, set *policyset.Set, commit string) (*outlook, error) {
	w, err := a.watch(r)
	if err != nil {
		return nil, err
	}
	var out *outlook
	ctx := store.WithOrigin(r.Context(), store.OriginFiles)
	err = a.Store.Change(ctx, actor(r), "", func(tx *store.Tx) error {
		p, err := a.planIn(r.Context(), tx, set, commit)
		if err != nil {
			return err
		}
		out = &outlook{planAnswer: &planAnswer{Changes: p.changes(), Adopts: p.adopts, KeepsOut: []string{}, Warnings: []policy.Warning{}, Findings: []lint.Finding{}, Notes: p.notes}}
		if out.ID, out.ServerVersion, err = p.id(); err != nil {
			return err
		}
		if p.nothing() {
			return errRolledBack
		}
		if err := p.carryOut(); err != nil {
			return err
		}
		out.before = a.Gate.Snapshot()
		if out.after, err = a.Would(context.WithoutCancel(r.Context()), tx.View()); err != nil {
			return err
		}
		return errRolledBack
	})
	if !errors.Is(err, errRolledBack) {
		return nil, err
	}
	out.count()
	out.Adopts, out.Notes = append([]takenOver{}, out.Adopts...), append([]string{}, out.Notes...)
	if out.after != nil {
		a.judgeOutlook(r, out, w)
	}
	return out, nil
}

// judgeOutlook says what the rules that would be in force come to.
func (a *api) judgeOutlook(r *http.Request, out *outlook, w *watch) {
	kept, in := w.fates(out.before, out.after)
	out.KeepsOut, out.KeepsAllOut = append(out.KeepsOut, kept...), !in && len(kept) > 0
	out.describe(a.naming(r.Context()))
	_, all := policy.Compile(out.after.Source())
	known := a.Warnings()
	for _, x := range all {
		if !contains(known, x) {
			out.Warnings = append(out.Warnings, x)
		}
	}
}

// contains compares warnings by what they say: a plan's objects have other ids
// than those in force only where they are new.
func contains(all []policy.Warning, w policy.Warning) bool {
	for _, x := range all {
		if x.ID == w.ID && x.Pointer == w.Pointer && x.Text == w.Text {
			return true
		}
	}
	return false
}

func (x *planAnswer) count() {
	for _, c := range x.Changes {
		switch c.Action {
		case "add":
			x.Add++
		case "remove":
			x.Remove++
		default:
			x.Change++
		}
	}
}

// describe says of each policy, in the engine's own words, whom it would hold
// for and what it would ask for.
func (x *outlook) describe(n *naming) {
	told := map[string]policy.PolicyExplanation{}
	for _, p := range policy.Explain(x.after, &policy.Facts{}).Policies {
		told[p.ID] = p
	}
	for i := range x.Changes {
		c := &x.Changes[i]
		p, ok := told[c.ID]
		if !ok || c.Action == "remove" {
			continue
		}
		for _, condition := range p.Conditions {
			c.Words = append(c.Words, fmt.Sprintf("%s: %s", condition.Name, n.text(condition.Needed)))
		}
		var asks []string
		for _, control := range p.Controls {
			asks = append(asks, strings.TrimSpace(control.Name+" "+n.text(control.Needed)))
		}
		if len(asks) > 0 {
			c.Words = append(c.Words, "asks for "+strings.Join(asks, " "+map[string]string{"OR": "or", "AND": "and", "": "and"}[p.Operator]+" "))
		}
	}
}
