package admin

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policyset"
	"github.com/portreeve/portreeve/internal/store"
)

// pulling asks for the server's objects as files, beside a folder that may have
// some of them already.
type pulling struct {
	Files map[string]string `json:"files"`
	Kinds []string          `json:"kinds"` // a folder's kinds; empty is all
}

// pulled is one object as a file.
type pulled struct {
	File   string `json:"file"`
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Status string `json:"status"` // new; same, as the folder has it; differs
	// Alone says that the file that has it holds nothing else, so that it can be
	// written over.
	Alone bool   `json:"alone"`
	Text  string `json:"text"`
}

// folders are where pull puts what no file has.
var folders = map[policyset.Kind]string{policyset.Policy: "policies", policyset.Location: "locations", policyset.Strength: "strengths", policyset.AuthenticationPolicy: "authentication-policies"}

const switchesFile = "switches.yaml"

// pull writes the server's objects as files, in the one way that they are laid out.
func (a *api) pull(r *http.Request) (any, error) {
	var q pulling
	if err := decode(r, &q); err != nil {
		return nil, err
	}
	set, err := policyset.ReadTexts(q.Files)
	if err != nil {
		return nil, bad("", "%v", err)
	}
	wanted := func(k policyset.Kind) bool {
		return len(q.Kinds) == 0 || slices.ContainsFunc(q.Kinds, func(s string) bool { return strings.EqualFold(s, string(k)) })
	}
	for _, k := range q.Kinds {
		if !slices.ContainsFunc(policyset.Kinds, func(x policyset.Kind) bool { return x != policyset.Test && strings.EqualFold(k, string(x)) }) {
			return nil, bad("kinds", "there is no kind %q to pull", k)
		}
	}
	rows := []pulled{}
	err = a.Store.Change(r.Context(), actor(r), "", func(tx *store.Tx) error {
		p, err := a.planIn(r.Context(), tx, set, "")
		if err != nil {
			return err
		}
		for _, kind := range policyset.Kinds {
			switch {
			case !wanted(kind) || kind == policyset.Test:
			case kind == policyset.Switches:
				if err := p.pullSwitches(&rows); err != nil {
					return err
				}
			default:
				if err := p.pullDocuments(kind, &rows); err != nil {
					return err
				}
			}
		}
		return errRolledBack
	})
	if !errors.Is(err, errRolledBack) {
		return nil, err
	}
	return list(rows), nil
}

// pullDocuments writes the objects of a kind.
func (p *planner) pullDocuments(kind policyset.Kind, rows *[]pulled) error {
	mine, in := kinds[kind], map[string]*policyset.Object{}
	for o, id := range p.ids {
		if o.Kind == kind {
			in[id] = o
		}
	}
	taken, holds := map[string]bool{}, map[string]int{} // how many objects a file has
	for _, o := range p.set.Objects {
		taken[o.File] = true
		holds[o.File]++
	}
	docs := slices.Clone(p.docs[mine])
	slices.SortFunc(docs, func(x, y store.Document) int { return cmp.Compare(x.Position, y.Position) })
	for _, d := range docs {
		x := pulled{Kind: string(kind), Name: d.Name, Status: "new"}
		word := d.ID
		if m, managed := p.managed[managedKey{string(mine), d.ID, ""}]; managed {
			word = m.Word
		}
		if o := in[d.ID]; o != nil {
			x.File, x.Status, x.Alone, word = o.File, "same", holds[o.File] == 1, o.ID
			text, err := desired(o, d.ID, p.refs)
			if err != nil {
				return err
			}
			if len(essentials(d.JSON, text)) > 0 || !strings.EqualFold(o.Name, d.Name) {
				x.Status = "differs"
			}
		} else {
			x.File = freeName(taken, folders[kind]+"/"+policyset.FileWord(d.Name))
		}
		text, err := dropMembers(d.JSON, func(name string) bool { return ofServer[name] || strings.HasPrefix(name, "@portreeve.") })
		if err != nil {
			return err
		}
		file, err := policyset.Write(kind, word, text)
		if err != nil {
			return err
		}
		x.Text = string(file)
		*rows = append(*rows, x)
	}
	return nil
}

// alone says that an object's file holds nothing else.
func (p *planner) alone(o *policyset.Object) bool {
	return !slices.ContainsFunc(p.set.Objects, func(x *policyset.Object) bool { return x != o && x.File == o.File })
}

// freeName is a file's name that no other object has.
func freeName(taken map[string]bool, base string) string {
	name := base + ".yaml"
	for n := 2; taken[name]; n++ {
		name = base + "-" + string(written(n)) + ".yaml"
	}
	taken[name] = true
	return name
}

// pullSwitches writes every switch, assignment and setting as one document.
func (p *planner) pullSwitches(rows *[]pulled) error {
	spec, err := p.switchesSpec()
	if err != nil || len(spec) == 0 {
		return err
	}
	raw, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	text, err := policyset.Write(policyset.Switches, "", raw)
	if err != nil {
		return err
	}
	x := pulled{Kind: string(policyset.Switches), Name: "switches", File: switchesFile, Status: "new", Text: string(text)}
	if mine := p.set.Of(policyset.Switches); len(mine) > 0 {
		x.File, x.Status, x.Alone = mine[0].File, "same", len(mine) == 1 && p.alone(mine[0])
		planned := slices.ContainsFunc(p.steps(), func(s planStep) bool { return words[store.DocumentKind(s.Kind)].name == "" })
		if planned || !p.saysAll() {
			x.Status = "differs"
		}
	}
	*rows = append(*rows, x)
	return nil
}

// saysAll says that the folder says everything that is set here.
func (p *planner) saysAll() bool {
	for v := range p.switches {
		if !p.seen[managedKey{v.Kind, v.Object, v.Name}] {
			return false
		}
	}
	for v := range p.assigned {
		if !p.seen[managedKey{v.Kind, v.Object, v.Name}] {
			return false
		}
	}
	was, err := p.tx.View().Setting(p.ctx, mfaAlsoAccepts)
	return err == nil && (was == "" || p.seen[managedKey{store.ValueSetting, mfaAlsoAccepts, mfaAlsoAccepts}])
}

// switchesSpec is everything that is set, as a folder says it.
func (p *planner) switchesSpec() (map[string]any, error) {
	spec := map[string]any{}
	at := func(scope store.Scope, subject string) map[string]any {
		member := map[store.Scope]string{store.Organization: "organization", store.Domain: "domains", store.GroupScope: "groups", store.Mailbox: "mailboxes", store.PersonScope: "mailboxes"}[scope]
		if scope == store.Organization {
			return inner(spec, member)
		}
		return inner(inner(spec, member), p.subjectName(scope, subject))
	}
	for v, on := range p.switches {
		scope, name, _ := strings.Cut(v.Name, " ")
		at(store.Scope(scope), v.Object)[name] = on
	}
	for v, id := range p.assigned {
		member := "AuthenticationPolicy"
		if v.Name == string(store.Organization) {
			member = "DefaultAuthenticationPolicy"
		}
		name := id
		if d := p.live(store.AuthenticationPolicy, id); d != nil {
			name = d.Name
		}
		at(store.Scope(v.Name), v.Object)[member] = name
	}
	was, err := p.tx.View().Setting(p.ctx, mfaAlsoAccepts)
	if err == nil && was != "" {
		inner(spec, policy.HeldByOrganization)[mfaAlsoAccepts] = strings.Split(was, ";")
	}
	return spec, err
}

func inner(m map[string]any, name string) map[string]any {
	in, ok := m[name].(map[string]any)
	if !ok {
		in = map[string]any{}
		m[name] = in
	}
	return in
}

// subjectName is what people call a holder.
func (p *planner) subjectName(scope store.Scope, subject string) string {
	switch scope {
	case store.GroupScope:
		if g, err := p.tx.Group(subject); err == nil {
			return g.Name
		}
	case store.Mailbox, store.PersonScope:
		if x, err := p.tx.Person(subject); err == nil {
			return x.Address
		}
	}
	return subject
}
