package admin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/template"
)

// ownTemplate is a template as our own API lists it; its id is its name, which
// is what people type.
type ownTemplate struct {
	ID          string               `json:"id"`
	TemplateID  string               `json:"templateId"`
	Name        string               `json:"displayName"`
	Description string               `json:"description"`
	Origin      string               `json:"origin"`
	Parameters  []template.Parameter `json:"parameters"`
}

func (a *api) templates(*http.Request) (any, error) {
	rows := []ownTemplate{}
	for _, t := range template.All() {
		rows = append(rows, ownTemplate{t.Name, t.ID, t.DisplayName, t.Description, t.Origin, append([]template.Parameter{}, t.Parameters...)})
	}
	return list(rows), nil
}

// fromTemplate is what a template came to. Strength and Location are null where
// it has none; Policy is the first of its policies.
type fromTemplate struct {
	Strength json.RawMessage   `json:"authenticationStrength"`
	Location json.RawMessage   `json:"namedLocation"`
	Policy   json.RawMessage   `json:"policy"`
	Policies []json.RawMessage `json:"policies"`
	Preview  preview           `json:"preview"`
	DryRun   bool              `json:"dryRun"`
}

// filledIn is what a client says of a template.
type filledIn struct {
	Name       string              `json:"displayName"`
	Days       int                 `json:"days"`
	DryRun     bool                `json:"dryRun"`
	Parameters map[string][]string `json:"parameters"`
}

// useTemplate makes a template's objects, in one change, report-only at first,
// and says what the policies would do by what they would have done.
func (a *api) useTemplate(r *http.Request) (any, error) {
	var c filledIn
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	t, known := template.Find(r.PathValue("id"))
	if !known {
		return nil, notFound("template", r.PathValue("id"), template.Names()...)
	}
	k, err := a.fillIn(r, &t, &c)
	if err != nil {
		return nil, err
	}
	out := fromTemplate{Strength: jsonOf(k.strength), Location: jsonOf(k.location), DryRun: c.DryRun}
	for _, p := range k.policies {
		out.Policies = append(out.Policies, p.JSON)
	}
	out.Policy = out.Policies[0]
	if out.Preview, err = a.preview(r, k, cmp.Or(min(max(c.Days, 0), previewMost), previewDays)); err != nil {
		return nil, err
	}
	if c.DryRun {
		return out, nil
	}
	for _, x := range k.fresh {
		if err := needsForKind(r, x.Kind); err != nil {
			return nil, err
		}
	}
	_, err = a.change(r, func(tx *store.Tx) error {
		for _, x := range k.fresh {
			if err := tx.PutDocument(x); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, store.ErrExists) {
		return nil, nameTaken(k.policies[0].Name)
	}
	return created{out}, err
}

func jsonOf(x *store.Document) json.RawMessage {
	if x == nil {
		return json.RawMessage("null")
	}
	return x.JSON
}

// made are the documents of a template: all of them, and those that are not
// there yet.
type made struct {
	strength, location *store.Document
	policies           []*store.Document
	fresh              []*store.Document
}

// fillIn makes a template's documents, with the groups' ids in the place of
// their names, on the strength and the location that are left from a policy
// that was deleted, if they say the same.
func (a *api) fillIn(r *http.Request, t *template.Template, c *filledIn) (*made, error) {
	set, err := a.groupsNamed(r, t, c.Parameters)
	if err != nil {
		return nil, err
	}
	objects, err := t.Make(template.Request{Name: c.Name, Set: set, Now: time.Now(), NewID: func() string { return store.NewID().String() }})
	if f := (*template.Fault)(nil); errors.As(err, &f) {
		return nil, bad(f.Parameter, "%s", f.Message)
	}
	if err != nil {
		return nil, err
	}
	k := &made{}
	for _, o := range objects.Policies {
		x := &store.Document{Kind: store.Policy, ID: o.ID, Name: o.Name, State: policy.ReportOnly.String(), JSON: o.JSON}
		if _, err := a.Store.Document(r.Context(), store.Policy, x.Name); err == nil && !c.DryRun {
			return nil, nameTaken(x.Name)
		}
		k.policies = append(k.policies, x)
	}
	if k.strength, err = a.base(r, k, store.Strength, objects.Strength); err != nil {
		return nil, err
	}
	if k.location, err = a.base(r, k, store.Location, objects.Location); err != nil {
		return nil, err
	}
	k.fresh = append(k.fresh, k.policies...)
	return k, nil
}

// groupsNamed puts the ids of groups in the place of their names. One that is
// not there is refused: the policy would be for nobody.
func (a *api) groupsNamed(r *http.Request, t *template.Template, given map[string][]string) (map[string][]string, error) {
	set := map[string][]string{}
	for name, values := range given {
		set[name] = slices.Clone(values)
	}
	for _, p := range t.Parameters {
		if p.Kind != template.Group || len(set[p.Name]) == 0 {
			continue
		}
		all, err := a.Store.Groups(r.Context())
		if err != nil {
			return nil, err
		}
		for i, name := range set[p.Name] {
			at := slices.IndexFunc(all, func(g store.Group) bool { return strings.EqualFold(g.Name, name) || strings.EqualFold(g.ID, name) })
			if at < 0 {
				return nil, bad(p.Name, "there is no group %q", name).then("`portreeve group add %s` makes it", shellWord(name))
			}
			set[p.Name][i] = all[at].ID
		}
	}
	return set, nil
}

func nameTaken(name string) error {
	return conflict("there is a policy named %q already", name).
		then("`portreeve policy show %s` shows it, `portreeve policy enable %[1]s` enforces it; --name gives another one its own name", shellWord(name))
}

// base is the strength or the location that a template's policies are built on.
// One of its name that is there already is used if it says the same, and else
// is in the way.
func (a *api) base(r *http.Request, k *made, kind store.DocumentKind, o *template.Object) (*store.Document, error) {
	if o == nil {
		return nil, nil
	}
	x := &store.Document{Kind: kind, ID: o.ID, Name: o.Name, JSON: o.JSON}
	old, err := a.Store.Document(r.Context(), kind, o.Name)
	if err != nil { // what is wrong with the database, the change itself tells
		k.fresh = append(k.fresh, x)
		return x, nil
	}
	if !saysTheSame(old.JSON, x.JSON) {
		return nil, conflict("there is a %s named %q already, and it says something else", words[kind].name, o.Name).
			then("rename that one; for a strength, --name gives the policy and its strength another name")
	}
	for _, p := range k.policies {
		p.JSON = bytes.ReplaceAll(p.JSON, []byte(x.ID), []byte(old.ID))
	}
	return &old, nil
}

// saysTheSame compares objects by what decides: not by id, words and times.
func saysTheSame(a, b json.RawMessage) bool {
	var was, is map[string]any
	if json.Unmarshal(a, &was) != nil || json.Unmarshal(b, &is) != nil {
		return false
	}
	for _, name := range []string{"allowedCombinations", "ipRanges", "countriesAndRegions", "includeUnknownCountriesAndRegions", "isTrusted"} {
		if fmt.Sprint(was[name]) != fmt.Sprint(is[name]) {
			return false
		}
	}
	return true
}

const (
	previewDays = 30
	previewMost = 366
)
