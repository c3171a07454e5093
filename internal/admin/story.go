package admin

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// story is a sign-in in Graph's shape with everything that can be said of it:
// what each stage and each policy came to, worked out again by the rules that
// judged it, what became of its sessions, and what its code means.
type story struct {
	signIn
	Story telling `json:"portreeve.story"`
}

type telling struct {
	Meaning     meaning             `json:"meaning"`
	Explanation *policy.Explanation `json:"explanation"` // null if the rules are kept no more
	Sessions    []sessionRow        `json:"sessions"`
}

// sessionRow is how a connection of the sign-in ended, or that it is open.
type sessionRow struct {
	Session     string     `json:"session"`
	Opened      time.Time  `json:"opened"`
	Closed      *time.Time `json:"closed"` // null while open
	Reason      string     `json:"reason,omitempty"`
	Code        string     `json:"code,omitempty"`
	FromClient  uint64     `json:"bytesFromClient"`
	FromBackend uint64     `json:"bytesFromBackend"`
	Seconds     float64    `json:"seconds"`
	Program     string     `json:"program,omitempty"`
}

// story tells one sign-in, and audits that somebody read it.
func (a *api) story(r *http.Request, e *signin.Event) (any, error) {
	if err := a.note(r, "read", "signIn", e.ID.String(), e.Facts.Address, nil); err != nil {
		return nil, err
	}
	out := story{signIn: a.row(r.Context(), e, true), Story: telling{Meaning: meaningOf(e.Code), Sessions: []sessionRow{}}}
	if s, err := a.SnapshotAt(r.Context(), e.Verdict.Version); err == nil {
		x := policy.Explain(s, &e.Facts)
		a.naming(r.Context()).explain(&x)
		out.Story.Explanation = &x
	}
	rows, err := a.Store.SessionsOf(r.Context(), e.ID)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		out.Story.Sessions = append(out.Story.Sessions, rowOf(&rows[i]))
	}
	return out, nil
}

func rowOf(s *signin.SessionEvent) sessionRow {
	row := sessionRow{Session: s.Session, Opened: s.Opened.UTC(), Reason: s.Reason, FromClient: s.FromClient, FromBackend: s.FromBackend, Program: s.Program}
	if s.Closed.IsZero() {
		row.Seconds = time.Since(s.Opened).Seconds()
		return row
	}
	closed := s.Closed.UTC()
	row.Closed, row.Seconds = &closed, s.Closed.Sub(s.Opened).Seconds()
	if s.Code != signin.OK {
		row.Code = s.Code.String()
	}
	return row
}

// row is a sign-in with what policies came to, and the name of the one that decided.
func (a *api) row(ctx context.Context, e *signin.Event, all bool) signIn {
	s := graphSignIn(e, a.applied(ctx, e, all))
	for _, p := range s.AppliedConditionalAccessPolicies {
		if p.ID == e.Verdict.By {
			s.Portreeve.ByName = p.DisplayName
		}
	}
	return s
}

// applied lists what policies came to: all of them, or those that applied and
// those that were not decided. An event whose rules are kept no more has none.
func (a *api) applied(ctx context.Context, e *signin.Event, all bool) []appliedPolicy {
	if e.Verdict.Version == 0 {
		return nil
	}
	s, err := a.SnapshotAt(ctx, e.Verdict.Version)
	if err != nil {
		return nil
	}
	if all {
		return appliedWhole(s, e)
	}
	var list []appliedPolicy
	policies := s.Policies()
	for w := range e.Applied.Applied {
		bits := e.Applied.Applied[w]
		if w < len(e.Applied.Unknown) {
			bits |= e.Applied.Unknown[w]
		}
		for i := w * 64; bits != 0 && i < len(policies); i, bits = i+1, bits>>1 {
			if bits&1 != 0 {
				list = append(list, newApplied(s, e, i))
			}
		}
	}
	return list
}

func newApplied(s *policy.Snapshot, e *signin.Event, i int) appliedPolicy {
	p := &s.Policies()[i]
	result := s.Result(&e.Applied, i)
	row := appliedPolicy{ID: p.ID, DisplayName: p.DisplayName, Result: result.String(), Controls: []string{}}
	if p.Grant != nil && result != policy.NotApplied && result != policy.NotEnabled && result != policy.ReportOnlyNotApplied {
		row.Controls = p.Grant.Controls.Names()
	}
	return row
}

// appliedWhole adds Graph's lists of conditions.
func appliedWhole(s *policy.Snapshot, e *signin.Event) []appliedPolicy {
	x := policy.Explain(s, &e.Facts)
	var list []appliedPolicy
	for i := range x.Policies {
		row := newApplied(s, e, i)
		var yes, no []string
		for _, c := range x.Policies[i].Conditions {
			switch c.Result {
			case "satisfied":
				yes = append(yes, c.Name)
			case "notSatisfied":
				no = append(no, c.Name)
			}
		}
		row.Satisfied, row.NotSatisfied = flags(yes), flags(no)
		list = append(list, row)
	}
	return list
}

// flags is a set of conditions as Graph prints one.
func flags(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ",")
}
