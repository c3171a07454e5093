package server

import (
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/notify"
)

// openNotices prepares the mails that tell people what concerns their sign-in.
func (s *Server) openNotices() (err error) {
	c := s.Config.Notices
	if c.Address == "" {
		return nil
	}
	o := notify.Options{Address: string(c.Address), TLS: c.TLS, ServerName: c.ServerName, From: c.From, Name: c.Name, PublicURL: string(s.Config.PublicURL),
		Fault: func(to string, err error) { s.Log.Warn("cannot tell a person", "user", to, "err", err) }}
	if c.Name == "" {
		o.Name = s.Config.Hostname
	}
	if c.CA != "" {
		pem, err := os.ReadFile(string(c.CA))
		if err != nil {
			return fmt.Errorf("notices: %w", err)
		}
		o.RootCAs = x509.NewCertPool()
		o.RootCAs.AppendCertsFromPEM(pem)
	}
	if s.notices, err = notify.New(o); err != nil {
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
func (s *Server) page(path string) string {
	if s.Config.PublicURL == "" {
		return "Ask your administrator if you have questions.\n"
	}
	return strings.TrimSuffix(string(s.Config.PublicURL), "/") + path + "\n"
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

// announced tells somebody of a change of their second factors. Each is told,
// and the same one once a day.
func (s *Server) announced(person, what string) {
	s.tell(notify.Notice{Person: person, Kind: "factor", Program: what, Subject: "Your sign-in was changed",
		Text: what + "\n\nIf that was you, there is nothing to do. If not, look at your sign-ins now:\n" + s.page("/signins")})
}

// asked tells somebody that a program waits for their approval.
func (s *Server) asked(person string, r approval.Request) {
	program := notify.Word(r.Program, longest)
	if program == "" {
		program = "A program that is not recognised"
	}
	from := r.Addr.String()
	if owner := notify.Word(r.Owner, longest); owner != "" {
		from += " (" + owner + ")"
	}
	if r.Country != "" {
		from += " in " + notify.Word(r.Country, longest)
	}
	s.tell(notify.Notice{Person: person, Kind: "approval", Program: r.Program, Subject: "A program asks for your mail",
		Text: fmt.Sprintf("%s showed your password over %s, from %s, on %s.\n\nIf that is your program, allow it. If not, say so: somebody else knows your password.\n%s",
			program, r.Protocol, from, r.Last.UTC().Format("2 January 2006 at 15:04 UTC"), s.page("/approvals"))})
}
