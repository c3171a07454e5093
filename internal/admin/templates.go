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

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// template is a policy that many want, with what it is built on.
type template struct {
	ID          string `json:"id"`
	Name        string `json:"displayName"`
	Description string `json:"description"`

	strength func() map[string]any
	policy   func(strength string) map[string]any
}

var templates = []template{{
	ID:   "password-alone-opens-nothing",
	Name: "A password alone opens nothing",
	Description: "Programs that know only a password need an app password, an approval of the person, or to have been in use before. " +
		"It is built on an authentication strength and does not block, so that these go on working.",
	strength: func() map[string]any {
		combinations := []string{"boundAppPassword", "password,approvalWindow", "password,knownProgram"}
		for _, c := range policy.BuiltInStrengths()[0].Combinations {
			combinations = append(combinations, c.String())
		}
		return map[string]any{"policyType": "custom", "requirementsSatisfied": "none", "allowedCombinations": combinations,
			"description": "More than a password: a second factor, or what was granted to a program that can show none."}
	},
	policy: func(strength string) map[string]any {
		return map[string]any{
			"conditions": map[string]any{
				"users":          map[string]any{"includeUsers": []string{"All"}},
				"applications":   map[string]any{"includeApplications": []string{"All"}},
				"clientAppTypes": []string{"exchangeActiveSync", "other"},
			},
			"grantControls": map[string]any{"operator": "OR", "builtInControls": []string{}, "authenticationStrength": map[string]any{"id": strength}},
		}
	},
}}

func (a *api) templates(*http.Request) (any, error) { return list(templates), nil }

// fromTemplate is what a template came to.
type fromTemplate struct {
	Strength json.RawMessage `json:"authenticationStrength"`
	Policy   json.RawMessage `json:"policy"`
	Preview  preview         `json:"preview"`
	DryRun   bool            `json:"dryRun"`
}

// useTemplate makes a template's objects, in one change, report-only at first,
// and says what the policy would do by what it would have done.
func (a *api) useTemplate(r *http.Request) (any, error) {
	var c struct {
		Name   string `json:"displayName"`
		Days   int    `json:"days"`
		DryRun bool   `json:"dryRun"`
	}
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(templates, func(t template) bool { return t.ID == r.PathValue("id") })
	if i < 0 {
		names := make([]string, len(templates))
		for i, t := range templates {
			names[i] = t.ID
		}
		return nil, notFound("template", r.PathValue("id"), names...)
	}
	t := templates[i]
	strength, rule, err := t.documents(cmp.Or(c.Name, t.Name))
	if err != nil {
		return nil, err
	}
	if _, err := a.Store.Document(r.Context(), store.Policy, rule.Name); err == nil && !c.DryRun {
		return nil, nameTaken(rule.Name)
	}
	left, err := a.leftOver(r, strength, rule)
	if err != nil {
		return nil, err
	}
	out := fromTemplate{Strength: strength.JSON, Policy: rule.JSON, DryRun: c.DryRun}
	if out.Preview, err = a.preview(r, strength.JSON, rule.JSON, cmp.Or(min(max(c.Days, 0), previewMost), previewDays)); err != nil {
		return nil, err
	}
	if c.DryRun {
		return out, nil
	}
	_, err = a.change(r, func(tx *store.Tx) error {
		if !left {
			if err := tx.PutDocument(strength); err != nil {
				return err
			}
		}
		return tx.PutDocument(rule)
	})
	if errors.Is(err, store.ErrExists) {
		return nil, nameTaken(rule.Name)
	}
	return created{out}, err
}

func nameTaken(name string) error {
	return conflict("there is a policy named %q already", name).
		then("`portreeve policy show %s` shows it, `portreeve policy enable %[1]s` enforces it; --name gives another one its own name", shellWord(name))
}

// leftOver says whether the template's strength is there already, left from a
// policy that was deleted, and builds the policy on it. One of that name that
// says something else is in the way.
func (a *api) leftOver(r *http.Request, strength, rule *store.Document) (bool, error) {
	old, err := a.Store.Document(r.Context(), store.Strength, strength.Name)
	if err != nil {
		return false, nil // what is wrong with the database, the change itself tells
	}
	var was, is struct {
		Allowed []string `json:"allowedCombinations"`
	}
	if json.Unmarshal(old.JSON, &was) != nil || json.Unmarshal(strength.JSON, &is) != nil || !slices.Equal(was.Allowed, is.Allowed) {
		return false, conflict("there is an authentication strength named %q already, and it says something else", strength.Name).then("--name gives the policy and its strength another name")
	}
	rule.JSON = bytes.Replace(rule.JSON, []byte(strength.ID), []byte(old.ID), 1)
	*strength = old
	return true, nil
}

const (
	previewDays = 30
	previewMost = 366
)

// documents are a template's strength and policy, checked as any others.
func (t *template) documents(name string) (strength, rule *store.Document, err error) {
	now := time.Now().UTC().Format(time.RFC3339)
	strength = &store.Document{Kind: store.Strength, ID: store.NewID().String(), Name: name}
	rule = &store.Document{Kind: store.Policy, ID: store.NewID().String(), Name: name, State: policy.ReportOnly.String()}
	s, p := t.strength(), t.policy(strength.ID)
	s["id"], s["displayName"], s["createdDateTime"], s["modifiedDateTime"] = strength.ID, name, now, now
	p["id"], p["displayName"], p["state"], p["createdDateTime"], p["modifiedDateTime"] = rule.ID, name, rule.State, now, now
	if strength.JSON, err = json.Marshal(s); err != nil {
		return nil, nil, err
	}
	rule.JSON, err = json.Marshal(p)
	return strength, rule, err
}

// preview is what a policy would have done to recorded sign-ins that were let in.
type preview struct {
	From    time.Time `json:"from"`
	SignIns int64     `json:"signIns"`
	Pass    int64     `json:"pass"`
	Share   float64   `json:"share"`  // 0 to 1
	People  int       `json:"people"` // who signed in
	Left    []refusal `json:"left"`   // what would be refused, most first
}

// refusal is what of one person's sign-ins would not pass.
type refusal struct {
	User     string    `json:"user"`
	Protocol string    `json:"protocol"`
	Program  string    `json:"program"`
	Country  string    `json:"country"`
	SignIns  int64     `json:"signIns"`
	Of       int64     `json:"of"` // the person's sign-ins in all
	Last     time.Time `json:"last"`
	Why      string    `json:"why"`
	Do       string    `json:"do"`
}

// preview judges every recorded sign-in that was let in by the one policy as if
// it were enforced: the facts as they were, and what is granted now.
func (a *api) preview(r *http.Request, strength, rule json.RawMessage, days int) (preview, error) {
	snap, err := alone(strength, rule)
	if err != nil {
		return preview{}, err
	}
	out := preview{From: time.Now().AddDate(0, 0, -days), Left: []refusal{}}
	type key struct{ person, protocol, program, country string }
	left, of := map[key]*refusal{}, map[string]int64{}
	for e, err := range a.Store.AllEvents(r.Context(), store.EventFilter{From: out.From, Outcome: store.Succeeded}) {
		if err != nil {
			return out, err
		}
		f, n := e.Facts, max(e.Count, 1)
		out.SignIns += n
		of[f.Address] += n
		knock := knockOf(e)
		f.Proven = true
		if f.Credential == policy.CredentialPassword {
			f.Methods |= policy.MethodPassword | a.Approvals.Methods(knock)
		}
		if policy.Judge(snap, &f, nil).Allowed() {
			out.Pass += n
			continue
		}
		k := key{f.Address, f.Protocol.String(), f.Program, f.Country}
		x := left[k]
		if x == nil {
			x = &refusal{User: k.person, Protocol: k.protocol, Program: k.program, Country: k.country}
			x.Why, x.Do = a.Approvals.Advice(knock)
			left[k] = x
		}
		x.SignIns, x.Last = x.SignIns+n, e.At
	}
	for _, x := range left {
		x.Of = of[x.User]
		out.Left = append(out.Left, *x)
	}
	slices.SortFunc(out.Left, func(x, y refusal) int {
		return cmp.Or(cmp.Compare(y.SignIns, x.SignIns), strings.Compare(x.User+x.Protocol+x.Program+x.Country, y.User+y.Protocol+y.Program+y.Country))
	})
	out.People = len(of)
	if out.SignIns > 0 {
		out.Share = float64(out.Pass) / float64(out.SignIns)
	}
	return out, nil
}

func knockOf(e *signin.Event) approval.Knock {
	f := &e.Facts
	return approval.Knock{ID: e.ID, At: e.At, Person: f.Person, Protocol: f.Protocol, Program: f.Program, JA4: e.TLS.JA4, Addr: f.Addr,
		Country: f.Country, ASN: f.ASN, Owner: e.NetOwner}
}

// alone is a snapshot of one enforced policy and its strength.
func alone(strength, rule json.RawMessage) (*policy.Snapshot, error) {
	s, err := graph.Strength(strength)
	if err != nil {
		return nil, badObject(err)
	}
	p, err := graph.Policy(rule)
	if err != nil {
		return nil, badObject(err)
	}
	p.State = policy.Enabled
	snap, warnings := policy.Compile(policy.Source{Policies: []policy.Policy{p}, Strengths: []policy.Strength{s}, Zone: time.LoadLocation})
	if len(warnings) > 0 {
		return nil, fmt.Errorf("the template is not enforced as it stands: %v", warnings[0])
	}
	return snap, nil
}
