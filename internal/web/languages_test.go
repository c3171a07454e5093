package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policyfile"
	"github.com/portreeve/portreeve/internal/signin"
)

// folder is a site's folder of languages.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const french = `{
"language": "Français",
"cancel": "Annuler",
"time.at": "{1}, le {0}",
"approvals.for.one": "{0} jour",
"approvals.for.other": "{0} jours",
"why.50126": "Le mot de passe était faux."
}`

// A language that is only begun says what it has, and the rest in English, each
// by the rules of the language that it is said in.
func TestAFurtherLanguageFallsBackToEnglish(t *testing.T) {
	dir := folder(t, map[string]string{"fr.json": french, "de.json": `{"cancel": "Lass gut sein"}`, "notes.txt": "x", ".swp.json": "x"})
	l, lacks, err := OpenLanguages(LanguageOptions{Folder: dir, Standard: "fr"})
	if err != nil {
		t.Fatal(err)
	}
	en, _ := l.Named("en")
	if want := len(en.texts) - 6; len(lacks) != 1 || lacks[0] != (Lack{filepath.Join(dir, "fr.json"), want, len(en.texts)}) {
		t.Errorf("lacks %v, want one of %d", lacks, want)
	}
	fr, _ := l.Named("fr")
	de, _ := l.Named("de")
	for _, c := range []struct{ got, want string }{
		{fr.T("language"), "Français"}, {fr.T("cancel"), "Annuler"}, {fr.T("signin.title"), "Sign in"}, {fr.T("time.at", "a", "b"), "b, le a"},
		{fr.N("approvals.for", 0), "0 jour"}, {fr.N("approvals.for", 2), "2 jours"}, {fr.N("approvals.for", 1_000_000), "1000000 jours"},
		{fr.N("notme.ended", 0), "0 connections were closed."}, // English has no form of one for none
		{fr.Why(signin.Code(50126)), "Le mot de passe était faux."},
		{de.T("cancel"), "Lass gut sein"}, {de.T("language"), "Deutsch"}, {l.Standard().Lang, "fr"},
		{fmt.Sprint(l.now.Load().names()), "[en de fr]"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
	for accept, want := range map[string]string{"": "fr", "ja": "fr", "fr-CA": "fr", "de": "de", "en-GB, fr;q=0.5": "en", ";;;": "fr"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", accept)
		if got := l.Of(r).Lang; got != want {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
	}
}

func TestTheDirectionOfWriting(t *testing.T) {
	name := `{"language": "x"}`
	l, _, err := OpenLanguages(LanguageOptions{Folder: folder(t, map[string]string{"ar.json": name, "he.json": name, "az.json": name, "az-Arab.json": name})})
	if err != nil {
		t.Fatal(err)
	}
	for lang, want := range map[string]string{"en": "ltr", "ar": "rtl", "he": "rtl", "az": "ltr", "az-Arab": "rtl"} {
		if w, ok := l.Named(lang); !ok || w.Dir() != want {
			t.Errorf("%s is not written %s", lang, want)
		}
	}
}

// A language that has no form for one lacks none.
func TestNoFormIsMissedThatALanguageDoesNotHave(t *testing.T) {
	raw, err := BuiltIn(Fallback)
	if err != nil {
		t.Fatal(err)
	}
	var texts map[string]string
	if err := json.Unmarshal(raw, &texts); err != nil {
		t.Fatal(err)
	}
	some := 0
	for key := range texts {
		if base, last := parent(key); last == "one" && texts[base+".other"] != "" {
			delete(texts, key)
			some++
		}
	}
	whole, _ := json.Marshal(texts)
	_, lacks, err := OpenLanguages(LanguageOptions{Folder: folder(t, map[string]string{"ja.json": string(whole), "it.json": string(whole), "fi.json": string(raw)})})
	if err != nil || some == 0 || len(lacks) != 1 || lacks[0].Missing != some || filepath.Base(lacks[0].File) != "it.json" {
		t.Errorf("%v, %v; %d sentences count one", lacks, err, some)
	}
}

// Whatever is wrong keeps every language as it was.
func TestFilesThatAreNoLanguages(t *testing.T) {
	dir := folder(t, map[string]string{"fr.json": french})
	l, _, err := OpenLanguages(LanguageOptions{Folder: dir})
	if err != nil {
		t.Fatal(err)
	}
	large := `{"language": "X", "cancel": "` + strings.Repeat("x", maxLanguageFile) + `"}`
	for what, file := range map[string][2]string{
		"an unknown sentence":     {"fr.json", `{"language": "F", "nothing": "x"}`},
		"a place too many":        {"fr.json", `{"language": "F", "cancel": "{0}"}`},
		"a place of two digits":   {"fr.json", `{"language": "F", "cancel": "{10}"}`},
		"a place too few":         {"fr.json", `{"language": "F", "time.at": "{0}"}`},
		"no sentence":             {"fr.json", `{"language": "F", "cancel": null}`},
		"no end":                  {"fr.json", `{"language": "F", "cancel": "a"`},
		"no mapping":              {"fr.json", `["language"]`},
		"no name of its own":      {"fr.json", `{"cancel": "a"}`},
		"a long name":             {"fr.json", `{"language": "` + strings.Repeat("F", maxOwnName+1) + `"}`},
		"a long sentence":         {"fr.json", `{"language": "F", "cancel": "` + strings.Repeat("F", maxSentence+1) + `"}`},
		"a large file":            {"fr.json", large},
		"no language":             {"und.json", `{"language": "F"}`},
		"another way to write it": {"pt_BR.json", `{"language": "F"}`},
		"a path":                  {"..json", `{"language": "F"}`},
	} {
		path := filepath.Join(dir, file[0])
		if err := os.WriteFile(path, []byte(file[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Reload(); (err == nil) != (what == "a path") { // a name with a point in front is passed over
			t.Errorf("%s: %v", what, err)
		}
		if w, ok := l.Named("fr"); !ok || w.T("cancel") != "Annuler" && what != "a path" {
			t.Errorf("%s: the last good French is gone", what)
		}
		if file[0] != "fr.json" {
			_ = os.Remove(path)
		}
		if err := os.WriteFile(filepath.Join(dir, "fr.json"), []byte(french), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "es.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Reload(); err == nil {
		t.Error("a folder is read as a language")
	}
	if _, _, err := OpenLanguages(LanguageOptions{Folder: filepath.Join(dir, "nowhere")}); err == nil {
		t.Error("a folder that is not there has languages")
	}
	if _, _, err := OpenLanguages(LanguageOptions{Standard: "fr"}); !errors.Is(err, ErrNoLanguage) {
		t.Errorf("a default that is not there: %v", err)
	}
	many := map[string]string{}
	for i := range maxLanguages + 1 {
		many[fmt.Sprintf("q%c%c.json", 'a'+i/20, 'a'+i%20)] = `{"language": "x"}`
	}
	if _, _, err := OpenLanguages(LanguageOptions{Folder: folder(t, many)}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%d languages: %v", len(many), err)
	}
}

func TestLanguagesFollowTheirFiles(t *testing.T) {
	dir := folder(t, map[string]string{"fr.json": french})
	l, _, err := OpenLanguages(LanguageOptions{Folder: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, changed, err := l.Follow(); changed || err != nil {
		t.Errorf("nothing has changed: %v, %v", changed, err)
	}
	path := filepath.Join(dir, "fr.json")
	write := func(text string, at time.Time) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Replace(french, "Annuler", "Laisser", 1), time.Now().Add(time.Second))
	fr := func() string { w, _ := l.Named("fr"); return w.T("cancel") }
	if lacks, changed, err := l.Follow(); !changed || err != nil || len(lacks) != 1 || fr() != "Laisser" {
		t.Errorf("%v, %v, %v: %s", lacks, changed, err, fr())
	}
	write("{", time.Now().Add(2*time.Second))
	var fault *policyfile.Fault
	if _, _, err := l.Follow(); !errors.As(err, &fault) || fr() != "Laisser" {
		t.Errorf("broken: %v, %s", err, fr())
	}
	if _, changed, err := l.Follow(); changed || err != nil {
		t.Errorf("the same fault is told twice: %v, %v", changed, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, changed, err := l.Follow(); !changed || err != nil || len(l.All()) != 2 {
		t.Errorf("a file that is gone: %v, %v, %d languages", changed, err, len(l.All()))
	}
}

// The file that the program prints is one to begin with.
func TestTheEnglishFileIsALanguage(t *testing.T) {
	raw, err := BuiltIn(Fallback)
	if err != nil {
		t.Fatal(err)
	}
	raw = bytes.Replace(raw, []byte(`"language": "English"`), []byte(`"language": "Esperanto"`), 1)
	l, lacks, err := OpenLanguages(LanguageOptions{Folder: folder(t, map[string]string{"eo.json": string(raw)})})
	if err != nil || len(lacks) > 0 || len(l.All()) != 3 {
		t.Errorf("%v, %v", err, lacks)
	}
	for _, name := range []string{"xx", "../words/en", "", "en.json"} {
		if _, err := BuiltIn(name); !errors.Is(err, ErrNoLanguage) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Whatever a file holds, what is taken of it says what the English does.
func FuzzLanguage(f *testing.F) {
	f.Add([]byte(french))
	f.Add([]byte(`{"language": "F", "time.at": "{0}{1}{0}", "approvals.for.few": ""}`))
	all, err := builtIn()
	if err != nil {
		f.Fatal(err)
	}
	var first *Words
	for _, w := range all {
		if w.Lang == Fallback {
			first = w
		}
	}
	path := filepath.Join(f.TempDir(), "fr.json")
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		w, _, err := readLanguage(path, first)
		if err != nil {
			return
		}
		for key, text := range w.texts {
			if _, _, known := first.asks(key); !known || strings.TrimSpace(text) == "" || len(text) > maxSentence {
				t.Errorf("%q: %q", key, text)
			}
		}
	})
}

// A program's wish stands behind what the person chose and before what their
// browser asks for; what there is not falls through.
func TestAProgramAsksForALanguage(t *testing.T) {
	p, err := New(Options{Find: func(context.Context, signin.Reference) (Refused, bool) { return Refused{}, false }})
	if err != nil {
		t.Fatal(err)
	}
	for list, want := range map[string]string{"de": "de", "fr-CA fr de": "de", "de-AT": "de", "xx !! en-GB de": "en", "fr": "", "": "", "!!": "", "se": "", strings.Repeat("de ", 100): ""} {
		w := httptest.NewRecorder()
		p.Prefer(w, list)
		r := httptest.NewRequest("GET", "/", nil)
		for _, c := range w.Result().Cookies() {
			if c.MaxAge != 600 || !c.HttpOnly {
				t.Errorf("%q: %v", list, c)
			}
			r.AddCookie(c)
		}
		if got := len(r.Cookies()) == 1; got != (want != "") {
			t.Errorf("%.20q: %v", list, r.Cookies())
		}
		for accept, without := range map[string]string{"en": "en", "de": "de", "": "en"} {
			r.Header.Set("Accept-Language", accept)
			if got, want := p.Languages.Of(r).Lang, cmp.Or(want, without); got != want {
				t.Errorf("%.20q in a browser that asks for %q: %s, not %s", list, accept, got, want)
			}
		}
		r.AddCookie(&http.Cookie{Name: languageCookie, Value: "en"})
		if got := p.Languages.Of(r).Lang; got != "en" {
			t.Errorf("%.20q: not what the person chose: %s", list, got)
		}
	}
}
