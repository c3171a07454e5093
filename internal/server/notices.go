package server

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/factor"
	"github.com/portreeve/portreeve/internal/notify"
	"github.com/portreeve/portreeve/internal/web"
)

// openNotices prepares the mails that tell people what concerns their sign-in.
func (s *Server) openNotices(ctx context.Context) (err error) {
	if err := s.openReaders(ctx); err != nil {
		return err
	}
	c := s.Config.Notices
	if c.Address == "" {
		return nil
	}
	o := notify.Options{Address: string(c.Address), TLS: c.TLS, ServerName: c.ServerName, From: c.From, Name: c.Name, PublicURL: string(s.Config.PublicURL),
		Store: s.store,
		Fault: func(to string, err error) { s.Log.Warn("cannot tell a person", "user", to, "err", err) }}
	if c.Name == "" {
		o.Name = s.Config.Hostname
	}
	if c.CA != "" {
		if o.RootCAs, err = authorities(string(c.CA)); err != nil {
			return fmt.Errorf("notices, ca: %w", err)
		}
	}
	if s.notices, err = notify.New(ctx, o); err != nil {
		return err
	}
	s.runs = append(s.runs, s.notices.Run)
	return nil
}

// tell sends somebody a notice, unless none are sent or they are gone. It never
// waits.
func (s *Server) tell(n notify.Notice) {
	p, known := s.people.ByID(n.Person)
	if s.notices == nil || !known || p.Disabled {
		return
	}
	n.To = p.Address
	s.notices.Tell(n)
}

// page is the address of a page of ours for the end of a notice.
func (s *Server) page(w *web.Words, path string) string {
	if s.portalURL() == "" {
		return w.T("notice.nopage") + "\n"
	}
	return strings.TrimSuffix(s.portalURL(), "/") + path + "\n"
}

// portalURL is where the portal is; empty if there is none.
func (s *Server) portalURL() string {
	if !s.Config.Public.Address.IsValid() {
		return ""
	}
	return string(s.Config.PublicURL)
}

// longest is how many characters of what a stranger wrote a notice repeats.
const longest = 60

// speech is the language that mails to a person are written in: the one in
// which they last read the portal, else the site's own.
func (s *Server) speech(person string) *web.Words {
	if lang, known := s.readers.of(person); known {
		if w, there := s.languages.Named(lang); there {
			return w
		}
	}
	return s.languages.Standard()
}

// announce tells somebody of a change of their sign-in, in a sentence of the
// languages and what stands in it, which is harmless. Each is told, and the same
// one once a day.
func (s *Server) announce(person, sentence string, names ...string) {
	w, args := s.speech(person), make([]any, len(names))
	for i, n := range names {
		args[i] = n
	}
	s.tell(notify.Notice{Person: person, Kind: "factor", Program: strings.Join(append([]string{sentence}, names...), " "), Subject: w.T("notice.factor.subject"),
		Text: w.T(sentence, args...) + "\n\n" + w.T("notice.factor.then") + "\n" + s.page(w, "/signins")})
}

// factorNews tells somebody of their second factors. A factor's name is
// whoever's who set it up.
func (s *Server) factorNews(person string, n factor.News) {
	names := []string{n.Name}
	switch n.Kind {
	case factor.NewsAdded, factor.NewsCopy:
		names[0] = notify.Word(n.Name, longest)
	}
	s.announce(person, "notice.factor."+string(n.Kind), names...)
}

// asked tells somebody that a program waits for their approval.
func (s *Server) asked(person string, r approval.Request) {
	w := s.speech(person)
	program := cmp.Or(notify.Word(w.Program(r.Program), longest), w.Program(""))
	from := r.Addr.String()
	if owner := notify.Word(r.Owner, longest); owner != "" {
		from += " (" + owner + ")"
	}
	if r.Country != "" {
		from += ", " + w.T("place.country", notify.Word(r.Country, longest))
	}
	s.tell(notify.Notice{Person: person, Kind: "approval", Program: r.Program, Subject: w.T("notice.approval.subject"),
		Text: w.T("notice.approval.text", program, r.Protocol.Row().Label, from, w.Lasting(r.Last)) + "\n" + s.page(w, "/approvals")})
}
