package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

// languagesEvery is how often the site's language files are looked at.
const languagesEvery = 2 * time.Second

// readers are which languages people read the portal in.
type readers struct {
	mu    sync.Mutex
	langs map[string]string // by person
}

func (r *readers) of(person string) (lang string, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lang, known = r.langs[person]
	return lang, known
}

// openReaders reads what is known of people's languages.
func (s *Server) openReaders(ctx context.Context) error {
	known, err := s.store.Languages(ctx)
	if err != nil {
		return fmt.Errorf("reading people's languages: %w", err)
	}
	s.readers.langs = map[string]string{}
	for _, p := range known {
		s.readers.langs[p.Person] = p.Lang
	}
	return nil
}

// speaks remembers in which language a person reads.
func (s *Server) speaks(ctx context.Context, person, lang string) {
	if before, _ := s.readers.of(person); before == lang {
		return
	}
	if err := s.store.Write(ctx, func(tx *store.Tx) error { return tx.PutLanguage(store.Spoken{Person: person, Lang: lang}) }); err != nil {
		s.Log.Warn("cannot remember a person's language", "user", person, "err", err)
		return
	}
	s.readers.mu.Lock()
	defer s.readers.mu.Unlock()
	s.readers.langs[person] = lang
}

// openLanguages reads the words that people are spoken to with. What a site's
// files lack was told when the configuration was checked.
func (s *Server) openLanguages(context.Context) (err error) {
	c := s.Config.Languages
	s.languages, _, err = web.OpenLanguages(web.LanguageOptions{Folder: string(c.Folder), Standard: c.Default})
	if err == nil && c.Folder != "" {
		s.runs = append(s.runs, s.watchLanguages)
	}
	return err
}

// watchLanguages reads the site's files again when they change. While they
// cannot be used, the last good ones serve.
func (s *Server) watchLanguages(ctx context.Context) error {
	tick := time.NewTicker(languagesEvery)
	defer tick.Stop()
	told := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		lacks, changed, err := s.languages.Follow()
		switch {
		case err == nil && changed:
			told = ""
			for _, l := range lacks {
				s.Log.Warn("a language was read", "but", l.String())
			}
		case err != nil && err.Error() != told:
			told = err.Error()
			s.Log.Warn("language files cannot be used; the last good ones serve", "err", err)
		}
	}
}
