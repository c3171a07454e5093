package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/portreeve/portreeve/internal/name"
	"github.com/portreeve/portreeve/internal/policy/exchange"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/tenant"
)

// Authentication policies are kept as PowerShell prints them, with every
// member they came with.

func (a *api) authPolicies(r *http.Request) (any, error) {
	docs, err := a.Store.AuthenticationPolicies(r.Context())
	if err != nil {
		return nil, err
	}
	managed, err := a.managedDocuments(r, store.AuthenticationPolicy)
	if err != nil {
		return nil, err
	}
	rows := []json.RawMessage{}
	for _, d := range docs {
		text, err := withManaged(d.JSON, d.ID, managed)
		if err != nil {
			return nil, err
		}
		rows = append(rows, text)
	}
	return list(rows), nil
}

func (a *api) findAuthPolicy(r *http.Request, name string) (store.Document, error) {
	d, err := a.Store.Document(r.Context(), store.AuthenticationPolicy, name)
	if errors.Is(err, store.ErrNotFound) {
		return d, notFound("authentication policy", name, a.namesOf(r, store.AuthenticationPolicy)...)
	}
	return d, err
}

func (a *api) authPolicy(r *http.Request) (any, error) {
	d, err := a.findAuthPolicy(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	managed, err := a.managedDocuments(r, store.AuthenticationPolicy)
	if err != nil {
		return nil, err
	}
	body, err := withManaged(d.JSON, d.ID, managed)
	return raw{"application/json", body}, err
}

// readAuthPolicies reads a file of policies: one object or a list as JSON, what
// Export-Csv writes, and what these are wrapped in besides (CLIXML, Graph's
// pages, lines).
func readAuthPolicies(file []byte) ([]*exchange.AuthenticationPolicy, error) {
	all, err := exchange.ReadAuthenticationPolicies(bytes.NewReader(file))
	if err == nil {
		return all, nil
	}
	sheet, was, fault := tenant.AsCSV(file)
	if fault == nil && was != "" {
		all, fault = exchange.ReadAuthenticationPolicies(bytes.NewReader(sheet))
	}
	switch was {
	case "clixml":
		return all, fault
	case "json":
		if fault == nil {
			return all, nil
		}
	}
	return nil, err
}

// importAuthPolicies makes or replaces the policies of a file.
func (a *api) importAuthPolicies(r *http.Request) (any, error) {
	file, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	all, err := readAuthPolicies(file)
	if err != nil {
		return nil, badFile(err)
	}
	if len(all) == 0 {
		return nil, bad("", "there is no authentication policy in it")
	}
	docs := make([]store.Document, len(all))
	rows := make([]json.RawMessage, len(all))
	for i, p := range all {
		d := store.Document{Kind: store.AuthenticationPolicy, ID: p.ID, Name: p.Name, JSON: p.JSON()}
		if old, err := a.Store.Document(r.Context(), store.AuthenticationPolicy, p.Name); err == nil {
			d.ID = old.ID
		}
		docs[i], rows[i] = d, d.JSON
	}
	if r.URL.Query().Get("dryRun") == "true" {
		return list(rows), nil
	}
	report, err := a.change(r, func(tx *store.Tx) error {
		for i := range docs {
			if err := tx.PutDocument(&docs[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := list(rows)
	out["@portreeve.sessions"] = sessionsOf(report)
	return created{out}, nil
}

// badFile is a fault in a file of PowerShell's; its target is the line.
func badFile(err error) error {
	var e *exchange.Error
	if !errors.As(err, &e) {
		return bad("", "%v", err)
	}
	return bad(fmt.Sprintf("line %d", e.Line), "%v", err)
}

// changeAuthPolicy sets switches such as AllowBasicAuthImap; null is not said.
func (a *api) changeAuthPolicy(r *http.Request) (any, error) {
	d, err := a.findAuthPolicy(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	var values map[string]*bool
	if err := decode(r, &values); err != nil {
		return nil, err
	}
	all, err := exchange.ReadAuthenticationPolicies(bytes.NewReader(d.JSON))
	if err != nil || len(all) != 1 {
		return nil, fmt.Errorf("reading authentication policy %s: %w", d.Name, err)
	}
	for name, v := range values {
		if err := all[0].Set(name, v); err != nil {
			return nil, bad(name, "%v", err)
		}
	}
	d.JSON = all[0].JSON()
	report, err := a.change(r, func(tx *store.Tx) error { return tx.PutDocument(&d) })
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(sessionsOf(report))
	if err != nil {
		return nil, err
	}
	out, err := setMember(d.JSON, "@portreeve.sessions", text)
	return json.RawMessage(out), err
}

func (a *api) deleteAuthPolicy(r *http.Request) (any, error) {
	d, err := a.findAuthPolicy(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	_, err = a.change(r, func(tx *store.Tx) error { return tx.DeleteDocument(store.AuthenticationPolicy, d.ID) })
	return nil, err
}

// assignment is who has which authentication policy, with names.
type assignment struct {
	Scope       store.Scope `json:"scope"` // organization, group or person
	Subject     string      `json:"subject"`
	SubjectName string      `json:"subjectName"`
	Policy      string      `json:"policy"`
	PolicyName  string      `json:"policyName"`
}

func (a *api) assignments(r *http.Request) (any, error) {
	all, err := a.Store.Assignments(r.Context())
	if err != nil {
		return nil, err
	}
	rows := []assignment{}
	for _, x := range all {
		row := assignment{Scope: x.Scope, Subject: x.Subject, SubjectName: a.nameOf(r, x.Scope, x.Subject), Policy: x.Policy, PolicyName: x.Policy}
		if d, err := a.Store.Document(r.Context(), store.AuthenticationPolicy, x.Policy); err == nil {
			row.PolicyName = d.Name
		}
		rows = append(rows, row)
	}
	return list(rows), nil
}

// nameOf is what people call the holder of a switch or an assignment.
func (a *api) nameOf(r *http.Request, scope store.Scope, subject string) string {
	switch scope {
	case store.GroupScope:
		if g, err := a.Store.Group(r.Context(), subject); err == nil {
			return g.Name
		}
	case store.Mailbox, store.PersonScope:
		if p, err := a.Store.Person(r.Context(), subject); err == nil {
			return p.Address
		}
	}
	return subject
}

// subjectOf finds the holder that a scope and a name mean, and returns its id.
func (a *api) subjectOf(r *http.Request, scope store.Scope, name string) (string, error) {
	switch scope {
	case store.Organization:
		if name != "" {
			return "", bad("subject", "the organisation has no name here")
		}
		return "", nil
	case store.Domain:
		return domain(name)
	case store.GroupScope:
		g, err := a.findGroup(r, name)
		return g.ID, err
	case store.Mailbox, store.PersonScope:
		p, err := a.findPerson(r, name)
		return p.ID, err
	}
	return "", bad("scope", "the scope is organization, domain, group, mailbox or person, not %q", scope)
}

// assign gives somebody an authentication policy, or with an empty policy takes it away.
func (a *api) assign(r *http.Request) (any, error) {
	var c store.Assignment
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	var err error
	if c.Scope == store.Domain || c.Scope == store.Mailbox {
		return nil, bad("scope", "authentication policies are assigned to the organization, a group or a person")
	}
	if c.Subject, err = a.subjectOf(r, c.Scope, c.Subject); err != nil {
		return nil, err
	}
	if c.Policy != "" {
		d, err := a.findAuthPolicy(r, c.Policy)
		if err != nil {
			return nil, err
		}
		c.Policy = d.ID
	}
	report, err := a.change(r, func(tx *store.Tx) error { return tx.PutAssignment(c) })
	if err != nil {
		return nil, err
	}
	return map[string]any{"@portreeve.sessions": sessionsOf(report)}, nil
}

// domain is the canonical form of a domain's name.
func domain(typed string) (string, error) {
	d, err := name.Domain(strings.TrimPrefix(typed, "@"))
	if err != nil {
		return "", bad("subject", "%q is no domain: %v", typed, err)
	}
	return d, nil
}
