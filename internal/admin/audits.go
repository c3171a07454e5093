package admin

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/spelling"
	"github.com/portreeve/portreeve/internal/store"
)

// auditKinds are the kinds of objects that the audit speaks of; a test holds
// them to what the program writes.
var auditKinds = []string{"administrator", "adminToken", "alarm", "alias", "appPassword", "assignment", string(store.AuthenticationPolicy), "casSheet", "change", "client", "consent", "database", "delegation", "denial", "factor",
	"grant", "group", "key", string(store.Location), store.ManagedKind, "member", "pass", "password", "person", string(store.Policy), "recoveryCodes", "request", "revocation", "session",
	"setting", "signIn", string(store.Strength), "switch", "window", "windows"}

// auditNouns are what the commands call some of them.
var auditNouns = map[string]string{"user": "person", "mailbox": "switch", "apppw": "appPassword", "mfa": "factor", "delegate": "delegation",
	"authpolicy": string(store.AuthenticationPolicy), "signins": "signIn", "admin": "administrator", "token": "adminToken", "db": "database"}

// auditKind finds a kind in any spelling, or by its command.
func auditKind(typed string) (string, error) {
	if typed == "" {
		return "", nil
	}
	for _, k := range auditKinds {
		if strings.EqualFold(k, typed) {
			return k, nil
		}
	}
	if k := auditNouns[strings.ToLower(typed)]; k != "" {
		return k, nil
	}
	return "", bad("", "the audit knows no kind %q%s", typed, spelling.DidYouMean(typed, auditKinds)).then("the kinds are %s", strings.Join(auditKinds, ", "))
}

// auditRow is an administrative change as JSON.
type auditRow struct {
	N      int64     `json:"n"`
	At     time.Time `json:"at"`
	UID    int64     `json:"uid"`
	Actor  string    `json:"actor"`
	Action string    `json:"action"`
	Kind   string    `json:"kind"`
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	About  string    `json:"about"` // the name, and what else people know it by
	Reason string    `json:"reason,omitempty"`
	Origin string    `json:"origin,omitempty"`
	Before any       `json:"before"`
	After  any       `json:"after"`
}

const maxAudits = 1000 // rows of one page

func (a *api) audits(r *http.Request) (any, error) {
	q := r.URL.Query()
	f := store.AuditFilter{Object: q.Get("id"), Actor: q.Get("actor"), Limit: 100}
	var err error
	if f.Kind, err = auditKind(q.Get("kind")); err != nil {
		return nil, err
	}
	if f.Limit, err = number(q.Get("top"), f.Limit, 1, maxAudits); err != nil {
		return nil, bad("top", "%v", err)
	}
	if f.From, err = since(q.Get("since")); err != nil {
		return nil, bad("since", "%v", err)
	}
	if f.To, err = until(q.Get("until")); err != nil {
		return nil, bad("until", "%v", err)
	}
	if err := inOrder(f.From, f.To); err != nil {
		return nil, err
	}
	if s := q.Get("before"); s != "" {
		if f.Before, err = strconv.ParseInt(s, 10, 64); err != nil {
			return nil, bad("before", "before is a row's number")
		}
	}
	found, err := a.Store.Audits(r.Context(), f)
	if err != nil {
		return nil, err
	}
	rows := []auditRow{}
	words := a.auditWords(r)
	for _, x := range found {
		rows = append(rows, words.row(&x))
	}
	out := list(rows)
	if len(rows) == f.Limit {
		q.Set("before", strconv.FormatInt(rows[len(rows)-1].N, 10))
		out["@odata.nextLink"] = link(r, q)
	}
	return out, nil
}

// auditWords finds what people call the objects of audit rows.
type auditWords struct {
	*naming
	requests map[string]store.Request // by id; nil before the first was looked for
}

func (a *api) auditWords(r *http.Request) *auditWords {
	return &auditWords{naming: a.naming(r.Context())}
}

// row is an audit row as JSON.
func (w *auditWords) row(x *store.Audit) auditRow {
	row := auditRow{N: x.N, At: x.At.UTC(), UID: x.Actor.UID, Actor: x.Actor.Name, Action: x.Action, Kind: x.Kind, ID: x.Object, Name: x.Name, About: w.about(x), Reason: x.Reason, Origin: x.Origin}
	if len(x.Before) > 0 {
		row.Before = x.Before
	}
	if len(x.After) > 0 {
		row.After = x.After
	}
	return row
}

// about says which object a row is about: names for ids, and of what has no
// name of its own whose it is, which program's, and where.
func (w *auditWords) about(x *store.Audit) string {
	name := w.text(x.Name)
	object := map[string]any{}
	for _, text := range []json.RawMessage{x.Before, x.After} {
		_ = json.Unmarshal(text, &object) // a text or a list has no members to tell
	}
	switch x.Kind {
	case "appPassword":
		return colon(w.text(textOf(object, "person")), name)
	case "grant", "consent":
		return colon(w.text(textOf(object, "person")), w.program(textOf(object, "client")))
	case "window", "denial":
		return colon(name, programAndPlace(object))
	case "windows":
		var all []any
		_ = json.Unmarshal(x.After, &all)
		return colon(name, fmt.Sprintf("%d windows", len(all)))
	case "request":
		return colon(name, w.request(x))
	case "delegation":
		return colon(w.text(textOf(object, "person")), "to "+map[string]string{store.EveryMailbox: "every mailbox", store.GroupOfBoxes: "the mailboxes of the group " + name, store.OneMailbox: name}[textOf(object, "scope")])
	case "member":
		return name + " in " + w.text(x.Object)
	case "switch", "assignment":
		return strings.TrimSpace(name + " " + w.text(x.Object))
	case "change":
		return w.waited(x.After, object)
	case "signIn", "session":
		return colon(name, asked(object))
	}
	return name
}

// program is a program's name, or its id once it is gone.
func (w *auditWords) program(id string) string {
	if w.a.Clients != nil {
		if c, there := w.a.Clients.Find(id); there {
			return c.Name
		}
	}
	return id
}

// waited says what became of a change that waited to be confirmed.
func (w *auditWords) waited(after json.RawMessage, o map[string]any) string {
	var undone []store.Undone
	if json.Unmarshal(after, &undone) != nil {
		if until := textOf(o, "until"); until != "" {
			return "until " + until
		}
		return colon(textOf(o, "by"), strings.TrimSpace(textOf(o, "user")+" "+textOf(o, "reference")))
	}
	all := make([]string, len(undone))
	for i, u := range undone {
		all[i] = u.Kind + " " + u.Name
		if u.Kind == "switch" || u.Kind == "assignment" {
			all[i] = strings.TrimSpace(all[i] + " " + w.text(u.Object))
		}
		all[i] = colon(all[i], u.Left)
	}
	return strings.Join(all, "; ")
}

// request is what is still known of one; it is forgotten after a while.
func (w *auditWords) request(x *store.Audit) string {
	if w.requests == nil && w.a.Approvals != nil {
		w.requests = map[string]store.Request{}
		all, _ := w.a.Approvals.Requests(w.ctx, "") // without them the row is told all the same
		for _, q := range all {
			w.requests[q.ID] = q
		}
	}
	var state string
	_ = json.Unmarshal(x.After, &state)
	q, known := w.requests[x.Object]
	if !known {
		return state
	}
	return colon(state, programAndPlace(map[string]any{"program": q.Program, "protocols": []any{q.Protocol.String()}, "network": q.Addr.String(), "owner": q.Owner, "country": q.Country}))
}

// programAndPlace says which program an approval is for, and from where.
func programAndPlace(o map[string]any) string {
	words := textOf(o, "program")
	if p := textOf(o, "protocols"); p != "" {
		words = strings.TrimSpace(words + " over " + p)
	}
	var place []string
	for _, name := range []string{"network", "owner", "country"} {
		if s := textOf(o, name); s != "" {
			place = append(place, s)
		}
	}
	if len(place) > 0 {
		words = strings.TrimSpace(words + " from " + strings.Join(place, ", "))
	}
	return words
}

// asked is what somebody who read the log asked for.
func asked(o map[string]any) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if s := textOf(o, name); s != "" && name != "top" {
			all = append(all, name+"="+s)
		}
	}
	return strings.Join(all, " ")
}

// textOf is a text, or texts, of an object.
func textOf(o map[string]any, name string) string {
	switch v := o[name].(type) {
	case string:
		return v
	case []any:
		all := make([]string, len(v))
		for i := range v {
			all[i] = fmt.Sprint(v[i])
		}
		return strings.Join(all, ", ")
	}
	return ""
}

func colon(name, more string) string {
	if name == "" || more == "" {
		return name + more
	}
	return name + ": " + more
}
