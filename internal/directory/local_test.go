package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
)

func openStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func change(t testing.TB, s *store.Store, do func(*store.Tx) error) {
	t.Helper()
	if err := s.Change(context.Background(), store.System, "test", do); err != nil {
		t.Fatal(err)
	}
}

func newLocal(t testing.TB, s Store) *Local {
	t.Helper()
	l, err := NewLocal(context.Background(), s, secret.NewPool(1))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func fill(tx *store.Tx, people []seed) error {
	for _, name := range []string{"staff", "sales"} {
		if err := tx.AddGroup(&store.Group{Name: name}); err != nil {
			return err
		}
	}
	if err := tx.AddMember(store.Member{Group: "staff", IsGroup: true, Member: "sales"}); err != nil {
		return err
	}
	for _, s := range people {
		p := store.Person{Address: s.Address, DisplayName: s.Name, Disabled: s.Disabled}
		if s.Password != "" {
			p.SecretKind, p.Hash = store.SecretArgon2id, store.Hash(secret.Hash([]byte(s.Password)))
		}
		if err := tx.AddPerson(&p); err != nil {
			return err
		}
		for _, a := range s.Aliases {
			if err := tx.AddAlias(store.Alias{Address: a, Person: p.ID}); err != nil {
				return err
			}
		}
		for _, g := range s.Groups {
			if err := tx.AddMember(store.Member{Group: g[strings.LastIndex(g, "/")+1:], Member: p.ID}); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestLocalIsADirectory(t *testing.T) {
	testDirectory(t, suite{noPassword: ErrNoPassword}, func(t *testing.T, people []seed) (Directory, func(string) string) {
		s := openStore(t)
		change(t, s, func(tx *store.Tx) error { return fill(tx, people) })
		return newLocal(t, s), func(name string) string {
			g, err := s.Group(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			return g.ID
		}
	})
}

func TestAChangedPasswordCountsAtOnce(t *testing.T) {
	s := openStore(t)
	change(t, s, func(tx *store.Tx) error { return fill(tx, seeds) })
	l := newLocal(t, s)
	mary, _, _ := l.Lookup(t.Context(), "mary@example.org")
	check := func(password string, want error) {
		t.Helper()
		if err := l.CheckPassword(t.Context(), mary, []byte(password), nearby); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", password, err, want)
		}
	}
	check("mary's word", nil)
	change(t, s, func(tx *store.Tx) error {
		row, err := tx.Person(mary.ID)
		row.Hash = store.Hash(secret.Hash([]byte("another word")))
		return errors.Join(err, tx.PutPerson(&row))
	})
	check("mary's word", ErrWrong)
	check("another word", nil)
}

func TestChangesReachThePeople(t *testing.T) {
	s := openStore(t)
	changes, stop := s.Subscribe()
	defer stop()
	l := newLocal(t, s)
	change(t, s, func(tx *store.Tx) error { return fill(tx, seeds) })
	apply := func() []string {
		t.Helper()
		ids, err := l.Apply(t.Context(), <-changes)
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	if ids := apply(); len(ids) != len(seeds) || l.Len() != len(seeds) {
		t.Fatalf("%d changed, %d known", len(ids), l.Len())
	}
	mary, _, _ := l.Lookup(t.Context(), "mary@example.org")
	steps := []struct {
		name string
		do   func(*store.Tx) error
		want []string // ids
		ok   func() bool
	}{
		{"disabled", func(tx *store.Tx) error {
			row, err := tx.Person(mary.ID)
			row.Disabled = true
			return errors.Join(err, tx.PutPerson(&row))
		}, []string{mary.ID}, func() bool { p, _ := l.ByID(mary.ID); return p.Disabled && len(p.Groups) == 2 }},
		{"renamed", func(tx *store.Tx) error {
			row, err := tx.Person(mary.ID)
			row.Address = "mary.shaw@example.org"
			return errors.Join(err, tx.PutPerson(&row))
		}, []string{mary.ID}, func() bool {
			_, old := l.Alias("mary@example.org")
			now, _ := l.Alias("office@example.net")
			return !old && now == "mary.shaw@example.org"
		}},
		{"alias gone", func(tx *store.Tx) error { return tx.DeleteAlias("office@example.net") }, nil,
			func() bool { _, known := l.Alias("office@example.net"); return !known }},
		{"alias taken over", func(tx *store.Tx) error {
			return tx.AddAlias(store.Alias{Address: "office@example.net", Person: "omar@example.org"})
		}, nil, func() bool { to, _ := l.Alias("office@example.net"); return to == "omar@example.org" }},
		{"out of a group", func(tx *store.Tx) error {
			return tx.DeleteMember(store.Member{Group: "sales", Member: mary.ID})
		}, []string{mary.ID}, func() bool { p, _ := l.ByID(mary.ID); return len(p.Groups) == 0 }},
		{"gone", func(tx *store.Tx) error { return tx.DeletePerson(mary.ID) }, []string{mary.ID},
			func() bool { _, known := l.Alias("m.shaw@example.org"); return !known && l.Len() == len(seeds)-1 }},
		{"a group of groups gone", func(tx *store.Tx) error { return tx.DeleteGroup("staff") }, []string{idOf(l, "omar@example.org")},
			func() bool { p, _ := l.ByID(idOf(l, "omar@example.org")); return len(p.Groups) == 0 }},
		{"a switch", func(tx *store.Tx) error { return tx.PutSetting("x", "y") }, nil, func() bool { return true }},
	}
	for _, step := range steps {
		change(t, s, step.do)
		if got := apply(); !slices.Equal(got, step.want) {
			t.Errorf("%s: changed %v, want %v", step.name, got, step.want)
		}
		if !step.ok() {
			t.Errorf("%s: not seen", step.name)
		}
	}
}

func idOf(l *Local, address string) string {
	p, _, _ := l.Lookup(context.Background(), address)
	return p.ID
}

func TestRingsOfGroupsAreNoHarm(t *testing.T) {
	of := memberships([]store.Member{
		{Group: "a", IsGroup: true, Member: "b"}, {Group: "b", IsGroup: true, Member: "c"}, {Group: "c", IsGroup: true, Member: "a"},
		{Group: "a", IsGroup: true, Member: "a"}, {Group: "b", Member: "mary"}, {Group: "a", Member: "omar"}, {Group: "d", Member: "omar"},
	})
	if got := of["mary"]; !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("mary is in %v", got)
	}
	if got := of["omar"]; !slices.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Errorf("omar is in %v", got)
	}
}

func TestTheFirstSignInMakesOnePerson(t *testing.T) {
	s := openStore(t)
	l := newLocal(t, s)
	var wg sync.WaitGroup
	made := make([]Person, 20)
	for i := range made {
		wg.Go(func() {
			p, err := l.Create(context.Background(), "new@example.org")
			if err != nil {
				t.Error(err)
			}
			made[i] = p
		})
	}
	wg.Wait()
	for _, p := range made {
		if p.ID == "" || p.ID != made[0].ID || p.Address != "new@example.org" {
			t.Errorf("made %+v and %+v", made[0], p)
		}
	}
	if err := l.CheckPassword(t.Context(), made[0], []byte("x"), nearby); !errors.Is(err, ErrNoPassword) {
		t.Errorf("a password of the mail server's: %v", err)
	}
	row, err := s.Person(t.Context(), "new@example.org")
	if err != nil || row.Origin != store.OriginBackend || row.SecretKind != store.SecretBackend {
		t.Errorf("stored %+v, %v", row, err)
	}
}

// away is a store that cannot be read.
type away struct{ *store.Store }

func (away) People(context.Context) ([]store.Person, error) { return nil, store.ErrUnavailable }
func (away) Person(context.Context, string) (store.Person, error) {
	return store.Person{}, store.ErrUnavailable
}

func TestAStoreThatIsAwayIsOurTroubleAndForgetsNobody(t *testing.T) {
	s := openStore(t)
	change(t, s, func(tx *store.Tx) error { return fill(tx, seeds) })
	l := newLocal(t, s)
	l.store = away{s}
	if _, err := l.Apply(t.Context(), store.Change{Families: store.Groups}); !errors.Is(err, store.ErrUnavailable) || l.Len() != len(seeds) {
		t.Errorf("reloading: %v, %d known", err, l.Len())
	}
	if _, err := l.Apply(t.Context(), store.Change{Families: store.People, People: []string{idOf(l, "mary@example.org")}}); !errors.Is(err, store.ErrUnavailable) || l.Len() != len(seeds) {
		t.Errorf("refreshing: %v, %d known", err, l.Len())
	}
	mary, _, _ := l.Lookup(t.Context(), "mary@example.org")
	defer func() { // once it is back, any change brings in what was missed
		change(t, s, func(tx *store.Tx) error { return tx.DeletePerson(mary.ID) })
		l.store = s
		if ids, err := l.Apply(t.Context(), store.Change{Families: store.Settings}); err != nil || !slices.Equal(ids, []string{mary.ID}) {
			t.Errorf("making up: %v, %v", ids, err)
		}
	}()
	if err := l.CheckPassword(t.Context(), mary, []byte("mary's word"), nearby); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, ErrWrong) {
		t.Errorf("checking: %v", err)
	}
}

func TestWhatWasRightIsRememberedForAWhileAndBounded(t *testing.T) {
	v := newProven()
	for i := range provenMost + 100 {
		v.add(v.print("mary", "hash", fmt.Append(nil, i)))
	}
	if len(v.until) != provenMost {
		t.Errorf("%d are kept", len(v.until))
	}
	last := v.print("mary", "hash", fmt.Append(nil, provenMost+99))
	if !v.holds(last) || v.holds(v.print("mary", "other", fmt.Append(nil, provenMost+99))) || v.holds(v.print("omar", "hash", fmt.Append(nil, provenMost+99))) {
		t.Error("the wrong ones are remembered")
	}
	v.until[last] = time.Now().Add(-time.Second)
	if v.holds(last) {
		t.Error("remembered for ever")
	}
}

func TestLookupsAndChangesDoNotRace(t *testing.T) {
	s := openStore(t)
	change(t, s, func(tx *store.Tx) error { return fill(tx, seeds) })
	l := newLocal(t, s)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if p, known, _ := l.Lookup(context.Background(), "mary@example.org"); !known || len(p.Groups) != 2 {
					t.Errorf("mary is %+v", p)
					return
				}
			}
		})
	}
	for range 20 {
		for _, c := range []store.Change{{Families: store.Groups}, {Families: store.People, People: []string{idOf(l, "mary@example.org")}}} {
			if _, err := l.Apply(t.Context(), c); err != nil {
				t.Error(err)
			}
		}
	}
	close(stop)
	wg.Wait()
}

func BenchmarkLookup(b *testing.B) {
	l := &Local{index: newIndex(100_000)}
	addresses := make([]string, 100_000)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("person%d@example.org", i)
		l.index.put(&entry{Person: Person{ID: fmt.Sprint(i), Address: addresses[i], Groups: []string{"staff"}}})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, known, _ := l.Lookup(b.Context(), addresses[i%len(addresses)]); !known {
			b.Fatal("nobody")
		}
	}
}
