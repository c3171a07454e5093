package admin

import (
	"fmt"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/store"
)

// waits notes what is as the folder has it only until a change is taken back
// that nobody has confirmed yet: what the plan changes itself stays.
func (p *planner) waits() error {
	pending, err := p.a.Store.Pendings(p.ctx)
	if err != nil {
		return err
	}
	for _, c := range pending {
		rows, err := p.a.Store.Touched(p.ctx, c)
		if err != nil {
			return err
		}
		mine := slices.DeleteFunc(rows, func(row store.Audit) bool { return !p.leavesAlone(&row) })
		if len(mine) == 0 {
			continue
		}
		more := ""
		if n := len(mine) - 1; n > 0 {
			more = fmt.Sprintf(" and %d more", n)
		}
		p.notes = append(p.notes, fmt.Sprintf("the %s %q%s, as %s changed it, is taken back at %s unless that is confirmed: then it is not as the folder has it",
			mine[0].Kind, mine[0].Name, more, c.Actor.Name, c.Until.UTC().Format(time.RFC3339)))
	}
	return nil
}

// leavesAlone says that a row of the audit is about something that the folder
// has, or had, and the plan does not change.
func (p *planner) leavesAlone(row *store.Audit) bool {
	k := managedKey{row.Kind, row.Object, row.Name}
	if _, document := words[store.DocumentKind(row.Kind)]; document {
		k.name = ""
	}
	_, managed := p.managed[k]
	changed := func(s planStep) bool { return s.Kind == row.Kind && s.ID == row.Object }
	return (managed || p.seen[k]) && !slices.ContainsFunc(p.steps(), changed)
}
