package store

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
)

func TestDelegations(t *testing.T) {
	s := open(t, t.TempDir())
	mary, sales := Person{Address: "mary@example.org"}, Person{Address: "sales@example.org"}
	g := Group{Name: "boxes"}
	change(t, s, func(tx *Tx) error {
		return errors.Join(tx.AddPerson(&mary), tx.AddPerson(&sales), tx.AddGroup(&g))
	})
	until := time.Unix(2_000_000_000, 0).UTC()
	put := func(d Delegation) Delegation {
		t.Helper()
		change(t, s, func(tx *Tx) error { return tx.PutDelegation(&d) })
		return d
	}
	first := put(Delegation{Scope: OneMailbox, Subject: sales.ID, Person: mary.ID})
	again := put(Delegation{Scope: OneMailbox, Subject: sales.ID, Person: mary.ID, Until: until, Protocols: []protocol.Protocol{protocol.IMAP, protocol.Submission}})
	put(Delegation{Scope: GroupOfBoxes, Subject: g.ID, Person: mary.ID})
	put(Delegation{Scope: EveryMailbox, Person: mary.ID})
	list, err := s.Delegations(t.Context())
	if err != nil || len(list) != 3 {
		t.Fatalf("%v, %v", list, err)
	}
	if first.ID != again.ID || !list[0].Until.Equal(until) || !slices.Equal(list[0].Names, []string{"imap", "submission"}) {
		t.Errorf("given again: %+v", list[0])
	}
	change(t, s, func(tx *Tx) error { return tx.DeleteGroup(g.ID) })
	if list, _ = s.Delegations(t.Context()); len(list) != 2 {
		t.Errorf("after the group was deleted: %v", list)
	}
	change(t, s, func(tx *Tx) error { return tx.DeleteDelegation(OneMailbox, sales.ID, mary.ID) })
	err = s.Change(t.Context(), System, "", func(tx *Tx) error { return tx.DeleteDelegation(OneMailbox, sales.ID, mary.ID) })
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("taken back twice: %v", err)
	}
	put(Delegation{Scope: OneMailbox, Subject: sales.ID, Person: mary.ID})
	change(t, s, func(tx *Tx) error { return tx.DeletePerson(sales.ID) })
	if list, _ = s.Delegations(t.Context()); len(list) != 1 {
		t.Errorf("after the mailbox was deleted: %v", list)
	}
	change(t, s, func(tx *Tx) error { return tx.DeletePerson(mary.ID) })
	if list, _ = s.Delegations(t.Context()); len(list) != 0 {
		t.Errorf("after the person was deleted: %v", list)
	}
	if n, err := s.VerifyAudit(t.Context()); n != 0 || err != nil {
		t.Errorf("the audit does not hold: row %d, %v", n, err)
	}
}
