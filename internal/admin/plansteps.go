package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policyset"
	"github.com/portreeve/portreeve/internal/store"
)

// plannedChange is what a plan does to one object.
type plannedChange struct {
	Action   string       `json:"action"` // add, change, remove
	Kind     string       `json:"kind"`
	ID       string       `json:"id"`
	Name     string       `json:"name"`
	File     string       `json:"file"`
	Line     int          `json:"line,omitempty"`
	Sentence string       `json:"sentence"` // what it comes to
	Words    []string     `json:"words"`    // more of it: whom, from where, what is asked for
	Changes  []difference `json:"changes"`
	// Since tells who changed it here since the folder was applied, by another way.
	Since string `json:"changedHereBy,omitempty"`
}

// takenOver is an object that is on the server already as the folder has it, and
// is managed from its file from now on.
type takenOver struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	Name string `json:"name"`
	File string `json:"file"`
}

// planStep is one change and how it is carried out.
type planStep struct {
	plannedChange
	do func(*store.Tx) error
}

// planner works out inside a transaction what makes the server say what a
// folder says.
type planner struct {
	a      *api
	ctx    context.Context // of the request it lives for
	tx     *store.Tx
	set    *policyset.Set
	commit string

	docs    map[store.DocumentKind][]store.Document
	byID    map[documentKey]*store.Document
	byName  map[documentKey]*store.Document
	managed map[managedKey]store.Managed
	seen    map[managedKey]bool
	said    map[documentKey]bool // what the folder calls its objects
	ids     map[*policyset.Object]string
	refs    map[policyset.Kind]map[string]string // words in files to ids here
	auth    map[string]string                    // authentication policies by what people call them, in lower case, to ids here

	switches map[store.Value]bool // that are set
	assigned map[store.Value]string

	removals, puts, policies []planStep // in the order in which they are carried out
	adopts                   []takenOver
	keep                     []store.Managed // where what is takenOver comes from
	forget                   []store.Managed // managed still, though it is gone
	notes                    []string
}

// documentKey is a kind and an id or a name in lower case.
type documentKey struct {
	kind store.DocumentKind
	word string
}

type managedKey struct{ kind, object, name string }

func keyOf(m *store.Managed) managedKey { return managedKey{m.Kind, m.Object, m.Name} }

// plan works everything out.
func (a *api) planIn(ctx context.Context, tx *store.Tx, set *policyset.Set, commit string) (*planner, error) {
	p := &planner{a: a, ctx: ctx, tx: tx, set: set, commit: commit, docs: map[store.DocumentKind][]store.Document{}, byID: map[documentKey]*store.Document{}, byName: map[documentKey]*store.Document{}, managed: map[managedKey]store.Managed{},
		seen: map[managedKey]bool{}, ids: map[*policyset.Object]string{}, refs: map[policyset.Kind]map[string]string{}}
	if err := p.read(); err != nil {
		return nil, err
	}
	if err := p.identify(); err != nil {
		return nil, err
	}
	for _, kind := range policyset.Kinds {
		if kind == policyset.Switches {
			if err := p.values(); err != nil {
				return nil, err
			}
		}
		for _, o := range set.Of(kind) {
			if _, document := kinds[kind]; !document {
				continue
			}
			if err := p.document(o); err != nil {
				return nil, err
			}
		}
	}
	if err := p.gone(); err != nil {
		return nil, err
	}
	return p, p.waits()
}

func (p *planner) read() error {
	all, err := p.tx.AllManaged()
	if err != nil {
		return err
	}
	for _, m := range all {
		p.managed[keyOf(&m)] = m
	}
	for _, kind := range kinds {
		if p.docs[kind], err = p.tx.View().Documents(p.ctx, kind); err != nil {
			return err
		}
		for i := range p.docs[kind] {
			d := &p.docs[kind][i]
			p.byID[documentKey{kind, strings.ToLower(d.ID)}], p.byName[documentKey{kind, strings.ToLower(d.Name)}] = d, d
		}
	}
	return p.current()
}

// live finds an object that is there, by its id; nil if there is none.
func (p *planner) live(kind store.DocumentKind, id string) *store.Document {
	return p.byID[documentKey{kind, strings.ToLower(id)}]
}

// named is live by the name.
func (p *planner) named(kind store.DocumentKind, name string) *store.Document {
	return p.byName[documentKey{kind, strings.ToLower(name)}]
}

// identify finds which object here each of the folder's is: the one that the
// folder managed by that word before, else the one with its id, else the one
// with its name; else it is new.
func (p *planner) identify() error {
	byWord := map[string]string{}
	for _, m := range p.managed {
		byWord[m.Kind+"\x00"+strings.ToLower(m.Word)] = m.Object
	}
	taken := map[string]*policyset.Object{}
	p.said = map[documentKey]bool{}
	for _, o := range p.set.Objects {
		p.said[documentKey{kinds[o.Kind], strings.ToLower(o.Key())}] = true
	}
	for _, o := range p.set.Objects {
		kind, document := kinds[o.Kind]
		if !document {
			continue
		}
		id, known := byWord[string(kind)+"\x00"+strings.ToLower(o.Key())]
		if !known {
			id = p.idOf(kind, o)
		}
		if other := taken[id]; other != nil {
			return faulted(o, "", "this and %s are one object here, %s %q", other.Place(), o.Kind.Word(), other.Name)
		}
		taken[id], p.ids[o] = o, id
		if o.ID != "" && !strings.EqualFold(o.ID, o.Name) {
			if p.refs[o.Kind] == nil {
				p.refs[o.Kind] = map[string]string{}
			}
			p.refs[o.Kind][strings.ToLower(o.ID)] = id
		}
	}
	p.nameAuth()
	return nil
}

// nameAuth notes what authentication policies are called, here and in the
// folder, which wins. What the folder managed and has no more goes by this very
// plan: nobody is given it.
func (p *planner) nameAuth() {
	p.auth = map[string]string{}
	stays := map[string]bool{}
	for _, id := range p.ids {
		stays[id] = true
	}
	for _, d := range p.docs[store.AuthenticationPolicy] {
		if _, managed := p.managed[managedKey{string(store.AuthenticationPolicy), d.ID, ""}]; managed && !stays[d.ID] {
			continue
		}
		p.auth[strings.ToLower(d.Name)], p.auth[strings.ToLower(d.ID)] = d.ID, d.ID
	}
	for _, o := range p.set.Of(policyset.AuthenticationPolicy) {
		p.auth[strings.ToLower(o.Name)], p.auth[strings.ToLower(o.Key())] = p.ids[o], p.ids[o]
	}
}

func (p *planner) idOf(kind store.DocumentKind, o *policyset.Object) string {
	if isID(o.ID) {
		if d := p.live(kind, o.ID); d != nil {
			return d.ID
		}
		return o.ID
	}
	if d := p.named(kind, o.Name); d != nil && o.Name != "" {
		m, managed := p.managed[managedKey{string(kind), d.ID, ""}]
		if !managed || !p.said[documentKey{kind, strings.ToLower(m.Word)}] { // no file has it, or its file calls it otherwise now
			return d.ID
		}
	}
	return idFor(kind, o.Key())
}

// adopt notes what is here already as the folder has it.
func (p *planner) adopt(m store.Managed, name string) error {
	was, managed := p.managed[keyOf(&m)]
	if managed && was.Word == m.Word && was.File == m.File {
		return nil
	}
	p.adopts = append(p.adopts, takenOver{m.Kind, m.Object, name, m.File})
	p.keep = append(p.keep, m)
	return nil
}

// since tells who changed something managed by another way than the files.
func (p *planner) since(k managedKey) (string, error) {
	m, managed := p.managed[k]
	if !managed {
		return "", nil
	}
	last, err := p.tx.LastChange(k.kind, k.object, k.name)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil || last.Origin == store.OriginFiles || !last.At.After(m.At) {
		return "", err
	}
	return fmt.Sprintf("%s at %s", last.Actor.Name, last.At.UTC().Format(time.RFC3339)), nil
}

// steps are all, in the order in which they are carried out: what goes gives its
// name free, and what is named is there before what names it.
func (p *planner) steps() []planStep { return slices.Concat(p.removals, p.puts, p.policies) }

// carryOut makes all of it.
func (p *planner) carryOut() error {
	for _, s := range p.steps() {
		if err := s.do(p.tx); err != nil {
			return err
		}
	}
	for _, m := range p.keep {
		if err := p.tx.PutManaged(m); err != nil {
			return err
		}
	}
	for _, m := range p.forget {
		if err := p.tx.Release(m.Kind, m.Object, m.Name); err != nil {
			return err
		}
	}
	return nil
}

// nothing says that the server is as the folder has it.
func (p *planner) nothing() bool { return len(p.removals)+len(p.puts)+len(p.policies) == 0 }

// changes are told with policies first, since they are what people ask about.
func (p *planner) changes() []plannedChange {
	all := []plannedChange{}
	for _, s := range slices.Concat(p.policies, p.puts, p.removals) {
		all = append(all, s.plannedChange)
	}
	return all
}

// id names the plan: it changes with what would be done, and with any change of
// the rules here.
func (p *planner) id() (string, int64, error) {
	version, err := p.tx.RulesVersion()
	if err != nil {
		return "", 0, err
	}
	id, err := digest(version, p.changes(), p.adopts)
	return id, version, err
}
