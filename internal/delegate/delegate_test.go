package delegate

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/store"
)

type house struct {
	list []store.Delegation
	err  error
}

func (h *house) Delegations(context.Context) ([]store.Delegation, error) { return h.list, h.err }

func (h *house) ByID(id string) (directory.Person, bool) {
	if id == "boxed" {
		return directory.Person{ID: id, Groups: []string{"boxes"}}, true
	}
	return directory.Person{ID: id}, id != "gone"
}

var now = time.Unix(1_000_000, 0)

func TestRights(t *testing.T) {
	h := &house{list: []store.Delegation{
		{Scope: store.OneMailbox, Subject: "sales", Person: "mary", Until: now.Add(time.Hour)},
		{Scope: store.OneMailbox, Subject: "post", Person: "mary", Protocols: []protocol.Protocol{protocol.IMAP}},
		{Scope: store.OneMailbox, Subject: "over", Person: "mary", Until: now},
		{Scope: store.GroupOfBoxes, Subject: "boxes", Person: "mary", Until: now.Add(2 * time.Hour)},
		{Scope: store.OneMailbox, Subject: "boxed", Person: "mary", Until: now.Add(time.Hour)},
		{Scope: store.EveryMailbox, Person: "imapsync", Protocols: []protocol.Protocol{protocol.IMAP}},
	}}
	r, err := Open(t.Context(), h, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		person, mailbox string
		p               protocol.Protocol
		until           time.Duration // -1: may not; 0: without end
	}{
		{"mary", "sales", protocol.IMAP, time.Hour},
		{"mary", "sales", protocol.Submission, time.Hour},
		{"mary", "post", protocol.IMAP, 0},
		{"mary", "post", protocol.Submission, -1},
		{"mary", "over", protocol.IMAP, -1},
		{"mary", "boxed", protocol.POP3, 2 * time.Hour}, // the longer of two rights
		{"mary", "other", protocol.IMAP, -1},
		{"anna", "sales", protocol.IMAP, -1},
		{"sales", "mary", protocol.IMAP, -1},
		{"imapsync", "other", protocol.IMAP, 0},
		{"imapsync", "other", protocol.POP3, -1},
		{"", "sales", protocol.IMAP, -1},
		{"mary", "", protocol.IMAP, -1},
		{"mary", "boxes", protocol.IMAP, 2 * time.Hour}, // a group's id is no mailbox's; nothing opens by it
		{"mary", "*", protocol.IMAP, -1},
	} {
		until, may := r.MayOpen(c.person, c.mailbox, c.p, now)
		want := time.Time{}
		if c.until > 0 {
			want = now.Add(c.until)
		}
		if may != (c.until >= 0) || !until.Equal(want) {
			t.Errorf("%s opens %s over %s: %v until %v", c.person, c.mailbox, c.p, may, until)
		}
	}
	h.list = h.list[:1]
	if err := r.Apply(t.Context(), store.Change{Families: store.People}); err != nil || !r.Shared("other") {
		t.Errorf("a change of people was taken for one of rights: %v", err)
	}
	if err := r.Apply(t.Context(), store.Change{Families: store.Delegations}); err != nil || r.Shared("other") || !r.Shared("sales") {
		t.Errorf("a change was not taken: %v", err)
	}
	h.err = errors.New("away")
	if err := r.Apply(t.Context(), store.Change{Families: store.Delegations}); err == nil {
		t.Error("a fault was passed over")
	}
	if _, may := r.MayOpen("mary", "sales", protocol.IMAP, now); !may {
		t.Error("a fault took rights away")
	}
}
