package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

func putEvents(t testing.TB, s *Store, list ...*signin.Event) {
	t.Helper()
	err := s.Write(context.Background(), func(tx *Tx) error {
		for _, e := range list {
			if err := tx.PutEvent(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// randomEvent is one of many that differ in what filters look at.
func randomEvent(r *rand.Rand, i int) *signin.Event {
	e := typicalEvent()
	e.ID, e.Correlation = NewID(), signin.ID{15: byte(r.IntN(50))}
	e.At = testTime.Add(time.Duration(r.IntN(1000)) * time.Minute)
	e.Last, e.Count = e.At, 1+r.Int64N(3)
	person := r.IntN(6)
	e.Facts.Person, e.Facts.Address = fmt.Sprintf("person-%d", person), fmt.Sprintf("p%d@example.org", person)
	if person == 0 {
		e.Facts.Person = ""
	}
	e.Typed = e.Facts.Address
	e.Facts.Protocol = protocol.All()[r.IntN(4)]
	e.Facts.Credential = policy.CredentialKind(1 + r.IntN(4))
	e.Code = []signin.Code{0, 0, signin.WrongCredentials, signin.BlockedByPolicy, signin.BackendAway, signin.UserUnknown}[r.IntN(6)]
	if r.IntN(4) == 0 { // some are asked for more, or refused for the same reason
		e.Code = []signin.Code{signin.MFARequired, signin.FactorNeeded, signin.BlockedByPolicy}[r.IntN(3)]
		e.Verdict.Effect = []policy.Effect{policy.Interrupt, policy.Block}[r.IntN(2)]
		e.Facts.Proven = r.IntN(4) != 0
	}
	e.Facts.Program = []string{"Thunderbird", "mutt", "K-9", ""}[r.IntN(4)]
	e.Facts.Addr = netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(256))})
	if r.IntN(3) == 0 {
		e.Facts.Addr = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, byte(r.IntN(4)), 15: byte(i)})
	}
	if r.IntN(20) == 0 {
		e.Facts.Addr = netip.Addr{}
	}
	e.Client = netip.AddrPortFrom(e.Facts.Addr, 4000).String()
	e.Detail = []string{"", "Needle in a haystack"}[r.IntN(2)]
	return &e
}

// TestADatabasesAnswerIsTheFiltersOwn: what SQL chooses and what Match chooses
// is the same, in the right order, over all pages.
func TestADatabasesAnswerIsTheFiltersOwn(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	change(t, s, func(tx *Tx) error {
		return errors.Join(tx.AddPerson(&Person{ID: "person-1", Address: "p1@example.org"}), tx.AddAlias(Alias{Address: "alias@example.org", Person: "person-1"}))
	})
	r := rand.New(rand.NewPCG(1, 2))
	var all []*signin.Event
	for i := range 500 {
		all = append(all, randomEvent(r, i))
	}
	putEvents(t, s, all...)
	filters := map[string]EventFilter{
		"all": {}, "from": {From: testTime.Add(5 * time.Hour)}, "to": {To: testTime.Add(5 * time.Hour)},
		"range":  {From: testTime.Add(time.Hour), To: testTime.Add(2 * time.Hour)},
		"person": {User: "person-1"}, "address": {User: "p1@example.org"}, "alias": {User: "alias@example.org"},
		"somebody who is gone": {User: "p3@example.org"}, "gone by id": {User: "person-3"}, "stranger": {User: "p0@example.org"}, "nobody": {User: "x"},
		"protocol": {Protocols: []protocol.Protocol{protocol.IMAP, protocol.Sieve}}, "credential": {Credentials: []policy.CredentialKind{policy.CredentialPassword}},
		"succeeded": {Outcome: signin.EndAllowed}, "refused": {Outcome: signin.EndRefused}, "trouble": {Outcome: signin.EndTrouble}, "interrupted": {Outcome: signin.EndInterrupted},
		"interrupted, of one": {Outcome: signin.EndInterrupted, User: "person-2", Text: "needle"},
		"code":                {Codes: []signin.Code{signin.BlockedByPolicy, signin.UserUnknown}}, "program": {Program: "THUNDERBIRD"},
		"network": {Network: netip.MustParsePrefix("192.0.2.0/25")}, "address 4": {Network: netip.MustParsePrefix("192.0.2.77/32")},
		"network 6": {Network: netip.MustParsePrefix("2001:db8:1::/48")}, "all of 4": {Network: netip.MustParsePrefix("0.0.0.0/0")},
		"correlation": {Correlation: signin.ID{15: 7}}, "text": {Text: "nEEdle"}, "text in a name": {Text: "p2@"},
		"several": {User: "alias@example.org", Outcome: signin.EndRefused, Network: netip.MustParsePrefix("192.0.2.0/24"), Text: "needle"},
	}
	for name, f := range filters {
		f, err := s.Resolve(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, e := range all {
			if f.Match(e) {
				want = append(want, e.ID.String())
			}
		}
		var got []signin.Event
		var at Cursor
		for page := 0; ; page++ {
			list, next, err := s.Events(ctx, f, at, 7)
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, list...); next == (Cursor{}) {
				break
			}
			if at, err = ParseCursor(next.String()); err != nil || page > 100 {
				t.Fatalf("page %d: %v", page, err)
			}
		}
		var ids []string
		for i, e := range got {
			ids = append(ids, e.ID.String())
			if i > 0 && got[i-1].At.Before(e.At) {
				t.Errorf("%s: not newest first", name)
			}
		}
		if len(want) == 0 != (name == "nobody") {
			t.Errorf("%s: chooses %d of 500, which proves nothing", name, len(want))
		}
		slices.Sort(ids)
		slices.Sort(want)
		if d := cmp.Diff(want, ids); d != "" {
			t.Errorf("%s: %d listed, %d match: %s", name, len(ids), len(want), d)
		}
		n := 0
		var last time.Time
		for e, err := range s.AllEvents(ctx, f) {
			if err != nil || e.At.Before(last) {
				t.Fatalf("%s: replay out of order, or %v", name, err)
			}
			last, n = e.At, n+1
		}
		if n != len(want) {
			t.Errorf("%s: replay handed out %d, %d match", name, n, len(want))
		}
	}
}

func TestCursorsThatAreNoneAreRefused(t *testing.T) {
	for _, s := range []string{"x", "1", "1.2.3", "1.2 OR 1=1", "-"} {
		if _, err := ParseCursor(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}

func TestAnEventIsWrittenOnceHoweverOften(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	e := typicalEvent()
	older := e
	e.Count, e.Last = 5, e.At.Add(time.Minute)
	older.Count, older.Last = 2, e.At
	putEvents(t, s, &e, &e, &older)
	got, err := s.EventByReference(ctx, e.ID.Reference())
	if err != nil || got.Count != 5 || !got.Last.Equal(e.Last) {
		t.Errorf("count %d, last %v, %v", got.Count, got.Last, err)
	}
	if d := cmp.Diff(e, got, sameAddr); d != "" {
		t.Error(d)
	}
	if _, err := s.Event(ctx, NewID()); !errors.Is(err, ErrNotFound) {
		t.Errorf("an event that is not there: %v", err)
	}
	err = s.Write(ctx, func(tx *Tx) error {
		for _, step := range []struct {
			id    signin.ID
			count int64
			there bool
		}{{e.ID, 7, true}, {e.ID, 3, true}, {NewID(), 1, false}} {
			if there, err := tx.CountEvent(step.id, step.count, e.At); there != step.there || err != nil {
				t.Errorf("counting %d: %v, %v", step.count, there, err)
			}
		}
		return nil
	})
	if got, err2 := s.Event(ctx, e.ID); err != nil || err2 != nil || got.Count != 7 || !got.Last.Equal(e.Last) {
		t.Errorf("count %d, last %v", got.Count, got.Last)
	}
}

func TestUsagesAddUpWhoStillUsesWhat(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	add := func(person string, c policy.CredentialKind, code signin.Code, count int64) {
		e := typicalEvent()
		e.ID, e.Facts.Person, e.Facts.Address, e.Facts.Credential, e.Code, e.Count = NewID(), person, person+"@example.org", c, code, count
		putEvents(t, s, &e)
	}
	add("leela", policy.CredentialPassword, 0, 10)
	add("leela", policy.CredentialPassword, signin.BlockedByPolicy, 3)
	add("leela", policy.CredentialBearer, 0, 1)
	add("", policy.CredentialPassword, signin.UserUnknown, 99)
	got, err := s.Usages(ctx, time.Time{}, time.Time{})
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if u := got[1]; u.Succeeded != 10 || u.Refused != 3 || u.Credential != policy.CredentialPassword || u.Address != "leela@example.org" {
		t.Errorf("%+v", u)
	}
}

func TestOldThingsGo(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	stranger, person, old := typicalEvent(), typicalEvent(), typicalEvent()
	stranger.ID, person.ID, old.ID = NewID(), NewID(), NewID()
	stranger.Facts.Person, stranger.Facts.Address, stranger.Typed = "", "hunter2@example.org", "Hunter2"
	old.At = testTime.Add(-1000 * time.Hour)
	old.Verdict.Version, stranger.Verdict.Version, person.Verdict.Version = 1, 3, 3
	putEvents(t, s, &stranger, &person, &old)
	for _, source := range []string{"one", "two", "three", "four"} {
		if _, err := s.SaveSnapshot(ctx, []byte(source)); err != nil {
			t.Fatal(err)
		}
	}

	if err := s.HashNames(ctx, testTime.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	got, err := s.Event(ctx, stranger.ID)
	if err != nil || got.Facts.Address != s.NameHash("hunter2@example.org") || got.Typed != s.NameHash("hunter2") || strings.Contains(fmt.Sprintf("%+v", got), "unter2") {
		t.Errorf("a stranger's name after a day: %q, %q, %v", got.Facts.Address, got.Typed, err)
	}
	if list, _, err := s.Events(ctx, EventFilter{User: "Hunter2@Example.org"}, Cursor{}, 10); err != nil || len(list) != 1 {
		t.Errorf("the stranger is not found by name any more: %d, %v", len(list), err)
	}
	if got, err := s.Event(ctx, person.ID); err != nil || got.Typed != person.Typed {
		t.Errorf("a person's name became %q, %v", got.Typed, err)
	}

	if err := s.DropAddresses(ctx, testTime.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Event(ctx, old.ID); err != nil || got.Facts.Addr.IsValid() || got.Client != "" || got.Facts.Country != "DE" {
		t.Errorf("an old address: %v %q, %v", got.Facts.Addr, got.Client, err)
	}
	if got, err := s.Event(ctx, person.ID); err != nil || got.Facts.Addr != person.Facts.Addr || got.Client != person.Client {
		t.Errorf("a young address: %v %q, %v", got.Facts.Addr, got.Client, err)
	}

	if err := s.DropEvents(ctx, testTime.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Event(ctx, old.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("an old event: %v", err)
	}
	if err := s.DropUnreferenced(ctx, time.Now().Add(48*time.Hour)); err != nil {
		t.Fatal(err)
	}
	for v, want := range map[uint64]error{1: ErrNotFound, 2: ErrNotFound, 3: nil, 4: nil} {
		if _, err := s.Snapshot(ctx, v); !errors.Is(err, want) {
			t.Errorf("snapshot %d: %v", v, err)
		}
	}

	if err := s.ErasePerson(ctx, person.Facts.Person); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Event(ctx, person.ID); err != nil || strings.Contains(fmt.Sprintf("%+v", got), "eela") || got.Facts.Addr.IsValid() || got.Facts.Person != person.Facts.Person {
		t.Errorf("an erased person: %+v, %v", got, err)
	}
}

func TestTheOldestGoWhenTheDatabaseIsTooLarge(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	r := rand.New(rand.NewPCG(3, 4))
	var all []*signin.Event
	for i := range 3000 {
		all = append(all, randomEvent(r, i))
	}
	putEvents(t, s, all...)
	_, used, err := s.Size(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DropToSize(ctx, used/2); err != nil {
		t.Fatal(err)
	}
	if _, now, err := s.Size(ctx); err != nil || now > used/2 {
		t.Errorf("%d bytes of %d are left, %v", now, used, err)
	}
	slices.SortStableFunc(all, func(a, b *signin.Event) int { return b.At.Compare(a.At) })
	if _, err := s.Event(ctx, all[0].ID); err != nil {
		t.Errorf("the newest is gone: %v", err)
	}
	if _, err := s.Event(ctx, all[len(all)-1].ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("the oldest is there: %v", err)
	}
	if err := s.DropToSize(ctx, 1); err != nil { // never to be reached: it ends all the same
		t.Fatal(err)
	}
}

// BenchmarkReplay walks a log of PORTREEVE_ROWS rows, 100,000 unless set.
func BenchmarkReplay(b *testing.B) {
	rows := 100_000
	if n, err := strconv.Atoi(os.Getenv("PORTREEVE_ROWS")); err == nil {
		rows = n
	}
	s := open(b, b.TempDir())
	r := rand.New(rand.NewPCG(5, 6))
	for done := 0; done < rows; done += 1000 {
		var some []*signin.Event
		for i := range 1000 {
			e := randomEvent(r, i)
			e.Facts.Person, e.Facts.Address = fmt.Sprintf("0192f0c4-7c1e-7aaa-8f3b-%012d", r.IntN(5000)), fmt.Sprintf("person%d@example.org", r.IntN(5000))
			e.Typed = e.Facts.Address
			e.At = testTime.Add(time.Duration(done+i) * time.Second)
			some = append(some, e)
		}
		putEvents(b, s, some...)
	}
	b.ResetTimer()
	for range b.N {
		n := 0
		for _, err := range s.AllEvents(context.Background(), EventFilter{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != rows {
			b.Fatalf("%d rows", n)
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
