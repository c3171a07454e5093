package web

import (
	"embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"github.com/portreeve/portreeve/internal/signin"
)

// The catalogue: a file per language, named by its BCP 47 tag. A further
// language is a further file, here or in a site's folder; nothing in the
// program names one.
//
//go:embed words
var catalogue embed.FS

// Fallback is the language whose file has every sentence.
const Fallback = "en"

// Words is one language.
type Words struct {
	Lang  string // BCP 47, for the page's lang attribute
	tag   language.Tag
	texts map[string]string
	rest  *Words // where a sentence is not translated
}

// rightToLeft are the scripts (ISO 15924) that are written so.
var rightToLeft = []string{"Adlm", "Arab", "Hebr", "Mand", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa"}

// Dir is the direction of writing, for the page's dir attribute.
func (w *Words) Dir() string {
	if script, _ := w.tag.Script(); slices.Contains(rightToLeft, script.String()) {
		return "rtl"
	}
	return "ltr"
}

// T is a sentence: {0}, {1} in it are replaced by what is given.
func (w *Words) T(key string, args ...any) string {
	s, ok := w.lookup(key)
	if !ok {
		return "[" + key + "]"
	}
	return fill(s, args)
}

// N is a sentence about n of something, in the form that the language has for
// that number; {0} is the number.
func (w *Words) N(key string, n int, args ...any) string {
	if _, own := w.texts[key+".other"]; !own && w.rest != nil && w.rest != w {
		return w.rest.N(key, n, args...) // in its language, by its forms
	}
	name := pluralNames[plural.Cardinal.MatchPlural(w.tag, max(n, 0), 0, 0, 0, 0)]
	if _, has := w.texts[key+"."+name]; !has {
		name = "other"
	}
	return w.T(key+"."+name, append([]any{n}, args...)...)
}

var pluralNames = map[plural.Form]string{plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many", plural.Other: "other"}

// Has says that there is a sentence.
func (w *Words) Has(key string) bool {
	_, ok := w.lookup(key)
	return ok
}

func (w *Words) lookup(key string) (string, bool) {
	if s, ok := w.texts[key]; ok {
		return s, true
	}
	if w.rest == nil {
		return "", false
	}
	s, ok := w.rest.texts[key]
	return s, ok
}

func fill(s string, args []any) string {
	if len(args) == 0 || !strings.Contains(s, "{") {
		return s
	}
	pairs := make([]string, 0, 2*len(args))
	for i, a := range args {
		pairs = append(pairs, "{"+strconv.Itoa(i)+"}", fmt.Sprint(a))
	}
	return strings.NewReplacer(pairs...).Replace(s)
}

// Told is what anybody may be told of a code.
func (w *Words) Told(c signin.Code) string {
	if s, ok := w.texts["told."+strconv.Itoa(int(c))]; ok {
		return s
	}
	return c.Meaning().User
}

// Why is a code in plain words, for the person whose sign-in it was.
func (w *Words) Why(c signin.Code) string {
	if s, ok := w.lookup("why." + strconv.Itoa(int(c))); ok {
		return s
	}
	return w.Told(c)
}

// Time is a moment as people say it, in the server's time zone.
func (w *Words) Time(t time.Time) string {
	if t.IsZero() {
		return w.T("time.never")
	}
	t = t.Local()
	return w.T("time.at", w.Day(t), t.Format("15:04"))
}

// Day is a date as people say it.
func (w *Words) Day(t time.Time) string {
	if t.IsZero() {
		return w.T("time.never")
	}
	t = t.Local()
	now := time.Now()
	switch y, m, d := t.Date(); {
	case sameDay(t, now):
		return w.T("time.today")
	case sameDay(t, now.AddDate(0, 0, -1)):
		return w.T("time.yesterday")
	case sameDay(t, now.AddDate(0, 0, 1)):
		return w.T("time.tomorrow")
	default:
		return w.date(y, m, d)
	}
}

func (w *Words) date(y int, m time.Month, d int) string {
	return w.T("time.day", d, w.T("month."+strconv.Itoa(int(m))), y)
}

// Lasting is a moment as it is written where it is read days later.
func (w *Words) Lasting(t time.Time) string {
	t = t.UTC()
	return w.T("notice.when", w.date(t.Date()), t.Format("15:04"))
}

func sameDay(a, b time.Time) bool {
	ay, am, ad := a.Date()
	by, bm, bd := b.Date()
	return ay == by && am == bm && ad == bd
}

// Stamp is a moment for the datetime attribute.
func (w *Words) Stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Program is a program family as people know it.
func (w *Words) Program(family string) string {
	if family == "" {
		return w.T("program.unknown")
	}
	if s, ok := w.lookup("program." + family); ok {
		return s
	}
	return family
}
