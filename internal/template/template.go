// Package template holds policies that many want, each with what it is built
// on: one embedded file per template, in Graph's JSON, with words such as
// ${group} where the site's own names go. Microsoft's set is here as far as it
// touches mail, under Microsoft's ids, and our own beside it.
//
// Everything that is made of a template begins report-only. What each lets
// through and refuses stands in testdata, and is held by the evaluator itself.
package template

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

//go:embed templates/*.json
var files embed.FS

// Template is one of them.
type Template struct {
	ID          string      `json:"id"` // Microsoft's, or UUIDv5(URL namespace, "urn:portreeve:template:<name>")
	Name        string      `json:"name"`
	DisplayName string      `json:"displayName"`
	Description string      `json:"description"`
	Origin      string      `json:"origin"`    // Microsoft, Portreeve
	Scenarios   string      `json:"scenarios"` // Graph's, joined by commas
	Parameters  []Parameter `json:"parameters"`

	// What is made of it, with parameters in them: at most one strength and one
	// location, which the policies name as ${strength} and ${location}.
	Strength json.RawMessage   `json:"strength,omitempty"`
	Location json.RawMessage   `json:"location,omitempty"`
	Policies []json.RawMessage `json:"policies"`
}

// Parameter is a word that the site fills in.
type Parameter struct {
	Name        string `json:"name"`
	Kind        Kind   `json:"kind"`
	Description string `json:"description"`
	Example     string `json:"example"`
	Required    bool   `json:"required"`
	Many        bool   `json:"many"` // may be given several times
}

// Kind is what a parameter's values are.
type Kind string

// The kinds of parameters.
const (
	Group   Kind = "group"   // a group's name or id
	Network Kind = "network" // 10.0.4.0/24, or an address
	Country Kind = "country" // ISO 3166-1 alpha-2
	Date    Kind = "date"    // 2027-01-31, or a time in RFC 3339
	Text    Kind = "text"
)

// templates are read once; a file that cannot be read is a fault of the build,
// which the tests find.
var templates = read()

func read() (all []Template) {
	entries, err := files.ReadDir("templates")
	if err != nil {
		panic(fmt.Sprint("template: ", err))
	}
	for _, e := range entries {
		raw, err := files.ReadFile("templates/" + e.Name())
		if err != nil {
			panic(fmt.Sprint("template: ", err))
		}
		var t Template
		if err := json.Unmarshal(raw, &t); err != nil {
			panic(fmt.Sprintf("template: %s: %v", e.Name(), err))
		}
		all = append(all, t)
	}
	return all
}

// All lists them, Microsoft's first, each by name.
func All() []Template {
	all := slices.Clone(templates)
	slices.SortStableFunc(all, func(a, b Template) int { return strings.Compare(a.Origin, b.Origin) })
	return all
}

// Find finds one by its name or id.
func Find(name string) (Template, bool) {
	i := slices.IndexFunc(templates, func(t Template) bool { return strings.EqualFold(t.Name, name) || strings.EqualFold(t.ID, name) })
	if i < 0 {
		return Template{}, false
	}
	return templates[i], true
}

// Names are the names of all.
func Names() (names []string) {
	for _, t := range All() {
		names = append(names, t.Name)
	}
	return names
}
