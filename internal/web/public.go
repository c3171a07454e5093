// Package web serves the pages that anybody may read: what to do after a
// refusal (/r/REF), what a code means (/codes/N), and the keys that backends
// verify our tokens with (/.well-known/jwks.json).
//
// A page about a reference tells the next step for that program and nothing
// else: whoever guesses passwords holds references too, so the page says no
// more than the refusal did. No page sets a cookie, runs a script or loads
// anything from elsewhere.
package web

import (
	"context"
	"embed"
	"html/template"
	"net/http"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
)

//go:embed assets
var assets embed.FS

var pages = template.Must(template.ParseFS(assets, "assets/*.html"))

// Refused is what may be told of a refused sign-in to anybody who has its reference.
type Refused struct {
	Program  string // family, such as "Thunderbird"; empty if not recognised
	Protocol string // label, such as "IMAP"
}

// Options are what the pages need.
type Options struct {
	// Find looks a reference up; false if there is none.
	Find func(context.Context, signin.Reference) (Refused, bool)
	// Keys is the public JWKS document, nil if no backend takes tokens.
	Keys func() []byte
	// Name is the site's name for its mail, shown on top.
	Name string
}

// New makes the handler of the public listener.
func New(o Options) http.Handler {
	p := &public{Options: o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /r/{reference}", p.reference)
	mux.HandleFunc("GET /codes/{code}", p.code)
	mux.HandleFunc("GET /codes/{$}", p.codes)
	mux.HandleFunc("GET /style.css", p.style)
	mux.HandleFunc("GET /.well-known/jwks.json", p.keys)
	return limit(secure(mux))
}

type public struct{ Options }

func (p *public) reference(w http.ResponseWriter, r *http.Request) {
	ref, err := signin.ParseReference(r.PathValue("reference"))
	if err != nil {
		p.render(w, http.StatusNotFound, "message.html", message{Site: p.Name, Title: "That is no reference", Text: "A reference has 12 letters and digits, such as 7K4Q-9ZMD-2XWT. Compare it with what your program showed."})
		return
	}
	refused, _ := p.Find(r.Context(), ref) // an unknown reference reads like one without a recognised program
	p.render(w, http.StatusOK, "reference.html", referencePage{Site: p.Name, Reference: ref, Refused: refused, Steps: steps(refused.Program)})
}

type referencePage struct {
	Site      string
	Reference signin.Reference
	Refused
	Steps []string
}

type message struct{ Site, Title, Text string }

func (p *public) code(w http.ResponseWriter, r *http.Request) {
	code, ok := signin.ParseCode(r.PathValue("code"))
	if !ok {
		p.render(w, http.StatusNotFound, "message.html", message{Site: p.Name, Title: "There is no such code", Text: "Codes look like PR53003. Compare it with what your program showed."})
		return
	}
	p.render(w, http.StatusOK, "code.html", codePage{Site: p.Name, Meaning: code.Meaning()})
}

type codePage struct {
	Site string
	signin.Meaning
}

func (p *public) codes(w http.ResponseWriter, _ *http.Request) {
	p.render(w, http.StatusOK, "codes.html", codesPage{Site: p.Name, Meanings: signin.Meanings()})
}

type codesPage struct {
	Site     string
	Meanings []signin.Meaning
}

func (p *public) style(w http.ResponseWriter, _ *http.Request) {
	css, _ := assets.ReadFile("assets/style.css") // embedded: cannot be missing
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(css)
}

func (p *public) keys(w http.ResponseWriter, r *http.Request) {
	var doc []byte
	if p.Keys != nil {
		doc = p.Keys()
	}
	if doc == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(doc)
}

func (p *public) render(w http.ResponseWriter, status int, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = pages.ExecuteTemplate(w, name, data) // a write error is the reader's going away
}

// Limits of the public listener's HTTP server.
const (
	ReadHeaderTimeout = 5 * time.Second
	ReadTimeout       = 10 * time.Second
	WriteTimeout      = 10 * time.Second
	IdleTimeout       = 60 * time.Second
	MaxHeaderBytes    = 8 << 10
)
