package web

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
)

func languages(t *testing.T) *Languages {
	t.Helper()
	l, err := LoadLanguages()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var places = regexp.MustCompile(`\{\d\}`)

// Every language says everything that the first does, about the same things.
func TestEveryLanguageSaysEverything(t *testing.T) {
	all := languages(t).All()
	first := all[0]
	if first.Lang != Fallback || len(all) < 2 {
		t.Fatalf("the first of %d languages is %s", len(all), first.Lang)
	}
	for _, w := range all[1:] {
		for key, text := range first.texts {
			own, ok := w.texts[key]
			if !ok {
				t.Errorf("%s lacks %s", w.Lang, key)
				continue
			}
			want, got := places.FindAllString(text, -1), places.FindAllString(own, -1)
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(want, got) {
				t.Errorf("%s, %s: %v, want %v", w.Lang, key, got, want)
			}
		}
		for key := range w.texts {
			if _, ok := first.texts[key]; !ok && !strings.HasPrefix(key, "told.") {
				t.Errorf("%s has %s, which nothing says", w.Lang, key)
			}
		}
	}
}

var (
	inTemplates = regexp.MustCompile(`\.[TN] "([^"]+)"`)
	inCode      = regexp.MustCompile(`(?:\.[TN]\(|done\("[^"]*", |problem\([^,]+, |Message\(w, r, [^,]+, |key(?::| =) )"([^"]+)"`)
)

// What pages and code say is in the catalogue. Words that are put together from
// parts are looked for by their beginnings.
func TestWhatPagesSayIsInTheCatalogue(t *testing.T) {
	w := languages(t).All()[0]
	files, _ := filepath.Glob("assets/*/*.html")
	more, _ := filepath.Glob("../portal/pages/*.html")
	code, _ := filepath.Glob("../portal/*.go")
	own, _ := filepath.Glob("*.go")
	found := 0
	for _, f := range slices.Concat(files, more, code, own) {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		find := inCode
		if strings.HasSuffix(f, ".html") {
			find = inTemplates
		}
		for _, m := range find.FindAllStringSubmatch(string(raw), -1) {
			key := m[1]
			found++
			known := w.Has(key) || w.Has(key+".other") || w.Has(key+".title") || w.Has("problem."+key+".title")
			if strings.HasSuffix(key, ".") {
				known = slices.ContainsFunc(keysOf(w), func(k string) bool { return strings.HasPrefix(k, key) })
			}
			if !known {
				t.Errorf("%s says %s, which is not in the catalogue", f, key)
			}
		}
	}
	if found < 300 {
		t.Errorf("only %d sentences were found", found)
	}
}

func keysOf(w *Words) (keys []string) {
	for k := range w.texts {
		keys = append(keys, k)
	}
	return keys
}

func TestNumbersAndTimesReadAsPeopleSayThem(t *testing.T) {
	l := languages(t)
	en, _ := l.Named("en")
	de, _ := l.Named("de")
	for _, c := range []struct{ got, want string }{
		{en.N("approvals.for", 1), "one day"}, {en.N("approvals.for", 7), "7 days"}, {de.N("approvals.for", 1), "einen Tag"}, {de.N("approvals.for", 30), "30 Tage"},
		{en.N("notme.ended", 0), "0 connections were closed."},
		{en.Time(time.Time{}), "never"}, {de.Time(time.Date(2020, 3, 1, 12, 5, 0, 0, time.Local)), "1. März 2020, 12:05 Uhr"}, {en.Day(time.Date(2020, 3, 1, 12, 5, 0, 0, time.Local)), "1 March 2020"},
		{en.Day(time.Now()), "today"}, {de.Day(time.Now().AddDate(0, 0, -1)), "gestern"},
		{en.T("setup.title"), "Set up mail"}, {en.T("no such"), "[no such]"}, {en.Program("aerc"), "aerc"}, {de.Program(""), "Ein unbekanntes Programm"},
		{de.Told(signin.WrongCredentials)[:10], "Die Anmeld"}, {de.Why(signin.Code(1060)), signin.Code(1060).Meaning().User},
		{fill("{1} {0} {1} {2}", []any{"a", "{0}"}), "{0} a {0} {2}"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestTheLanguageOfARequest(t *testing.T) {
	l := languages(t)
	for accept, want := range map[string]string{"": "en", "de": "de", "de-CH, en;q=0.5": "de", "fr, de;q=0.4": "de", "fr": "en", strings.Repeat("de,", 200): "en", ";;;": "en"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", accept)
		if got := l.Of(r).Lang; got != want {
			t.Errorf("%.40q: %s, want %s", accept, got, want)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "lang=de")
	if l.Of(r).Lang != "de" {
		t.Error("the chosen language is not used")
	}
	r.Header.Set("Cookie", "lang=../../etc")
	if l.Of(r).Lang != "en" {
		t.Error("a language that there is not")
	}
}
