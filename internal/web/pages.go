package web

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// Page is what every page has; pages embed it.
type Page struct {
	*Words
	Languages []*Words
	Site      string       // whose mail this is
	Path      string       // of this page, for the links to other languages
	Who       string       // signed in; empty if nobody is
	Current   string       // the entry of the menu that this page is under
	Token     string       // of every form
	Flash     string       // what was just done
	Script    bool         // the page asks for a passkey
	Leads     template.URL // where the page leads by itself, looked at before; empty: it stays
	Sends     bool         // the page has a form that is sent by itself
	SignIn    bool         // there is a portal to sign in to
}

// Pages are templates within the common frame.
type Pages struct{ set map[string]*template.Template }

// ParsePages reads every *.html of a folder as a page: a file that defines
// "title" and "main".
func ParsePages(files fs.FS, folder string) (*Pages, error) {
	frame, err := template.New("frame").Funcs(functions).ParseFS(assets, "assets/frame/*.html")
	if err != nil {
		return nil, fmt.Errorf("reading the frame of pages: %w", err)
	}
	names, err := fs.Glob(files, folder+"/*.html")
	if err != nil {
		return nil, fmt.Errorf("reading pages: %w", err)
	}
	p := &Pages{set: map[string]*template.Template{}}
	for _, n := range names {
		t, err := frame.Clone()
		if err == nil {
			t, err = t.ParseFS(files, n)
		}
		if err != nil {
			return nil, fmt.Errorf("reading the page %s: %w", n, err)
		}
		p.set[strings.TrimSuffix(path.Base(n), ".html")] = t
	}
	return p, nil
}

// Render writes a page. Nothing is written of one that fails half-way.
func (p *Pages) Render(w http.ResponseWriter, status int, name string, data any) error {
	var b bytes.Buffer
	t, ok := p.set[name]
	if !ok {
		return fmt.Errorf("there is no page %q", name)
	}
	if err := t.ExecuteTemplate(&b, "frame.html", data); err != nil {
		http.Error(w, "This page cannot be shown just now.", http.StatusInternalServerError)
		return fmt.Errorf("making the page %s: %w", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept-Language, Cookie")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // a write error is the reader's going away
	return nil
}
