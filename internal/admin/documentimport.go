package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/portreeve/portreeve/internal/lint"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// importedObjects is what became of each object of an import, in its order.
type importedObjects struct {
	Value []importedObject `json:"value"`
}

type importedObject struct {
	Object json.RawMessage `json:"object"` // as any answer about it
	New    bool            `json:"new"`
}

// arrival is one object on its way in.
type arrival struct {
	doc   store.Document
	text  []byte
	isNew bool
	notes []policy.Warning
	found []lint.Finding
}

// imports makes or replaces the objects of a JSON list, all of them in one
// change or none. One with an id, or else a name, that is known is replaced. A
// fault is told with its place in the list.
func (d documents) imports(r *http.Request) (any, error) {
	var texts []json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&texts); err != nil {
		return nil, bad("", "a list of objects is expected: %v", err)
	}
	all := make([]arrival, len(texts))
	for i, text := range texts {
		a, err := d.arrive(r, text)
		if err != nil {
			return nil, placed(err, i)
		}
		all[i] = a
	}
	if err := d.lintAll(r, all); err != nil {
		return nil, err
	}
	if r.URL.Query().Get("dryRun") == "true" {
		return d.imported(all, nil, false)
	}
	report, err := d.change(r, func(tx *store.Tx) error {
		for i := range all {
			if err := tx.PutDocument(&all[i].doc); err != nil {
				if errors.Is(err, store.ErrExists) {
					err = &Error{Status: http.StatusConflict, Code: "Conflict", Target: "/displayName", Message: fmt.Sprintf("there is another %s named %q", words[d.kind].name, all[i].doc.Name)}
				}
				return placed(err, i)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	sessions, err := json.Marshal(sessionsOf(report))
	if err != nil {
		return nil, err
	}
	return d.imported(all, sessions, true)
}

// imported is the answer: what a change did to open sessions is told once, with
// the last object.
func (d documents) imported(all []arrival, sessions json.RawMessage, inForce bool) (any, error) {
	out := importedObjects{Value: make([]importedObject, len(all))}
	warnings := map[string][]policy.Warning{}
	if inForce {
		for _, w := range d.Warnings() {
			warnings[w.ID] = append(warnings[w.ID], w)
		}
	}
	for i, a := range all {
		text, err := d.answer(a.text, joined(warnings[a.doc.ID], a.notes), nil)
		if err != nil {
			return nil, err
		}
		if text, err = withFindings(text, a.found); err != nil {
			return nil, err
		}
		if sessions != nil && i == len(all)-1 {
			if text, err = setMember(text, "@portreeve.sessions", sessions); err != nil {
				return nil, err
			}
		}
		out.Value[i] = importedObject{text, a.isNew}
	}
	return out, nil
}

// lintAll finds what is found of objects that come in together.
func (d documents) lintAll(r *http.Request, all []arrival) error {
	docs := make([]*store.Document, len(all))
	for i := range all {
		docs[i] = &all[i].doc
	}
	found, err := d.findings(r, docs...)
	if err != nil {
		return err
	}
	for i := range all {
		all[i].found = found[all[i].doc.ID]
		if err := strictly(r, all[i].found); err != nil {
			return placed(err, i)
		}
	}
	return nil
}

// arrive reads one object and finds out which one it replaces.
func (d documents) arrive(r *http.Request, given []byte) (a arrival, err error) {
	a.text, err = dropMembers(given, func(name string) bool { return strings.HasPrefix(name, "@portreeve.") })
	if err != nil {
		return a, bad("", "the %s is not readable as JSON: %v", words[d.kind].name, err)
	}
	known, key := textMember(a.text, "id"), ""
	if key = known; key == "" {
		key = textMember(a.text, "displayName")
	}
	a.isNew = true
	if key != "" {
		before, err := d.Store.Document(r.Context(), d.kind, key)
		switch {
		case err == nil && (known == "" || before.ID == known):
			a.doc, a.isNew = before, false
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return a, err
		}
	}
	if known != "" && a.isNew {
		if _, err := signin.ParseID(known); err != nil {
			return a, bad("/id", "%v", err)
		}
	}
	a.doc.Kind = d.kind
	if a.text, err = d.identify(&a.doc, a.text); err != nil {
		return a, err
	}
	if a.text, err = withState(r, a.text); err != nil {
		return a, err
	}
	if a.notes, err = d.check(r, &a.doc, a.text); err != nil {
		return a, err
	}
	a.doc.JSON = a.text
	return a, nil
}

// placed puts the place in the list before what a fault is about.
func placed(err error, i int) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	moved := *e
	base := "/" + strconv.Itoa(i)
	moved.Target = base + e.Target
	moved.Details = nil
	for _, more := range e.Details {
		more.Target = base + more.Target
		moved.Details = append(moved.Details, more)
	}
	return &moved
}
