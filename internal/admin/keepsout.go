package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/whatif"
)

const (
	watchedFor  = 30 * 24 * time.Hour // how old a sign-in may be that shows how an administrator gets in
	watchedMost = 500                 // of an administrator's sign-ins, the newest
)

// ruling are the families of rows that say who gets in.
const ruling = store.Policies | store.Locations | store.Strengths | store.AuthenticationPolicies | store.Switches | store.Settings

// watch judges changes by whether an administrator still gets in: the sign-ins
// of the last month that were let in are judged again under what would be in
// force. Everything it needs but the rules is read before the transaction.
type watch struct {
	a      *api
	ctx    context.Context
	people []watched
	out    []string // once it has looked: who is kept out and why, if all are
}

// watched is an administrator, and how they got in of late.
type watched struct {
	store.Person
	groups  []string
	able    policy.Methods
	signIns []signin.Event // newest first
}

func (a *api) watch(r *http.Request) (*watch, error) {
	ctx := r.Context()
	w := &watch{a: a, ctx: context.WithoutCancel(ctx)}
	able := a.able(r)
	people, err := a.Store.Administrators(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range people {
		if p.Disabled {
			continue
		}
		one := watched{Person: p}
		if one.groups, err = a.Store.GroupsOf(ctx, p.ID); err != nil {
			return nil, err
		}
		f := store.EventFilter{User: p.ID, From: time.Now().Add(-watchedFor), Outcome: signin.EndAllowed}
		if one.signIns, _, err = a.Store.Events(ctx, f, store.Cursor{}, watchedMost); err != nil {
			return nil, err
		}
		if able != nil {
			one.able = able(p.ID)
		}
		w.people = append(w.people, one)
	}
	return w, nil
}

// over is a change that is not made if it would keep every administrator out;
// one that is taken back by itself is, and w.out says who would be.
func (w *watch) over(do func(*store.Tx) error, takenBack bool) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		w.out = nil
		if err := do(tx); err != nil {
			return err
		}
		if f := tx.Families(); len(w.people) == 0 || f&ruling == 0 || f&(store.People|store.Groups) != 0 {
			return nil // who belongs to what is not judged: somebody who has to be shut out is
		}
		after, err := w.a.Would(w.ctx, tx.View())
		if err != nil {
			return err
		}
		if w.judge(w.a.Gate.Snapshot(), after); len(w.out) > 0 && !takenBack {
			return keepsOut(w.out)
		}
		return nil
	}
}

// judge finds out whether nobody gets in any more who did before.
func (w *watch) judge(before, after *policy.Snapshot) {
	if out, in := w.fates(before, after); !in {
		w.out = out
	}
}

// fates say who is kept out and why, and whether anybody still gets in.
func (w *watch) fates(before, after *policy.Snapshot) (out []string, in bool) {
	groups, able := map[string][]string{}, map[string]policy.Methods{}
	for i := range w.people {
		p := &w.people[i]
		groups[p.ID], able[p.ID] = p.groups, p.able
	}
	j := whatif.NewJudge(&whatif.Change{Before: whatif.Side{Rules: before}, After: whatif.Side{Rules: after},
		Groups: func(person string) ([]string, bool) { g, known := groups[person]; return g, known },
		Able:   func(person string) policy.Methods { return able[person] }})
	for i := range w.people {
		mine, last, v := w.people[i].fate(j)
		in = in || mine
		if last != nil {
			out = append(out, w.people[i].words(last, v, after))
		}
	}
	return out, in
}

// fate says whether one of somebody's sign-ins would, or may, be let in; else
// which was the last that was and would no longer be.
func (p *watched) fate(j *whatif.Judge) (in bool, last *signin.Event, v policy.Verdict) {
	for i := range p.signIns {
		e := &p.signIns[i]
		if e.Facts.Person != p.ID {
			continue // somebody else's, in their mailbox
		}
		switch answer := j.Answer(e); {
		case answer.Bucket == whatif.Refused || answer.Bucket == whatif.Unable:
			if last == nil {
				last, v = e, answer.After
			}
		case answer.Bucket == whatif.Unchanged && answer.After.Effect == policy.Block: // it was out before
		default:
			return true, nil, v
		}
	}
	return false, last, v
}

// words say why somebody is kept out.
func (p *watched) words(e *signin.Event, v policy.Verdict, rules *policy.Snapshot) string {
	code := signin.Code(v.Code)
	words := fmt.Sprintf("%s: the sign-in %s (%s with %s) would be refused: %s (%s)", p.Address, e.ID.Reference(), e.Facts.Protocol, e.Facts.Credential, code.Meaning().Title, code)
	if i := indexOfPolicy(rules.Policies(), v.By); v.By != "" && i >= 0 {
		words += fmt.Sprintf(" by %q", rules.Policies()[i].DisplayName)
	}
	return words
}

// keepsOut refuses a change that nobody could take back by the way they came.
func keepsOut(who []string) error {
	e := conflict("this would keep every administrator out who got in during the last 30 days")
	for _, line := range who {
		e.Details = append(e.Details, Error{Code: "Conflict", Message: line})
	}
	return e.then("leave one of them a way in, or, where the command has it, add --confirm-within 10m: then it is taken back unless one of them signs in after it")
}
