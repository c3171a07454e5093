package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"github.com/portreeve/portreeve/internal/policyfile"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/spelling"
)

// Bounds on a site's own languages.
const (
	maxLanguages    = 50
	maxLanguageFile = 512 << 10 // bytes; the English file has some 30 KB
	maxSentence     = 4 << 10   // bytes
	maxOwnName      = 40        // bytes of a language's name for itself
	maxKey          = 100       // bytes; a longer one names nothing
	maxFaults       = 20        // of one file that are told
)

// ErrNoLanguage says that a language is not there.
var ErrNoLanguage = errors.New("there is no language")

// ownName is the sentence that is a language's own name for itself.
const ownName = "language"

// Lack is how many sentences a language does not have; they are English there.
type Lack struct {
	File        string
	Missing, Of int
}

// String is the lack as a person is told of it.
func (l Lack) String() string {
	return fmt.Sprintf("%s lacks %d of %d sentences; those are in English", l.File, l.Missing, l.Of)
}

// builtIn reads the catalogue in the program.
func builtIn() ([]*Words, error) {
	files, err := catalogue.ReadDir("words")
	if err != nil {
		return nil, fmt.Errorf("reading the languages: %w", err)
	}
	var all []*Words
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
		all = append(all, w)
	}
	return all, nil
}

// BuiltIn is the file of a built-in language, to begin another one with.
func BuiltIn(lang string) ([]byte, error) {
	raw, err := catalogue.ReadFile("words/" + lang + ".json")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return nil, fmt.Errorf("%w %q in the program", ErrNoLanguage, lang)
	}
	return raw, err
}

// further adds a folder's languages to the built-in ones. A file of a built-in
// language says some of its sentences otherwise. All faults are returned, each
// with its place.
func further(folder string, all []*Words) ([]*Words, []Lack, error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the folder of languages: %w", err)
	}
	first := all[slices.IndexFunc(all, func(w *Words) bool { return w.Lang == Fallback })] // also where a file says it otherwise
	var lacks []Lack
	var faults []error
	found := 0
	for _, f := range files {
		if filepath.Ext(f.Name()) != ".json" || strings.HasPrefix(f.Name(), ".") {
			continue
		}
		if found++; found > maxLanguages {
			return nil, nil, fmt.Errorf("%s holds more than %d languages", folder, maxLanguages)
		}
		w, doc, err := readLanguage(filepath.Join(folder, f.Name()), first)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if i := slices.IndexFunc(all, func(o *Words) bool { return o.Lang == w.Lang }); i >= 0 {
			all[i] = all[i].with(w.texts)
			continue
		}
		if _, named := w.texts[ownName]; !named {
			faults = append(faults, doc.Fault("", "a language says its own name, such as %q: \"Français\"", ownName))
		}
		if n := w.missing(first); n > 0 {
			lacks = append(lacks, Lack{filepath.Join(folder, f.Name()), n, len(first.texts)})
		}
		all = append(all, w)
	}
	return all, lacks, errors.Join(faults...)
}

// markOf changes with a folder's language files.
func markOf(folder string) string {
	if folder == "" {
		return ""
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, f := range files {
		if filepath.Ext(f.Name()) != ".json" {
			continue
		}
		if i, err := os.Stat(filepath.Join(folder, f.Name())); err == nil { // of what a link leads to
			fmt.Fprintf(&b, "%s %d %d\n", f.Name(), i.Size(), i.ModTime().UnixNano())
		}
	}
	return b.String()
}

// with is a language with some sentences said otherwise.
func (w *Words) with(texts map[string]string) *Words {
	other := &Words{Lang: w.Lang, tag: w.tag, texts: map[string]string{}}
	for _, from := range []map[string]string{w.texts, texts} {
		for k, s := range from {
			other.texts[k] = s
		}
	}
	return other
}

// readLanguage reads one file, and checks it against the first language.
func readLanguage(file string, first *Words) (*Words, *policyfile.Document, error) {
	w := &Words{Lang: strings.TrimSuffix(filepath.Base(file), ".json"), texts: map[string]string{}}
	var err error
	if w.tag, err = language.Parse(w.Lang); err != nil || w.tag == language.Und {
		return nil, nil, fmt.Errorf("%s: %q is no language such as fr or pt-BR", file, w.Lang)
	}
	if name := w.tag.String(); name != w.Lang {
		return nil, nil, fmt.Errorf("%s: that language is written %s; call the file %s.json", file, name, name)
	}
	raw, err := readBounded(file)
	if err != nil {
		return nil, nil, err
	}
	docs, err := policyfile.Parse(file, raw)
	if err != nil {
		return nil, nil, err
	}
	if len(docs) != 1 || docs[0].Root.Kind != policyfile.Object {
		return nil, nil, fmt.Errorf("%s: a language is one mapping of sentences, as in the file of English", file)
	}
	var faults []error
	for _, m := range docs[0].Root.Members {
		if len(faults) == maxFaults {
			break
		}
		if what := wrongIn(m.Name, m.Value, first); what != "" {
			faults = append(faults, docs[0].FaultAt(m.Pos, "%s", what))
			continue
		}
		w.texts[m.Name] = m.Value.Text
	}
	return w, docs[0], errors.Join(faults...)
}

func readBounded(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading a language: %w", err)
	}
	defer f.Close()
	if i, err := f.Stat(); err != nil || !i.Mode().IsRegular() {
		return nil, fmt.Errorf("reading a language: %s is no file", file)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxLanguageFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading a language: %w", err)
	}
	if len(raw) > maxLanguageFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", file, maxLanguageFile)
	}
	return raw, nil
}

// wrongIn says what is wrong with a sentence, nothing if it is right.
func wrongIn(key string, value *policyfile.Node, first *Words) string {
	want, fewer, known := first.asks(key)
	switch {
	case len(key) > maxKey:
		return "nothing has so long a name"
	case !known:
		return fmt.Sprintf("nothing is called %q%s", key, spelling.DidYouMean(key, first.keys()))
	case value.Kind != policyfile.String:
		return fmt.Sprintf("%q is a sentence, and this is %s", key, value.Kind)
	case strings.TrimSpace(value.Text) == "":
		return fmt.Sprintf("%q is empty; leave it out, and it is in English", key)
	case len(value.Text) > maxSentence || key == ownName && len(value.Text) > maxOwnName:
		return fmt.Sprintf("%q is too long", key)
	case strings.ContainsFunc(value.Text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }):
		return fmt.Sprintf("%q holds a character that cannot be seen", key)
	}
	got := placesIn(value.Text)
	for _, p := range got {
		if !slices.Contains(want, p) {
			return fmt.Sprintf("%q says %s, which the English sentence does not", key, p)
		}
	}
	for _, p := range want {
		if !fewer && !slices.Contains(got, p) {
			return fmt.Sprintf("%q does not say %s, which the English sentence does", key, p)
		}
	}
	return ""
}

var place = regexp.MustCompile(`\{\d+\}`)

func placesIn(s string) []string {
	all := place.FindAllString(s, -1)
	slices.Sort(all)
	return slices.Compact(all)
}

// asks says which places a sentence has, and whether it may have fewer. Besides
// the sentences of this language there may be further plural forms of one, and
// what codes mean.
func (w *Words) asks(key string) (places []string, fewer, known bool) {
	base, last := parent(key)
	if s, counted := w.texts[base+".other"]; counted && isForm(last) {
		return placesIn(s), true, true // "one day" need not say the number
	}
	if s, ok := w.texts[key]; ok {
		return placesIn(s), false, true
	}
	if base == "why" || base == "told" {
		_, known = signin.ParseCode(last)
	}
	return nil, false, known
}

// parent cuts the last part off a key.
func parent(key string) (base, last string) {
	dot := strings.LastIndexByte(key, '.')
	return key[:max(dot, 0)], key[dot+1:]
}

func isForm(name string) bool {
	for _, n := range pluralNames {
		if n == name {
			return true
		}
	}
	return false
}

func (w *Words) keys() (keys []string) {
	for k := range w.texts {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// missing counts the sentences of the first language that this one lacks. A
// plural form that this language does not have is none.
func (w *Words) missing(first *Words) (n int) {
	used := map[string]bool{}
	for i := range 200 { // every form of every language occurs among the smaller numbers, or is like "other"
		used[pluralNames[plural.Cardinal.MatchPlural(w.tag, i, 0, 0, 0, 0)]] = true
	}
	for key := range first.texts {
		if _, ok := w.texts[key]; ok {
			continue
		}
		base, last := parent(key)
		if _, counted := first.texts[base+".other"]; counted && isForm(last) && last != "other" && !used[last] {
			continue
		}
		n++
	}
	return n
}
