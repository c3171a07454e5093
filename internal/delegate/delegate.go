// Package delegate knows who may open whose mailbox: the rights that
// administrators gave, over which protocols and until when. It keeps them in
// memory, since every sign-in to somebody else's mailbox asks twice; what
// changes in the store reaches it by Apply.
//
// A right is a person's own: it is not handed on, and one to a group of
// mailboxes follows who is in the group.
package delegate

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/store"
)

// Store keeps the rights.
type Store interface {
	Delegations(ctx context.Context) ([]store.Delegation, error)
}

// People says which groups a mailbox is in.
type People interface {
	ByID(id string) (directory.Person, bool)
}

// Rights are everybody's. They are safe for concurrent use.
type Rights struct {
	store  Store
	people People
	now    atomic.Pointer[table]
}

// table is replaced, never changed.
type table struct {
	rights   map[key]right
	subjects map[string]bool // whose mailboxes somebody else may open: ids of people and groups, everybody
}

// key is a person and what they may open: a mailbox's or a group's id.
type key struct{ person, subject string }

// everybody stands for all mailboxes; no id is an asterisk.
const everybody = "*"

type right struct {
	protocols []protocol.Protocol // none: all
	until     time.Time           // zero: without end
}

// Open reads the rights.
func Open(ctx context.Context, s Store, p People) (*Rights, error) {
	r := &Rights{store: s, people: p}
	return r, r.read(ctx)
}

// Apply brings the rights up to a change of the store.
func (r *Rights) Apply(ctx context.Context, c store.Change) error {
	if c.Families&store.Delegations == 0 {
		return nil
	}
	return r.read(ctx)
}

func (r *Rights) read(ctx context.Context) error {
	list, err := r.store.Delegations(ctx)
	if err != nil {
		return fmt.Errorf("reading who may open whose mailbox: %w", err)
	}
	t := &table{map[key]right{}, map[string]bool{}}
	for _, d := range list {
		subject := d.Subject
		if d.Scope == store.EveryMailbox {
			subject = everybody
		}
		t.rights[key{d.Person, subject}] = right{d.Protocols, d.Until}
		t.subjects[subject] = true
	}
	r.now.Store(t)
	return nil
}

// MayOpen says whether a person may open somebody else's mailbox over a
// protocol at a time, and until when: the latest end of all rights that say so,
// zero for none.
func (r *Rights) MayOpen(person, mailbox string, p protocol.Protocol, at time.Time) (until time.Time, may bool) {
	if person == "" || mailbox == "" {
		return time.Time{}, false
	}
	t := r.now.Load()
	for _, subject := range r.subjectsOf(t, mailbox) {
		g, given := t.rights[key{person, subject}]
		switch {
		case !given, len(g.protocols) > 0 && !slices.Contains(g.protocols, p), !g.until.IsZero() && !at.Before(g.until):
			continue
		case g.until.IsZero():
			return time.Time{}, true
		case g.until.After(until):
			until = g.until
		}
		may = true
	}
	return until, may
}

// Shared says that somebody else may open a mailbox, or might have once.
func (r *Rights) Shared(mailbox string) bool {
	t := r.now.Load()
	return len(t.subjects) > 0 && slices.ContainsFunc(r.subjectsOf(t, mailbox), func(s string) bool { return t.subjects[s] })
}

// subjectsOf are the names under which a mailbox may have been given.
func (r *Rights) subjectsOf(t *table, mailbox string) []string {
	if len(t.subjects) == 0 {
		return nil
	}
	of := []string{mailbox, everybody}
	if p, known := r.people.ByID(mailbox); known {
		of = append(of, p.Groups...)
	}
	return of
}
