package admin

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policycheck"
	"github.com/portreeve/portreeve/internal/policyset"
	"github.com/portreeve/portreeve/internal/store"
)

// applyAnswer is what applying a folder did.
type applyAnswer struct {
	ID       string          `json:"id"`      // of the plan that was carried out
	Nothing  bool            `json:"nothing"` // the server was as the folder has it
	Changes  []plannedChange `json:"changes"`
	Adopts   []takenOver     `json:"adopts"`
	Add      int             `json:"add"`
	Change   int             `json:"change"`
	Remove   int             `json:"remove"`
	Notes    []string        `json:"notes"`
	Tests    *tested         `json:"tests"`
	Sessions judged          `json:"@portreeve.sessions"`
}

// apply makes the server say what a folder says: all of it in one transaction,
// or nothing. With a plan it makes exactly that plan.
func (a *api) apply(r *http.Request) (any, error) {
	f, set, err := a.readFolder(r)
	if err != nil {
		return nil, err
	}
	x := &outlook{}
	if len(set.Of(policyset.Test)) > 0 { // some of which may judge recorded sign-ins by what would be
		if x, err = a.look(r, set, f.Commit); err != nil {
			return nil, err
		}
	}
	tests, err := a.testFolder(r, set, x)
	if err != nil {
		return nil, err
	}
	if tests != nil && tests.Failed+tests.NotRun > 0 {
		if err := tests.stops(f.Force, r.Header.Get("X-Reason")); err != nil {
			return nil, err
		}
	}
	out := &applyAnswer{Tests: tests, Adopts: []takenOver{}, Notes: []string{}}
	r = r.WithContext(store.WithOrigin(r.Context(), store.OriginFiles))
	report, err := a.change(r, func(tx *store.Tx) error {
		p, err := a.planIn(r.Context(), tx, set, f.Commit)
		if err != nil {
			return err
		}
		id, version, err := p.id()
		if err != nil {
			return err
		}
		if f.Plan != "" && f.Plan != id && !p.nothing() {
			return a.changedSince(r.Context(), f, version)
		}
		if err := p.permitted(r); err != nil {
			return err
		}
		x := planAnswer{Changes: p.changes()}
		x.count()
		out.ID, out.Nothing, out.Changes, out.Add, out.Change, out.Remove = id, p.nothing(), x.Changes, x.Add, x.Change, x.Remove
		out.Adopts, out.Notes = append([]takenOver{}, p.adopts...), append([]string{}, p.notes...)
		return p.carryOut()
	})
	if err != nil {
		return nil, err
	}
	out.Sessions = sessionsOf(report)
	return out, nil
}

// stops refuses a change whose tests fail or could not be run, unless somebody
// insists and says why.
func (t *tested) stops(force bool, reason string) error {
	if force && strings.TrimSpace(reason) != "" {
		return nil
	}
	e := &Error{Status: http.StatusConflict, Code: "TestsFailed", Message: fmt.Sprintf("%d of the folder's tests fail, so nothing was changed", t.Failed)}
	if t.Failed == 0 {
		e.Message = fmt.Sprintf("%d of the folder's tests could not be run, so nothing was changed", t.NotRun)
	}
	for _, c := range t.Cases {
		code := "TestFailed"
		if c.Status == string(policycheck.NotRun) {
			code = "TestNotRun"
		}
		e.Details = append(e.Details, Error{Code: code, Message: fmt.Sprintf("%s: %s: %s", c.Place, c.Name, strings.Join(c.Problems, "; ")), Target: c.Place})
	}
	if force {
		return e.then("--force needs a --reason")
	}
	return e.then("`portreeve test DIR` shows each; --force --reason WHY applies it all the same")
}

// changedMost bounds how many changes are named that came between plan and apply.
const changedMost = 20

// changedSince refuses a plan that was made for another state of the server, and
// says what came between and by whom.
func (a *api) changedSince(ctx context.Context, f *folder, version int64) error {
	e := &Error{Status: http.StatusConflict, Code: "PlanOutdated", Message: "this is not the plan that was made: the folder or the server changed since"}
	if f.ServerVersion < version {
		e.Message = "the server changed since the plan was made"
		rows, err := a.Store.RulesSince(ctx, f.ServerVersion, changedMost)
		if err != nil {
			return err
		}
		words := &auditWords{naming: a.naming(ctx)}
		for _, row := range rows {
			word := map[string]string{"create": "made", "update": "changed", "delete": "deleted"}[row.Action]
			line := fmt.Sprintf("%s %s the %s %q at %s", row.Actor.Name, word, row.Kind, words.about(&row), row.At.UTC().Format(time.RFC3339))
			if row.Reason != "" {
				line += ": " + row.Reason
			}
			e.Details = append(e.Details, Error{Code: "PlanOutdated", Message: line})
		}
	}
	return e.then("plan again: `portreeve plan DIR`")
}
