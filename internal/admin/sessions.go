package admin

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// openSession is how an open connection looks here.
type openSession struct {
	ID         signin.ID        `json:"id"`
	Reference  signin.Reference `json:"reference"`
	User       string           `json:"user"`
	Mailbox    string           `json:"mailbox,omitempty"` // where it is not the user's own
	Protocol   string           `json:"protocol"`
	Client     string           `json:"client"`
	Country    string           `json:"country,omitempty"`
	Program    string           `json:"program,omitempty"`
	Credential string           `json:"credential"`
	Backend    string           `json:"backend"`
	Grant      string           `json:"grant,omitempty"` // what it hangs on: oauth:ID, apppw:ID
	Opened     time.Time        `json:"opened"`
}

func (a *api) sessions(r *http.Request) (any, error) {
	match, err := a.sessionFilter(r)
	if err != nil {
		return nil, err
	}
	rows := []openSession{}
	for _, s := range a.Sessions.List() {
		if match(s) {
			f := s.Facts()
			user, mailbox := f.Address, ""
			if s.Actor != "" {
				user, mailbox = s.Actor, f.Address
			}
			rows = append(rows, openSession{s.ID, s.Reference, user, mailbox, s.Protocol.String(), s.Client, f.Country,
				strings.TrimSpace(f.Program + " " + f.ProgramVersion), f.Credential.String(), s.Backend, s.Grant, s.Opened})
		}
	}
	slices.SortFunc(rows, func(x, y openSession) int { return x.Opened.Compare(y.Opened) })
	return list(rows), nil
}

// sessionFilter reads user, protocol and id from the query.
func (a *api) sessionFilter(r *http.Request) (func(*session.Session) bool, error) {
	q := r.URL.Query()
	var person string
	if name := q.Get("user"); name != "" {
		p, err := a.findPerson(r, name)
		if err != nil {
			return nil, err
		}
		person = p.ID
	}
	over, id := q.Get("protocol"), q.Get("id")
	if over != "" {
		if _, err := readProtocol("protocol", over); err != nil {
			return nil, err
		}
	}
	return func(s *session.Session) bool {
		return (person == "" || s.Of(person)) &&
			(over == "" || s.Protocol.String() == over) &&
			(id == "" || s.ID.String() == id || strings.EqualFold(string(s.Reference), id))
	}, nil
}

// endSessions closes what the query names; naming nothing is refused, since
// closing everything should not be what a forgotten flag does.
func (a *api) endSessions(r *http.Request) (any, error) {
	q := r.URL.Query()
	if q.Get("user") == "" && q.Get("protocol") == "" && q.Get("id") == "" && q.Get("all") != "true" {
		return nil, bad("user", "say which sessions: user, protocol, id, or all=true")
	}
	match, err := a.sessionFilter(r)
	if err != nil {
		return nil, err
	}
	if err := a.Store.Change(r.Context(), actor(r), r.Header.Get("X-Reason"), func(tx *store.Tx) error {
		return tx.Note("end", "session", q.Get("id"), q.Get("user"), map[string]string{"protocol": q.Get("protocol"), "all": q.Get("all")})
	}); err != nil {
		return nil, err
	}
	n := a.Sessions.Matching(match, signin.SessionEnded, "ended by "+actor(r).Name)
	return map[string]int{"ended": n}, nil
}
