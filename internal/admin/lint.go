package admin

import (
	"encoding/json"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/lint"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	lintDays = 30      // how far back recorded sign-ins are counted as evidence
	lintMost = 366     // and at most
	lintSeen = 200_000 // events that are looked at for it, the newest
	lintPast = 200     // versions of a policy that are looked through for since when it reports
)

// lint answers what is found of the rules in force, with what recorded sign-ins
// say of it.
func (a *api) lint(r *http.Request) (any, error) {
	v := r.URL.Query()
	days, err := number(v.Get("days"), lintDays, 0, lintMost)
	if err != nil {
		return nil, bad("days", "%v", err)
	}
	in := lint.Input{Rules: a.Gate.Snapshot(), Warnings: a.Warnings(), Now: time.Now(), Days: days}
	if name := v.Get("object"); name != "" {
		id, err := a.ruleNamed(r, name)
		if err != nil {
			return nil, err
		}
		in.Only = func(s string) bool { return s == id }
	}
	if in.Since, err = a.reportingSince(r); err != nil {
		return nil, err
	}
	var fault error
	if days > 0 {
		in.SignIns = a.letInLately(r, days, &fault)
	}
	found := lint.Check(in)
	if fault != nil {
		return nil, fault
	}
	if in.Only == nil && days > 0 {
		windows, err := a.wideWindows(r)
		if err != nil {
			return nil, err
		}
		found = append(found, windows...)
	}
	if found == nil {
		found = []lint.Finding{}
	}
	return list(found), nil
}

// wideWindows are findings about approval windows that pin no place.
func (a *api) wideWindows(r *http.Request) (found []lint.Finding, err error) {
	all, err := a.Store.Windows(r.Context(), "")
	if err != nil {
		return nil, err
	}
	_, name, err := a.whose(r)
	now := time.Now()
	for _, w := range all {
		over := !w.Expires.IsZero() && !now.Before(w.Expires)
		if f, wide := lint.Window(w.ID, w.Person, w.Network); wide && w.ASN == 0 && !over {
			f.Object.Name = name(w.Person)
			found = append(found, f)
		}
	}
	return found, err
}

// ruleNamed is the id of a policy or a named location.
func (a *api) ruleNamed(r *http.Request, name string) (string, error) {
	for _, kind := range []store.DocumentKind{store.Policy, store.Location, store.Strength} {
		if x, err := a.Store.Document(r.Context(), kind, name); err == nil {
			return x.ID, nil
		}
	}
	return "", notFound("policy or location", name, a.namesOf(r, store.Policy)...)
}

// letInLately are the newest recorded sign-ins that were let in.
func (a *api) letInLately(r *http.Request, days int, fault *error) iter.Seq2[*policy.Facts, int64] {
	return func(yield func(*policy.Facts, int64) bool) {
		f := store.EventFilter{From: time.Now().AddDate(0, 0, -days), Outcome: signin.EndAllowed}
		var from store.Cursor
		for seen := 0; seen < lintSeen; {
			page, next, err := a.Store.Events(r.Context(), f, from, maxPage)
			if err != nil {
				*fault = err
				return
			}
			for i := range page {
				if !yield(&page[i].Facts, max(page[i].Count, 1)) {
					return
				}
			}
			if seen += len(page); len(page) == 0 || next == (store.Cursor{}) {
				return
			}
			from = next
		}
	}
}

// reportingSince says since when policies only report: the oldest of their
// latest versions that has that state.
func (a *api) reportingSince(r *http.Request) (map[string]time.Time, error) {
	all, err := a.Store.Documents(r.Context(), store.Policy)
	if err != nil {
		return nil, err
	}
	since := map[string]time.Time{}
	for _, x := range all {
		if x.State != policy.ReportOnly.String() {
			continue
		}
		past, err := a.Store.History(r.Context(), store.Policy, x.ID, lintPast)
		if err != nil {
			return nil, err
		}
		for _, e := range past {
			if state := auditedState(e.After); state != policy.ReportOnly.String() {
				break
			}
			since[x.ID] = e.At
		}
	}
	return since, nil
}

// findings are what is found of objects, by their ids, as they would be among
// the rules in force.
func (d documents) findings(r *http.Request, all ...*store.Document) (map[string][]lint.Finding, error) {
	src := d.Gate.Snapshot().Source()
	if d.kind != store.Policy && d.kind != store.Location || len(all) == 0 {
		return nil, nil
	}
	if err := d.amongst(r, &src, all); err != nil {
		return nil, err
	}
	rules, _ := policy.Compile(src)
	mine := map[string]bool{}
	for _, x := range all {
		mine[x.ID] = true
	}
	found := map[string][]lint.Finding{}
	for _, f := range lint.Check(lint.Input{Rules: rules, Now: time.Now(), Only: func(id string) bool { return mine[id] }}) {
		found[f.Object.ID] = append(found[f.Object.ID], f)
	}
	return found, nil
}

// amongst puts objects among the rules, each in the place of the one it replaces.
func (d documents) amongst(r *http.Request, src *policy.Source, all []*store.Document) error {
	src.Policies, src.Locations = slices.Clone(src.Policies), slices.Clone(src.Locations)
	places := map[string]int{}
	for i := range src.Policies {
		places[src.Policies[i].ID] = i
	}
	for i := range src.Locations {
		places[src.Locations[i].ID] = i
	}
	if err := d.groupNames(r, &src.Names); err != nil {
		return err
	}
	for _, x := range all {
		if d.kind == store.Location {
			l, err := graph.Location(x.JSON)
			if err != nil {
				return badObject(err)
			}
			l.ID = x.ID
			src.Locations = put(src.Locations, l, places, x.ID)
			continue
		}
		p, err := graph.Policy(x.JSON)
		if err != nil {
			return badObject(err)
		}
		p.ID = x.ID
		src.Policies = put(src.Policies, p, places, x.ID)
		if err := d.people(r, p, src.Names.People); err != nil {
			return err
		}
	}
	return nil
}

// put puts an element in its place, or at the end.
func put[T any](all []T, one T, places map[string]int, id string) []T {
	if i, known := places[id]; known {
		all[i] = one
		return all
	}
	places[id] = len(all)
	return append(all, one)
}

// groupNames makes names of one's own, with every group there is.
func (d documents) groupNames(r *http.Request, names *policy.Names) error {
	if names.People = maps.Clone(names.People); names.People == nil {
		names.People = map[string]string{}
	}
	names.Groups = map[string]string{}
	groups, err := d.Store.Groups(r.Context())
	for _, g := range groups {
		names.Groups[strings.ToLower(g.Name)], names.Groups[strings.ToLower(g.ID)] = g.ID, g.ID
	}
	return err
}

// strictly refuses an object that something is found of, where that is asked for.
func strictly(r *http.Request, found []lint.Finding) error {
	if r.URL.Query().Get("strict") != "true" {
		return nil
	}
	all := slices.DeleteFunc(slices.Clone(found), func(f lint.Finding) bool { return f.Severity == lint.Note })
	if len(all) == 0 {
		return nil
	}
	e := bad(all[0].Pointer, "%s", all[0].Sentence)
	for _, f := range all[1:min(len(all), maxFaults)] {
		e.Details = append(e.Details, Error{Code: "BadRequest", Message: f.Sentence, Target: f.Pointer})
	}
	return e.then("%s", all[0].Fix.Text)
}

// withFindings adds what was found to an answer about an object.
func withFindings(answer json.RawMessage, found []lint.Finding) (json.RawMessage, error) {
	if len(found) == 0 {
		return answer, nil
	}
	raw, err := json.Marshal(found)
	if err != nil {
		return nil, err
	}
	return setMember(answer, "@portreeve.findings", raw)
}

// auditedState is the state of a policy in an audit row.
func auditedState(after json.RawMessage) string {
	var m struct {
		State string `json:"state"`
	}
	if json.Unmarshal(after, &m) != nil {
		return ""
	}
	return m.State
}
