package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/text/language"
)

// Languages are all there are. They may be read again while they are used.
type Languages struct {
	o    LanguageOptions
	now  atomic.Pointer[spoken]
	mu   sync.Mutex
	mark string // of the files that were read last
}

// LanguageOptions say which languages there are besides the built-in ones.
type LanguageOptions struct {
	// Folder holds further files; empty: there are none.
	Folder string
	// Standard is the language of whoever asks for none that there is, and of
	// mails; empty: Fallback.
	Standard string
}

// spoken is the languages at one time.
type spoken struct {
	all      []*Words // the fallback first
	standard *Words
	matcher  language.Matcher
}

// LoadLanguages reads the built-in catalogue.
func LoadLanguages() (*Languages, error) {
	l, _, err := OpenLanguages(LanguageOptions{})
	return l, err
}

// OpenLanguages reads the built-in catalogue and what a site adds to it, and
// says what that lacks.
func OpenLanguages(o LanguageOptions) (*Languages, []Lack, error) {
	l := &Languages{o: o}
	lacks, err := l.Reload()
	return l, lacks, err
}

// Reload reads the languages again, and says what further ones lack. After a
// fault those that there were stay.
func (l *Languages) Reload() ([]Lack, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mark = markOf(l.o.Folder) // before reading: what changes meanwhile is read once more
	return l.read()
}

// Follow is Reload if the folder's files have changed since the last one.
func (l *Languages) Follow() (lacks []Lack, changed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	mark := markOf(l.o.Folder)
	if mark == l.mark {
		return nil, false, nil
	}
	l.mark = mark
	lacks, err = l.read()
	return lacks, true, err
}

func (l *Languages) read() (lacks []Lack, err error) {
	all, err := builtIn()
	if err == nil && l.o.Folder != "" {
		all, lacks, err = further(l.o.Folder, all)
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b *Words) int {
		switch Fallback {
		case a.Lang:
			return -1
		case b.Lang:
			return 1
		}
		return strings.Compare(a.Lang, b.Lang)
	})
	s := &spoken{all: all, standard: all[0]}
	var tags []language.Tag
	for _, w := range all {
		w.rest = all[0]
		tags = append(tags, w.tag)
		if w.Lang == l.o.Standard {
			s.standard = w
		}
	}
	if l.o.Standard != "" && s.standard.Lang != l.o.Standard {
		return lacks, fmt.Errorf("%w %q; there are %s", ErrNoLanguage, l.o.Standard, strings.Join(s.names(), ", "))
	}
	s.matcher = language.NewMatcher(tags)
	l.now.Store(s)
	return lacks, nil
}

func (s *spoken) names() (names []string) {
	for _, w := range s.all {
		names = append(names, w.Lang)
	}
	return names
}

// All lists the languages, the fallback first.
func (l *Languages) All() []*Words { return l.now.Load().all }

// Standard is the language for whoever's is not known.
func (l *Languages) Standard() *Words { return l.now.Load().standard }

// Named is a language by its tag.
func (l *Languages) Named(lang string) (*Words, bool) {
	for _, w := range l.All() {
		if w.Lang == lang {
			return w, true
		}
	}
	return nil, false
}

// maxAccept bounds what is read of Accept-Language, in bytes.
const maxAccept = 200

// Of is the language of a request: the one chosen by a link, else the one that a
// program asked for a moment ago, else the one that the browser asks for.
func (l *Languages) Of(r *http.Request) *Words { return l.of(r, languageCookie, programLanguage) }

// Chosen is the language of a request as far as it is the person's own choice, and
// no program's: for what outlasts the program's request.
func (l *Languages) Chosen(r *http.Request) *Words { return l.of(r, languageCookie) }

func (l *Languages) of(r *http.Request, cookies ...string) *Words {
	for _, name := range cookies {
		if c, err := r.Cookie(name); err == nil {
			if w, ok := l.Named(c.Value); ok {
				return w
			}
		}
	}
	now, accept := l.now.Load(), r.Header.Get("Accept-Language")
	if accept == "" || len(accept) > maxAccept {
		return now.standard
	}
	asked, _, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		return now.standard
	}
	if _, i, sure := now.matcher.Match(asked...); sure != language.No {
		return now.all[i]
	}
	return now.standard
}

// First is the language among ours that fits best what a list asks for, BCP 47
// tags with spaces between, the best first; those that cannot be read are passed
// over.
func (l *Languages) First(list string) (*Words, bool) {
	if len(list) > maxAccept {
		return nil, false
	}
	var asked []language.Tag
	for word := range strings.FieldsSeq(list) {
		if t, err := language.Parse(word); err == nil {
			asked = append(asked, t)
		}
	}
	now := l.now.Load()
	if _, i, sure := now.matcher.Match(asked...); len(asked) > 0 && sure != language.No {
		return now.all[i], true
	}
	return nil, false
}
