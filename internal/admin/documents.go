package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// documents are the objects of one kind that Graph has: policies, named
// locations, authentication strengths. What came is kept byte by byte.
type documents struct {
	*api
	kind store.DocumentKind
}

// words are what people call a kind, and Graph's path to it.
var words = map[store.DocumentKind]struct{ name, context string }{
	store.Policy:               {"policy", "identity/conditionalAccess/policies"},
	store.Location:             {"named location", "identity/conditionalAccess/namedLocations"},
	store.Strength:             {"authentication strength", "policies/authenticationStrengthPolicies"},
	store.AuthenticationPolicy: {"authentication policy", ""},
}

const odataRoot = "https://graph.microsoft.com/v1.0/$metadata#"

// list answers GET on the collection.
func (d documents) list(r *http.Request) (any, error) {
	q, err := readPage(r.URL.Query(), documentSchema, documentOrders)
	if err != nil {
		return nil, err
	}
	rows, err := d.rows(r)
	if err != nil {
		return nil, err
	}
	return q.answer(r, rows, words[d.kind].context)
}

// rows are all objects of the kind, built-in ones first.
func (d documents) rows(r *http.Request) (rows []row, err error) {
	all, err := d.Store.Documents(r.Context(), d.kind)
	if err != nil {
		return nil, err
	}
	if d.kind == store.Strength {
		all = append(slices.Clone(builtIns), all...)
	}
	managed, err := d.managedDocuments(r, d.kind)
	if err != nil {
		return nil, err
	}
	for i := range all {
		text, err := withManaged(all[i].JSON, all[i].ID, managed)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{documentLookup(&all[i]), text})
	}
	return rows, nil
}

// count answers GET on the collection's $count: a number as text.
func (d documents) count(r *http.Request) (any, error) {
	q, err := readPage(r.URL.Query(), documentSchema, documentOrders)
	if err != nil {
		return nil, err
	}
	rows, err := d.rows(r)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, x := range rows {
		if q.where == nil || q.where.Match(x.look) {
			n++
		}
	}
	return raw{"text/plain", []byte(strconv.Itoa(n))}, nil
}

// get finds an object by id or name.
func (d documents) get(r *http.Request) (store.Document, error) {
	x, err := d.Store.Document(r.Context(), d.kind, r.PathValue("id"))
	if errors.Is(err, store.ErrNotFound) {
		return x, notFound(words[d.kind].name, r.PathValue("id"), d.namesOf(r, d.kind)...)
	}
	return x, err
}

// namesOf are the names of the objects of a kind.
func (a *api) namesOf(r *http.Request, kind store.DocumentKind) []string {
	all, err := a.Store.Documents(r.Context(), kind)
	if err != nil || len(all) > suggested {
		return nil
	}
	var names []string
	for _, x := range all {
		names = append(names, x.Name)
	}
	return names
}

func (d documents) show(r *http.Request) (any, error) {
	x, builtIn := d.builtIn(r.PathValue("id"))
	if !builtIn {
		var err error
		if x, err = d.get(r); err != nil {
			return nil, err
		}
	}
	managed, err := d.managedDocuments(r, d.kind)
	if err != nil {
		return nil, err
	}
	body, err := withManaged(x.JSON, x.ID, managed)
	if err == nil {
		body, err = hidden(r, body)
	}
	if err != nil {
		return nil, err
	}
	fields, err := readSelect(r.URL.Query().Get("$select"))
	if err == nil && fields != nil {
		body, err = chosen(body, fields)
	}
	if err != nil {
		return nil, err
	}
	return tagged{body: body, tag: tagOf(x.Version)}, nil
}

// add makes an object. An id that comes with it is kept, so that an export can
// be brought in again; one that is taken is a conflict.
func (d documents) add(r *http.Request) (any, error) {
	text, err := d.read(r)
	if err != nil {
		return nil, err
	}
	x := store.Document{Kind: d.kind, ID: textMember(text, "id")}
	if err := d.fixed(x.ID); err != nil {
		return nil, err
	}
	if x.ID != "" {
		if _, err := d.Store.Document(r.Context(), d.kind, x.ID); err == nil {
			return nil, &Error{Status: http.StatusConflict, Code: "Conflict", Target: "/id", Message: fmt.Sprintf("there is a %s with the id %s already", words[d.kind].name, x.ID)}
		}
	}
	if text, err = d.identify(&x, text); err != nil {
		return nil, err
	}
	answer, err := d.keep(r, &x, text)
	return createdAs(answer), err
}

// createdAs is an answer about an object that was made.
func createdAs(answer any) any {
	if t, ok := answer.(tagged); ok {
		t.status = http.StatusCreated
		return t
	}
	return created{answer}
}

// put makes or replaces an object as a whole, byte by byte as it comes: what
// importing a file means.
func (d documents) put(r *http.Request) (any, error) {
	text, err := d.read(r)
	if err != nil {
		return nil, err
	}
	if err := d.fixed(r.PathValue("id")); err != nil {
		return nil, err
	}
	x, err := d.Store.Document(r.Context(), d.kind, r.PathValue("id"))
	isNew := errors.Is(err, store.ErrNotFound)
	if err := unchanged(r, !isNew, x.Version); err != nil {
		return nil, err
	}
	switch id := textMember(text, "id"); {
	case err != nil && !isNew:
		return nil, err
	case isNew:
		x = store.Document{Kind: d.kind, ID: r.PathValue("id")}
		if _, err := signin.ParseID(x.ID); err != nil {
			return nil, notFound(words[d.kind].name, x.ID)
		}
	case id != "" && id != x.ID:
		return nil, bad("/id", "the id in the text, %s, is not that of %s, %s", id, r.PathValue("id"), x.ID)
	}
	if text, err = d.identify(&x, text); err != nil {
		return nil, err
	}
	answer, err := d.keep(r, &x, text)
	if isNew {
		return createdAs(answer), err
	}
	return answer, err
}

// patch changes the members named and leaves every other byte as it is.
func (d documents) patch(r *http.Request) (any, error) {
	if err := d.fixed(r.PathValue("id")); err != nil {
		return nil, err
	}
	x, err := d.get(r)
	if err == nil {
		err = unchanged(r, true, x.Version)
	}
	if err != nil {
		return nil, err
	}
	change, err := d.read(r)
	if err != nil {
		return nil, err
	}
	if id := textMember(change, "id"); id != "" && id != x.ID {
		return nil, bad("/id", "an id is never changed")
	}
	text, err := merge(x.JSON, change)
	if err != nil {
		return nil, bad("", "%v", err)
	}
	if all, err := membersOf(text); err == nil && find(all, "modifiedDateTime") != nil && string(text) != string(x.JSON) {
		if text, err = setMember(text, "modifiedDateTime", quoted(time.Now().UTC().Format(time.RFC3339))); err != nil {
			return nil, err
		}
	}
	return d.keep(r, &x, text)
}

func (d documents) delete(r *http.Request) (any, error) {
	if err := d.fixed(r.PathValue("id")); err != nil {
		return nil, err
	}
	x, err := d.get(r)
	if err == nil {
		err = unchanged(r, true, x.Version)
	}
	if err != nil {
		return nil, err
	}
	report, err := d.change(r, func(tx *store.Tx) error {
		now, err := tx.Document(d.kind, x.ID)
		if err == nil && now.Version != x.Version && len(r.Header.Values("If-Match")) > 0 {
			err = store.ErrConflict // changed since the client's version was compared
		}
		if err != nil {
			return fmt.Errorf("deleting %s %q: %w", d.kind, x.Name, err)
		}
		return tx.DeleteDocument(d.kind, x.ID)
	})
	if err != nil || r.Header.Get("Prefer") != "return=representation" {
		return nil, err
	}
	return map[string]any{"@portreeve.sessions": sessionsOf(report)}, nil
}

// read takes an object from a request, without what we ourselves add to answers.
func (d documents) read(r *http.Request) ([]byte, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if text, err = dropMembers(text, func(name string) bool { return strings.HasPrefix(name, "@portreeve.") }); err != nil {
		return nil, bad("", "the %s is not readable as JSON: %v", words[d.kind].name, err)
	}
	return text, nil
}

// identify gives an object its id and, if it has none, its time of making.
func (d documents) identify(x *store.Document, text []byte) ([]byte, error) {
	if id := textMember(text, "id"); id != "" {
		x.ID = id
		return text, nil
	}
	if x.ID == "" {
		x.ID = store.NewID().String()
	}
	all, err := membersOf(text)
	if err == nil && find(all, "createdDateTime") == nil {
		text, err = prependMember(text, "createdDateTime", quoted(time.Now().UTC().Format(time.RFC3339)))
	}
	if t := typeOf(all); err == nil && d.kind == store.Location && t != "" {
		text, err = prependMember(text, "@odata.type", quoted(t))
	}
	if err != nil {
		return nil, bad("", "%v", err)
	}
	return prependMember(text, "id", quoted(x.ID))
}

// typeOf is the type of a named location that does not say it, by which
// Microsoft's SDKs read it; empty if it does.
func typeOf(all []jsonMember) string {
	switch {
	case find(all, "@odata.type") != nil:
	case find(all, "ipRanges") != nil:
		return "#microsoft.graph.ipNamedLocation"
	case find(all, "countriesAndRegions") != nil:
		return "#microsoft.graph.countryNamedLocation"
	}
	return ""
}

// keep checks an object and puts it in force. One that is broken never
// replaces a good one; one that cannot be enforced as a whole is kept and the
// answer says what is not.
func (d documents) keep(r *http.Request, x *store.Document, text []byte) (any, error) {
	text, err := withState(r, text)
	if err != nil {
		return nil, err
	}
	notes, err := d.check(r, x, text)
	if err != nil {
		return nil, err
	}
	x.JSON = text
	all, err := d.findings(r, x)
	found := all[x.ID]
	if err == nil {
		err = strictly(r, found)
	}
	if err != nil {
		return nil, err
	}
	if r.URL.Query().Get("dryRun") == "true" {
		answer, err := d.answer(text, notes, nil)
		if err != nil {
			return nil, err
		}
		return withFindings(answer, found)
	}
	report, err := d.change(r, func(tx *store.Tx) error { return tx.PutDocument(x) })
	if err != nil {
		if errors.Is(err, store.ErrExists) {
			e := conflict("there is another %s named %q", words[d.kind].name, x.Name)
			if e.Target = "/displayName"; d.kind == store.Location {
				e.Next = "`portreeve location show " + shellWord(x.Name) + "` shows it; `portreeve location import` replaces one by its name"
			}
			return nil, e
		}
		return nil, err
	}
	answer, err := d.answer(text, d.warningsOf(x.ID, notes), &report)
	if err == nil {
		answer, err = withFindings(answer, found)
	}
	if err != nil {
		return nil, err
	}
	return tagged{body: answer, tag: tagOf(x.Version)}, nil
}

// answer is the object as it is kept, and beside it what is to be said of it.
func (d documents) answer(text []byte, warnings []policy.Warning, report *session.Report) (json.RawMessage, error) {
	var err error
	if warnings == nil {
		warnings = []policy.Warning{}
	}
	raw, err := json.Marshal(warnings)
	if err != nil {
		return nil, err
	}
	if text, err = setMember(text, "@portreeve.warnings", raw); err != nil {
		return nil, err
	}
	if report != nil {
		if raw, err = json.Marshal(sessionsOf(*report)); err != nil {
			return nil, err
		}
		if text, err = setMember(text, "@portreeve.sessions", raw); err != nil {
			return nil, err
		}
	}
	return text, nil
}

// judged says what a change did to open sessions.
type judged struct {
	Judged int     `json:"judged"`
	Closed int     `json:"closed"`
	Millis float64 `json:"milliseconds"`
}

func sessionsOf(r session.Report) judged {
	return judged{r.Judged, r.Ended, float64(r.Took.Microseconds()) / 1000}
}
