package admin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/store"
)

// delegation is a right to a mailbox with the names of those it is about.
type delegation struct {
	store.Delegation
	SubjectName string `json:"subjectName"` // of the mailbox or the group; empty for all
	PersonName  string `json:"personName"`
	RanOut      bool   `json:"ranOut,omitempty"`
}

// delegationAsked names a right: exactly one of Mailbox, Group and All.
type delegationAsked struct {
	Mailbox   string    `json:"mailbox"`
	Group     string    `json:"group"`
	All       bool      `json:"all"`
	Person    string    `json:"person"`
	Protocols []string  `json:"protocols"` // none: all
	Until     time.Time `json:"until"`     // zero: without end
}

// lastTime is about the last that fits nanoseconds since 1970 in 64 bits.
var lastTime = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)

// delegations lists rights: all, those to a mailbox, or those of a person.
func (a *api) delegations(r *http.Request) (any, error) {
	q := r.URL.Query()
	var of store.Delegation
	if q.Get("mailbox") != "" || q.Get("group") != "" || q.Get("all") == "true" {
		var err error
		if of, err = a.lentBy(r, &delegationAsked{Mailbox: q.Get("mailbox"), Group: q.Get("group"), All: q.Get("all") == "true"}); err != nil {
			return nil, err
		}
	}
	if name := q.Get("person"); name != "" {
		p, err := a.findPerson(r, name)
		if err != nil {
			return nil, err
		}
		of.Person = p.ID
	}
	all, err := a.Store.Delegations(r.Context())
	if err != nil {
		return nil, err
	}
	rows := []delegation{}
	name := a.naming(r.Context())
	for _, d := range all {
		if of.Scope != "" && (d.Scope != of.Scope || d.Subject != of.Subject) || of.Person != "" && d.Person != of.Person {
			continue
		}
		rows = append(rows, delegationShown(name, d))
	}
	slices.SortStableFunc(rows, func(x, y delegation) int {
		return strings.Compare(x.Scope+x.SubjectName+" "+x.PersonName, y.Scope+y.SubjectName+" "+y.PersonName)
	})
	return list(rows), nil
}

func delegationShown(name *naming, d store.Delegation) delegation {
	return delegation{Delegation: d, SubjectName: name.text(d.Subject), PersonName: name.text(d.Person), RanOut: !d.Until.IsZero() && !time.Now().Before(d.Until)}
}

// lentBy finds whose mailboxes are meant.
func (a *api) lentBy(r *http.Request, c *delegationAsked) (d store.Delegation, err error) {
	given := 0
	for _, one := range []bool{c.Mailbox != "", c.Group != "", c.All} {
		if one {
			given++
		}
	}
	switch {
	case given != 1:
		return d, bad("mailbox", "say whose mailboxes: one, those of a group, or all")
	case c.All:
		d.Scope = store.EveryMailbox
	case c.Group != "":
		g, err := a.findGroup(r, c.Group)
		if err != nil {
			return d, err
		}
		d.Scope, d.Subject = store.GroupOfBoxes, g.ID
	default:
		p, err := a.findPerson(r, c.Mailbox)
		if err != nil {
			return d, err
		}
		d.Scope, d.Subject = store.OneMailbox, p.ID
	}
	return d, nil
}

// readDelegation reads a right from a request.
func (a *api) readDelegation(r *http.Request, c *delegationAsked) (d store.Delegation, err error) {
	if d, err = a.lentBy(r, c); err != nil {
		return d, err
	}
	p, err := a.findPerson(r, c.Person)
	if err != nil {
		return d, err
	}
	if d.Person = p.ID; d.Scope == store.OneMailbox && d.Subject == d.Person {
		return d, bad("person", "%s opens that mailbox anyway: it is their own", p.Address)
	}
	for _, name := range c.Protocols {
		proto, err := readProtocol("protocols", name)
		if err != nil {
			return d, err
		}
		if !slices.Contains(d.Protocols, proto) {
			d.Protocols = append(d.Protocols, proto)
		}
	}
	if d.Until = c.Until; !d.Until.IsZero() && !time.Now().Before(d.Until) {
		return d, bad("until", "%s has been already", d.Until.Format(time.RFC3339))
	}
	if d.Until.After(lastTime) {
		return d, bad("until", "%s is further than time is counted here: a right without until has no end", d.Until.Format(time.DateOnly))
	}
	return d, nil
}

func (a *api) putDelegation(r *http.Request) (any, error) {
	var c delegationAsked
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	d, err := a.readDelegation(r, &c)
	if err == nil && d.Scope == store.OneMailbox {
		err = a.sparePerson(r, d.Subject)
	} else if err == nil {
		err = a.spareMembers(r, d.Subject) // of every mailbox it is empty
	}
	if err != nil {
		return nil, err
	}
	if _, err := a.change(r, func(tx *store.Tx) error { return tx.PutDelegation(&d) }); err != nil {
		return nil, err
	}
	return delegationShown(a.naming(r.Context()), d), nil
}

func (a *api) deleteDelegation(r *http.Request) (any, error) {
	q := r.URL.Query()
	d, err := a.readDelegation(r, &delegationAsked{Mailbox: q.Get("mailbox"), Group: q.Get("group"), All: q.Get("all") == "true", Person: q.Get("person")})
	if err != nil {
		return nil, err
	}
	_, err = a.change(r, func(tx *store.Tx) error { return tx.DeleteDelegation(d.Scope, d.Subject, d.Person) })
	if errors.Is(err, store.ErrNotFound) {
		return nil, a.noRight(r, &d)
	}
	return nil, err
}

// noRight says which right is not there, and what lists those that are.
func (a *api) noRight(r *http.Request, d *store.Delegation) error {
	name := a.naming(r.Context())
	what := map[string]string{store.OneMailbox: "to ", store.GroupOfBoxes: "to the mailboxes of the group ", store.EveryMailbox: "to every mailbox"}[d.Scope] + name.text(d.Subject)
	e := &Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: fmt.Sprintf("%s was given no right %s", name.text(d.Person), what)}
	return e.then("`portreeve mailbox delegate list --to %s` lists the rights that there are", shellWord(name.text(d.Person)))
}
