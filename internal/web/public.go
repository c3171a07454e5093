// Package web is what pages share, and the pages that anybody may read: what to
// do after a refusal (/r/REF), what a code means (/codes/N), and the keys that
// backends verify our tokens with (/.well-known/jwks.json).
//
// A page about a reference tells the next step for that program and nothing
// else: whoever guesses passwords holds references too, so the page says no
// more than the refusal did. No page loads anything from elsewhere, none has
// script or style of its own, and what strangers said (names, programs) is text
// in it and never markup.
package web

import (
	"context"
	"embed"
	"fmt"
	"net/http"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
)

//go:embed assets
var assets embed.FS

// Refused is what may be told of a refused sign-in to anybody who has its reference.
type Refused struct {
	Program  string // family, such as "thunderbird"; empty if not recognised
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
	// SignIn says that there is a portal, which tells the person more.
	SignIn bool
	// Cookies says how cookies are named here.
	Cookies Cookies
	// Languages are those of the pages; nil: the built-in ones.
	Languages *Languages
}

// Public are the pages that anybody may read.
type Public struct {
	Options
	pages *Pages
	mux   *http.ServeMux
}

// New makes the public pages.
func New(o Options) (*Public, error) {
	if o.Languages == nil {
		var err error
		if o.Languages, err = LoadLanguages(); err != nil {
			return nil, err
		}
	}
	pages, err := ParsePages(assets, "assets/pages")
	if err != nil {
		return nil, err
	}
	p := &Public{Options: o, pages: pages, mux: http.NewServeMux()}
	p.mux.HandleFunc("GET /r/{reference}", p.Reference)
	p.mux.HandleFunc("GET /codes/{code}", p.code)
	p.mux.HandleFunc("GET /codes/{$}", p.codes)
	p.mux.HandleFunc("GET /language/{lang}", p.language)
	p.mux.HandleFunc("GET /style.css", asset("assets/style.css", "text/css; charset=utf-8"))
	p.mux.HandleFunc("GET /.well-known/jwks.json", p.keys)
	return p, nil
}

// ServeHTTP answers without bounds; Bounded puts them around.
func (p *Public) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// Page is the frame of one answer.
func (p *Public) Page(r *http.Request) Page {
	return Page{Words: p.Languages.Of(r), Languages: p.Languages.All(), Site: p.Name, Path: r.URL.Path, SignIn: p.SignIn}
}

// Reference tells the next step after a refusal, to anybody.
func (p *Public) Reference(w http.ResponseWriter, r *http.Request) {
	page := p.Page(r)
	ref, err := signin.ParseReference(r.PathValue("reference"))
	if err != nil {
		p.Message(w, r, http.StatusNotFound, "reference.none")
		return
	}
	refused, _ := p.Find(r.Context(), ref) // an unknown reference reads like one without a recognised program
	_ = p.pages.Render(w, http.StatusOK, "reference", referencePage{Page: page, Reference: ref, Refused: refused, Steps: page.Steps(refused.Program)})
}

type referencePage struct {
	Page
	Reference signin.Reference
	Refused
	Steps []string
}

// Message is a page of a heading and a sentence.
func (p *Public) Message(w http.ResponseWriter, r *http.Request, status int, key string) {
	page := p.Page(r)
	_ = p.pages.Render(w, status, "message", message{Page: page, Title: page.T(key + ".title"), Text: page.T(key + ".text")})
}

type message struct {
	Page
	Title, Text string
}

func (p *Public) code(w http.ResponseWriter, r *http.Request) {
	code, ok := signin.ParseCode(r.PathValue("code"))
	if !ok {
		p.Message(w, r, http.StatusNotFound, "code.none")
		return
	}
	page := p.Page(r)
	_ = p.pages.Render(w, http.StatusOK, "code", codePage{Page: page, Code: code, User: page.Told(code), Meaning: code.Meaning()})
}

type codePage struct {
	Page
	Code    signin.Code
	User    string
	Meaning signin.Meaning
}

func (p *Public) codes(w http.ResponseWriter, r *http.Request) {
	_ = p.pages.Render(w, http.StatusOK, "codes", codesPage{Page: p.Page(r), Meanings: signin.Meanings()})
}

type codesPage struct {
	Page
	Meanings []signin.Meaning
}

// language remembers a language and leads back.
func (p *Public) language(w http.ResponseWriter, r *http.Request) {
	if l, ok := p.Languages.Named(r.PathValue("lang")); ok {
		p.Cookies.SetLanguage(w, l.Lang)
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, LocalPath(r.URL.Query().Get("to"), "/codes/"), http.StatusSeeOther)
}

// Prefer has the pages that a program leads a person to be in a language that it
// asks for (ui_locales), where there is one of those.
func (p *Public) Prefer(w http.ResponseWriter, locales string) {
	if l, ok := p.Languages.First(locales); ok {
		p.Cookies.speak(w, programLanguage, l.Lang, programAsks)
	}
}

// asset serves one of our files.
func asset(name, kind string) http.HandlerFunc {
	content, err := assets.ReadFile(name)
	if err != nil {
		panic(fmt.Sprintf("the program was built without %s", name))
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "public, max-age=3600")
		_, _ = w.Write(content)
	}
}

func (p *Public) keys(w http.ResponseWriter, r *http.Request) {
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

// Limits of the public listener's HTTP server.
const (
	ReadHeaderTimeout = 5 * time.Second
	ReadTimeout       = 10 * time.Second
	WriteTimeout      = 10 * time.Second
	IdleTimeout       = 60 * time.Second
	MaxHeaderBytes    = 8 << 10
)
