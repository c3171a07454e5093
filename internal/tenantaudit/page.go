package tenantaudit

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

// mostRows is how many findings of a kind, notes and alike mailboxes the page
// shows; JSON and CSV have them all.
const (
	mostRows  = 1000
	mostNotes = 200
	mostViews = 100
)

// page is what the template sees.
type page struct {
	*Report
	Style    template.CSS
	Policy   string // Content-Security-Policy
	Groups   []pageGroup
	Views    []pageView
	MoreView int
	NoteRows []Note
	MoreNote int
	Doors    []string
	Plots    []plot
}

// pageGroup is one of the report's four parts.
type pageGroup struct {
	Title string
	Kinds []pageKind
}

// pageKind is a table of findings.
type pageKind struct {
	Kind, Title, Meaning string
	Total, More          int
	Log                  bool // its findings come from the log
	Rows                 []*Finding
}

// pageView is mailboxes that are alike in every protocol.
type pageView struct {
	Count   int
	Example string
	Doors   []*Door
}

// pageTemplate escapes everything: display names, user agents and policies'
// names are strangers' words.
var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"join": strings.Join, "thousands": thousands, "place": evidencePlace,
	"day":     func(t *time.Time) string { return t.UTC().Format(time.DateOnly) },
	"title":   TitleOf,
	"signIns": func(n int) string { return counted(n, "sign-in", "sign-ins") },
	"limited": func(all []string) []string { return all[:min(len(all), 3)] },
}).Parse(pageText))

func evidencePlace(e Evidence) string {
	var words []string
	if e.File != "" && e.Line > 0 {
		words = append(words, fmt.Sprintf("%s:%d", e.File, e.Line))
	} else if e.File != "" {
		words = append(words, e.File)
	}
	if e.SignIn != "" {
		words = append(words, "sign-in "+e.SignIn)
	}
	return strings.Join(words, ", ")
}

// WritePage writes the report as one page that asks for nothing: no script, no
// picture, no font from elsewhere, and a policy that forbids them.
func WritePage(w io.Writer, r *Report) error {
	sum := sha256.Sum256([]byte(pageStyle))
	p := &page{Report: r, Style: template.CSS(pageStyle), Plots: r.plots(),
		Policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; img-src data:; base-uri 'none'; form-action 'none'"}
	for i := range waysIn {
		p.Doors = append(p.Doors, waysIn[i].name)
	}
	p.Doors = append(p.Doors, "owa")
	p.groups()
	for i := range r.views {
		if i == mostViews {
			p.MoreView = len(r.views) - i
			break
		}
		v := &r.views[i]
		view := pageView{Count: v.count, Example: v.example}
		for _, name := range p.Doors {
			view.Doors = append(view.Doors, v.doors[name])
		}
		p.Views = append(p.Views, view)
	}
	p.NoteRows = r.Notes[:min(len(r.Notes), mostNotes)]
	p.MoreNote = len(r.Notes) - len(p.NoteRows)
	if err := pageTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

func (p *page) groups() {
	rows := map[string][]*Finding{}
	for _, f := range p.Findings {
		rows[f.Kind] = append(rows[f.Kind], f)
	}
	for i := range kinds {
		k := &kinds[i]
		all := rows[k.kind]
		if len(all) == 0 {
			continue
		}
		if n := len(p.Groups); n == 0 || p.Groups[n-1].Title != k.group {
			p.Groups = append(p.Groups, pageGroup{Title: k.group})
		}
		g := &p.Groups[len(p.Groups)-1]
		g.Kinds = append(g.Kinds, pageKind{k.kind, k.title, k.meaning, len(all), max(0, len(all)-mostRows), all[0].SignIns > 0, all[:min(len(all), mostRows)]})
	}
}
