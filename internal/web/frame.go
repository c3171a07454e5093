package web

import (
	"html/template"
	"time"
)

// entry is one entry of the menu.
type entry struct {
	Label, Path string
	Current     bool
}

// framed is any page.
type framed interface{ frame() *Page }

func (p Page) frame() *Page { return &p }

// when is a moment in a page.
type when struct{ Stamp, Text string }

// functions are what templates may call besides their page's methods.
var functions = template.FuncMap{
	"entry": func(page framed, name, path string) entry {
		p := page.frame()
		return entry{Label: p.T("menu." + name), Path: path, Current: p.Current == name}
	},
	"when": func(page framed, t time.Time) when {
		p := page.frame()
		return when{Stamp: p.Stamp(t), Text: p.Time(t)}
	},
}
