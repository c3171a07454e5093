package admin

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/filter"
	"github.com/portreeve/portreeve/internal/store"
)

// directoryAudit is a row of our audit in Graph's shape.
type directoryAudit struct {
	ID          string           `json:"id"`
	Category    string           `json:"category"`
	Correlation *string          `json:"correlationId"`
	Result      string           `json:"result"`
	Reason      string           `json:"resultReason"`
	Name        string           `json:"activityDisplayName"`
	At          time.Time        `json:"activityDateTime"`
	Service     string           `json:"loggedByService"`
	Operation   string           `json:"operationType"`
	By          auditInitiator   `json:"initiatedBy"`
	Targets     []auditTarget    `json:"targetResources"`
	Details     []map[string]any `json:"additionalDetails"`
}

// auditInitiator is a person of the server's own system, or a token.
type auditInitiator struct {
	User *auditIdentity `json:"user"`
	App  *auditIdentity `json:"app"`
}

type auditIdentity struct {
	ID   *string `json:"id"`
	Name string  `json:"displayName"`
}

type auditTarget struct {
	ID       string        `json:"id"`
	Name     string        `json:"displayName"`
	Type     string        `json:"type"`
	Modified []auditMember `json:"modifiedProperties"`
}

type auditMember struct {
	Name string  `json:"displayName"`
	Old  *string `json:"oldValue"`
	New  *string `json:"newValue"`
}

// operations are Graph's words for what is done to an object.
var operations = map[string]string{"create": "Add", "update": "Update", "delete": "Delete"}

func directoryAuditOf(x *store.Audit) directoryAudit {
	operation := operations[x.Action]
	if operation == "" {
		operation = strings.ToUpper(x.Action[:min(1, len(x.Action))]) + x.Action[min(1, len(x.Action)):]
	}
	text := func(b []byte) *string {
		if len(b) == 0 {
			return nil
		}
		s := string(b)
		return &s
	}
	d := directoryAudit{ID: auditID(x.N), Category: "Policy", Result: "success", Reason: x.Reason, Name: operation + " " + x.Kind, At: x.At.UTC(),
		Service: "Portreeve", Operation: operation, Targets: []auditTarget{{x.Object, x.Name, x.Kind, []auditMember{{x.Kind, text(x.Before), text(x.After)}}}},
		Details: []map[string]any{}}
	if x.Origin != "" {
		d.Details = append(d.Details, map[string]any{"key": "origin", "value": x.Origin})
	}
	if name, is := strings.CutPrefix(x.Actor.Name, "token "); is {
		d.By.App = &auditIdentity{Name: name}
	} else {
		d.By.User = &auditIdentity{Name: x.Actor.Name}
	}
	switch x.Kind {
	case "person", "alias", "password", "administrator", "factor", "pass", "recoveryCodes":
		d.Category = "UserManagement"
	case "group", "member":
		d.Category = "GroupManagement"
	}
	return d
}

func auditID(n int64) string { return "audit_" + strconv.FormatInt(n, 10) }

var directoryAuditSchema = filter.NewSchema([]filter.Property{
	{Name: "id", Kind: filter.KindString},
	{Name: "activityDateTime", Kind: filter.KindTime},
	{Name: "activityDisplayName", Kind: filter.KindString},
	{Name: "category", Kind: filter.KindString},
	{Name: "operationType", Kind: filter.KindString},
	{Name: "loggedByService", Kind: filter.KindString},
	{Name: "initiatedBy/user/displayName", Kind: filter.KindString},
	{Name: "initiatedBy/app/displayName", Kind: filter.KindString},
}, "activityDisplayName")

func (d *directoryAudit) look(name string) filter.Value {
	switch name {
	case "id":
		return filter.String(d.ID)
	case "activityDateTime":
		return filter.Time(d.At)
	case "activityDisplayName":
		return filter.String(d.Name)
	case "category":
		return filter.String(d.Category)
	case "operationType":
		return filter.String(d.Operation)
	case "loggedByService":
		return filter.String(d.Service)
	case "initiatedBy/user/displayName":
		if d.By.User != nil {
			return filter.String(d.By.User.Name)
		}
	case "initiatedBy/app/displayName":
		if d.By.App != nil {
			return filter.String(d.By.App.Name)
		}
	}
	return filter.Null
}

// directoryAudits lists administrative changes as Graph does, the newest first.
func (a *api) directoryAudits(r *http.Request) (any, error) {
	v := r.URL.Query()
	token := v.Get("$skiptoken")
	v.Del("$skiptoken") // a row's number here, and no number of rows
	q, err := readPage(v, directoryAuditSchema, []string{"activityDateTime"})
	if err != nil {
		return nil, err
	}
	switch {
	case len(q.orders) > 0 && !q.orders[0].down:
		return nil, bad("$orderby", "changes come the newest first: activityDateTime desc")
	case q.count || q.skip > 0:
		return nil, bad("$count", "changes are neither counted nor skipped; @odata.nextLink leads on")
	}
	f := store.AuditFilter{Limit: scanned}
	if token != "" {
		if f.Before, err = strconv.ParseInt(token, 10, 64); err != nil || f.Before < 1 {
			return nil, bad("$skiptoken", "this is none of our tokens")
		}
	}
	rows := []directoryAudit{}
	for {
		found, err := a.Store.Audits(r.Context(), f)
		if err != nil {
			return nil, err
		}
		for i := range found {
			f.Before = found[i].N
			d := directoryAuditOf(&found[i])
			if q.where != nil && !q.where.Match(d.look) {
				continue
			}
			if rows = append(rows, d); len(rows) == min(q.top, defaultPage) {
				out := list(rows)
				out["@odata.context"] = odataRoot + "auditLogs/directoryAudits"
				v.Set("$skiptoken", strconv.FormatInt(f.Before, 10))
				out["@odata.nextLink"] = link(r, v)
				return out, nil
			}
		}
		if len(found) < f.Limit {
			out := list(rows)
			out["@odata.context"] = odataRoot + "auditLogs/directoryAudits"
			return out, nil
		}
	}
}

func (a *api) directoryAudit(r *http.Request) (any, error) {
	digits, is := strings.CutPrefix(r.PathValue("id"), "audit_")
	n, err := strconv.ParseInt(digits, 10, 64)
	if !is || err != nil || n < 1 {
		return nil, notFound("administrative change", r.PathValue("id"))
	}
	found, err := a.Store.Audits(r.Context(), store.AuditFilter{Before: n + 1, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 || found[0].N != n {
		return nil, notFound("administrative change", r.PathValue("id"))
	}
	return directoryAuditOf(&found[0]), nil
}
