package store

import (
	"slices"
	"testing"
	"time"
)

func TestGroupsThatAProviderSaysComeAndGoAndOursStay(t *testing.T) {
	s := open(t, t.TempDir())
	mary := Person{Address: "mary@example.org"}
	change(t, s, func(tx *Tx) error {
		if err := tx.AddPerson(&mary); err != nil {
			return err
		}
		for _, name := range []string{"staff", "sales", "board"} {
			if err := tx.AddGroup(&Group{Name: name}); err != nil {
				return err
			}
		}
		return tx.AddMember(Member{Group: "board", Member: mary.ID})
	})
	for _, c := range []struct {
		say       []string
		from, all []string
	}{
		{[]string{"staff", "sales", "nowhere"}, []string{"sales", "staff"}, []string{"board", "sales", "staff"}},
		{[]string{"staff", "board"}, []string{"staff"}, []string{"board", "staff"}},
		{nil, nil, []string{"board"}},
		{[]string{"SALES", "sales"}, []string{"sales"}, []string{"board", "sales"}},
	} {
		change(t, s, func(tx *Tx) error { return tx.SetGroupsFrom("corp", mary.ID, c.say) })
		if got, err := s.GroupsFrom(t.Context(), mary.ID); err != nil || !slices.Equal(got, c.from) {
			t.Errorf("%v: from the provider %v, want %v, %v", c.say, got, c.from, err)
		}
		if got := groupNames(t, s, mary.ID); !slices.Equal(got, c.all) {
			t.Errorf("%v: in %v, want %v", c.say, got, c.all)
		}
	}
	change(t, s, func(tx *Tx) error { return tx.AddMember(Member{Group: "sales", Member: mary.ID}) })
	change(t, s, func(tx *Tx) error { return tx.SetGroupsFrom("corp", mary.ID, nil) })
	if got := groupNames(t, s, mary.ID); !slices.Equal(got, []string{"board", "sales"}) {
		t.Errorf("what an administrator gave as well went with the provider's word: %v", got)
	}
}

func groupNames(t *testing.T, s *Store, person string) (names []string) {
	t.Helper()
	ids, err := s.GroupsOf(t.Context(), person)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		g, err := s.Group(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, g.Name)
	}
	slices.Sort(names)
	return names
}

func TestEndingAGrantEndsItsSessionsAndNoOthers(t *testing.T) {
	s := open(t, t.TempDir())
	heard, stop := s.Subscribe()
	defer stop()
	r := Revocation{Grant: "corp:one", Person: "p", Until: time.Now().Add(time.Hour)}
	change(t, s, func(tx *Tx) error { return tx.EndGrant(r) })
	c := <-heard
	if c.Families != Revocations || len(c.People) > 0 || !slices.Equal(c.Grants, []string{"corp:one"}) {
		t.Errorf("told %+v", c)
	}
	list, err := s.Revocations(t.Context(), time.Now())
	if err != nil || len(list) != 1 || list[0].Grant != "corp:one" {
		t.Errorf("kept %+v, %v", list, err)
	}
}

func TestASubjectIsWhomTheProviderMeant(t *testing.T) {
	s := open(t, t.TempDir())
	mary := Person{Address: "mary@example.org"}
	change(t, s, func(tx *Tx) error { return tx.AddPerson(&mary) })
	for range 2 {
		if err := s.Write(t.Context(), func(tx *Tx) error { return tx.PutSubject("corp", "4711", mary.ID) }); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.PeopleOfSubject(t.Context(), "corp", "4711"); err != nil || !slices.Equal(got, []string{mary.ID}) {
		t.Errorf("meant %v, %v", got, err)
	}
	if got, err := s.PeopleOfSubject(t.Context(), "other", "4711"); err != nil || len(got) > 0 {
		t.Errorf("another provider means %v, %v", got, err)
	}
	change(t, s, func(tx *Tx) error { return tx.DeletePerson(mary.ID) })
	if got, err := s.PeopleOfSubject(t.Context(), "corp", "4711"); err != nil || len(got) > 0 {
		t.Errorf("of somebody gone there is still %v, %v", got, err)
	}
}
