package server

import (
	"context"
	"time"

	"github.com/portreeve/portreeve/internal/web"
)

// languagesEvery is how often the site's language files are looked at.
const languagesEvery = 2 * time.Second

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
