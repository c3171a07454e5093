package admin

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/portreeve/portreeve/internal/filter"
	"github.com/portreeve/portreeve/internal/template"
)

var templateSchema = filter.NewSchema([]filter.Property{
	{Name: "id", Kind: filter.KindString},
	{Name: "name", Kind: filter.KindString},
	{Name: "scenarios", Kind: filter.KindString},
}, "name", "id", "scenarios")

const templateContext = "identity/conditionalAccess/templates"

// graphTemplates lists templates as Graph's conditionalAccessTemplate.
func (a *api) graphTemplates(r *http.Request) (any, error) {
	q, err := readPage(r.URL.Query(), templateSchema, []string{"name", "id"})
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, t := range template.All() {
		text, err := json.Marshal(t.Graph())
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{memberLookup(text), text})
	}
	return q.answer(r, rows, templateContext)
}

func (a *api) graphTemplate(r *http.Request) (any, error) {
	t, known := template.Find(r.PathValue("id"))
	if !known {
		return nil, notFound("template", r.PathValue("id"), template.Names()...)
	}
	text, err := json.Marshal(t.Graph())
	if err != nil {
		return nil, err
	}
	fields, err := readSelect(r.URL.Query().Get("$select"))
	if err == nil && fields != nil {
		text, err = chosen(text, fields)
	}
	if err == nil {
		text, err = prependMember(text, "@odata.context", quoted(fmt.Sprintf("%s%s/$entity", odataRoot, templateContext)))
	}
	return raw{"application/json", text}, err
}
