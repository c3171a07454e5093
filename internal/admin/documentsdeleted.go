package admin

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/portreeve/portreeve/internal/filter"
	"github.com/portreeve/portreeve/internal/store"
)

// Deleted objects stay, since sign-ins refer to them; Graph shows them under
// deletedItems and brings them back.

var deletedSchema = filter.NewSchema([]filter.Property{
	{Name: "id", Kind: filter.KindString},
	{Name: "displayName", Kind: filter.KindString},
	{Name: "state", Kind: filter.KindString},
	{Name: "createdDateTime", Kind: filter.KindTime},
	{Name: "deletedDateTime", Kind: filter.KindTime},
}, "displayName", "id")

var deletedOrders = []string{"displayName", "createdDateTime", "deletedDateTime"}

func (d documents) listDeleted(r *http.Request) (any, error) {
	q, err := readPage(r.URL.Query(), deletedSchema, deletedOrders)
	if err != nil {
		return nil, err
	}
	all, err := d.Store.DeletedDocuments(r.Context(), d.kind)
	if err != nil {
		return nil, err
	}
	var rows []row
	for i := range all {
		x := &all[i]
		text, err := deletedText(x)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{func(name string) filter.Value {
			if name == "deletedDateTime" {
				return filter.Time(x.Deleted)
			}
			return documentLookup(x)(name)
		}, text})
	}
	return q.answer(r, rows, strings.Replace(words[d.kind].context, "conditionalAccess/", "conditionalAccess/deletedItems/", 1))
}

// deletedText is a deleted object with when that was.
func deletedText(x *store.Document) (json.RawMessage, error) {
	text, err := setMember(x.JSON, "deletedDateTime", whenText(x.Deleted))
	if err != nil {
		return nil, err
	}
	return text, nil
}

// deleted finds a deleted object by its id, or by its name, the last of them.
func (d documents) deleted(r *http.Request) (store.Document, error) {
	all, err := d.Store.DeletedDocuments(r.Context(), d.kind)
	if err != nil {
		return store.Document{}, err
	}
	id := r.PathValue("id")
	var names []string
	for _, x := range all {
		if x.ID == id || strings.EqualFold(x.Name, id) {
			return x, nil
		}
		names = append(names, x.Name)
	}
	return store.Document{}, notFound("deleted "+words[d.kind].name, id, names...)
}

func (d documents) showDeleted(r *http.Request) (any, error) {
	x, err := d.deleted(r)
	if err != nil {
		return nil, err
	}
	text, err := deletedText(&x)
	if err != nil {
		return nil, err
	}
	if text, err = hidden(r, text); err != nil {
		return nil, err
	}
	return tagged{body: text, tag: tagOf(x.Version)}, nil
}

// restoreDeleted brings a deleted object back as it was.
func (d documents) restoreDeleted(r *http.Request) (any, error) {
	x, err := d.deleted(r)
	if err != nil {
		return nil, err
	}
	text, err := dropMembers(x.JSON, func(name string) bool { return name == "deletedDateTime" })
	if err != nil {
		return nil, err
	}
	x.Version = 0 // it is deleted: nobody else changes it meanwhile but to bring it back
	return d.keep(r, &x, text)
}
