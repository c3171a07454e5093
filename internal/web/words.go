package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"github.com/portreeve/portreeve/internal/signin"
)

// The catalogue: a file per language, named by its BCP 47 tag. A further
// language is a further file; nothing in the program names one.
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

// Languages are all there are, the fallback first.
type Languages struct {
	all     []*Words
	matcher language.Matcher
}

// LoadLanguages reads the built-in catalogue.
func LoadLanguages() (*Languages, error) {
	files, err := catalogue.ReadDir("words")
	if err != nil {
		return nil, fmt.Errorf("reading the languages: %w", err)
	}
	l := &Languages{}
	for _, f := range files {
		raw, err := catalogue.ReadFile("words/" + f.Name())
		if err != nil {
			return nil, fmt.Errorf("reading the language %s: %w", f.Name(), err)
		}
		w := &Words{Lang: strings.TrimSuffix(f.Name(), path.Ext(f.Name()))}
		if w.tag, err = language.Parse(w.Lang); err != nil {
			return nil, fmt.Errorf("reading the language %s: %w", f.Name(), err)
		}
		if err := json.Unmarshal(raw, &w.texts); err != nil {
			return nil, fmt.Errorf("reading the language %s: %w", f.Name(), err)
		}
		l.all = append(l.all, w)
	}
	slices.SortStableFunc(l.all, func(a, b *Words) int {
		switch Fallback {
		case a.Lang:
			return -1
		case b.Lang:
			return 1
		}
		return strings.Compare(a.Lang, b.Lang)
	})
	var tags []language.Tag
	for _, w := range l.all {
		w.rest = l.all[0]
		tags = append(tags, w.tag)
	}
	l.matcher = language.NewMatcher(tags)
	return l, nil
}

// All lists the languages, the fallback first.
func (l *Languages) All() []*Words { return l.all }

// Named is a language by its tag.
func (l *Languages) Named(lang string) (*Words, bool) {
	for _, w := range l.all {
		if w.Lang == lang {
			return w, true
		}
	}
	return nil, false
}

// maxAccept bounds what is read of Accept-Language, in bytes.
const maxAccept = 200

// Of is the language of a request: the one chosen by a link, else the one that
// the browser asks for.
func (l *Languages) Of(r *http.Request) *Words {
	if c, err := r.Cookie(languageCookie); err == nil {
		if w, ok := l.Named(c.Value); ok {
			return w
		}
	}
	accept := r.Header.Get("Accept-Language")
	if accept == "" || len(accept) > maxAccept {
		return l.all[0]
	}
	_, i := language.MatchStrings(l.matcher, accept)
	return l.all[i]
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
	form := plural.Cardinal.MatchPlural(w.tag, max(n, 0), 0, 0, 0, 0)
	name, ok := pluralNames[form]
	if _, has := w.lookup(key + "." + name); !ok || !has {
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
		return w.T("time.day", d, w.T("month."+strconv.Itoa(int(m))), y)
	}
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
