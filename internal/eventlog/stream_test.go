package eventlog

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// sink remembers what it was told.
type sink struct {
	mu   sync.Mutex
	told []signin.Event
}

func (s *sink) Record(e *signin.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, *e)
}

func TestSinksAndStreamsHearOfEverySignInUnderItsRow(t *testing.T) {
	heard := &sink{}
	l := start(t, t.TempDir(), func(o *Options) { o.Sinks = []Sink{heard} })
	ctx, cancel := context.WithCancel(context.Background())
	all, err := l.Subscribe(ctx, store.EventFilter{})
	if err != nil {
		t.Fatal(err)
	}
	blocked, err := l.Subscribe(ctx, store.EventFilter{Outcome: signin.EndRefused})
	if err != nil {
		t.Fatal(err)
	}
	first := success(t, l.Log, event("leela", testTime))
	success(t, l.Log, event("leela", testTime.Add(time.Minute)))
	ref := l.Refusal(refused("fry", testTime, signin.BlockedByPolicy))
	for i, want := range []struct {
		ref   signin.Reference
		count int64
	}{{first, 1}, {first, 2}, {ref, 1}} {
		if e := <-all.C; e.ID.Reference() != want.ref || e.Count != want.count {
			t.Errorf("%d: %s counted %d, want %s counted %d", i, e.ID.Reference(), e.Count, want.ref, want.count)
		}
	}
	if e := <-blocked.C; e.ID.Reference() != ref || len(blocked.C) != 0 {
		t.Errorf("the filtered stream heard %s and %d more", e.ID.Reference(), len(blocked.C))
	}
	if len(heard.told) != 3 || heard.told[1].ID.Reference() != first || !heard.told[1].Last.Equal(testTime.Add(time.Minute)) {
		t.Errorf("the sink heard %d", len(heard.told))
	}
	cancel()
	if _, open := <-all.C; open {
		t.Error("the stream goes on after its context")
	}
}

func TestASlowReaderLosesAndIsTold(t *testing.T) {
	l := start(t, t.TempDir())
	s, err := l.Subscribe(context.Background(), store.EventFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range streamRoom + 40 {
		l.Refusal(refused(fmt.Sprint("p", i), testTime, signin.WrongCredentials))
	}
	if n := s.Lost(); n != 40 || s.Lost() != 0 || len(s.C) != streamRoom || l.State().MissedSinks != 40 {
		t.Errorf("lost %d, then %d; %d wait; state %+v", n, s.Lost(), len(s.C), l.State())
	}
}

func TestMaintainClearsAwayWhatIsOld(t *testing.T) {
	ctx := context.Background()
	l := start(t, t.TempDir(), func(o *Options) { o.Retention = Retention{Days: 30, AddressDays: 7} })
	now := testTime.Add(40 * day)
	stranger := refused("", now.Add(-2*day), signin.UserUnknown)
	stranger.Typed, stranger.Facts.Address = "Hunter2", "hunter2@example.org"
	list := []*signin.Event{event("old", testTime), event("middle", now.Add(-8*day)), event("young", now.Add(-day)), stranger}
	if err := l.Import(ctx, list); err != nil {
		t.Fatal(err)
	}
	if err := l.Import(ctx, list); err != nil { // twice is once
		t.Fatal(err)
	}
	if rows, count := total(t, l.db, store.EventFilter{}); rows != 4 || count != 4 {
		t.Fatalf("%d rows with %d sign-ins were imported", rows, count)
	}
	if err := l.Maintain(ctx, now); err != nil {
		t.Fatal(err)
	}
	if _, err := l.db.Event(ctx, list[0].ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the old one: %v", err)
	}
	for i, hasAddress := range map[int]bool{1: false, 2: true} {
		if e, err := l.db.Event(ctx, list[i].ID); err != nil || e.Facts.Addr.IsValid() != hasAddress {
			t.Errorf("%d: address %v, %v", i, e.Facts.Addr, err)
		}
	}
	if e, err := l.db.Event(ctx, stranger.ID); err != nil || e.Typed == "Hunter2" || e.Facts.Address == "hunter2@example.org" {
		t.Errorf("the stranger is %q, %q, %v", e.Typed, e.Facts.Address, err)
	}
}

func TestATravellersOldestNetworkGivesWay(t *testing.T) {
	n := &networks{per: map[string][]known{}}
	for i := range maxNetworks + 1 {
		a := [4]byte{10, 0, byte(i), 1}
		w, isNew := n.seen("leela", netip.AddrFrom4(a), testTime.Add(time.Duration(i)*time.Hour))
		if !isNew {
			t.Fatalf("network %d is no news", i)
		}
		n.learn([]store.Network{w})
	}
	if len(n.per["leela"]) != maxNetworks || n.known("leela", netip.AddrFrom4([4]byte{10, 0, 0, 9})) || !n.known("leela", netip.AddrFrom4([4]byte{10, 0, maxNetworks, 9})) {
		t.Errorf("%d networks, the oldest known: %v", len(n.per["leela"]), n.known("leela", netip.AddrFrom4([4]byte{10, 0, 0, 9})))
	}
	if _, isNew := n.seen("leela", netip.AddrFrom4([4]byte{10, 0, maxNetworks, 9}), testTime.Add(maxNetworks*time.Hour+time.Minute)); isNew {
		t.Error("the same network within the day is news")
	}
}

func TestATableOfRowsIsBounded(t *testing.T) {
	rs := newRows(10)
	for i := range 100 {
		e := event(fmt.Sprint("p", i), testTime)
		rs.put(keyOf(e), newRow(e))
	}
	if len(rs.byKey) != 10 || len(rs.order) != 10 {
		t.Errorf("%d rows, %d in order", len(rs.byKey), len(rs.order))
	}
	if rs.find(keyOf(event("p99", testTime)), testTime) == nil || rs.find(keyOf(event("p89", testTime)), testTime) != nil {
		t.Error("not the oldest made room")
	}
}

func TestTheSessionOfARepeatHangsOnTheRowItIsCountedIn(t *testing.T) {
	l := start(t, t.TempDir())
	first, second := event("leela", testTime), event("leela", testTime)
	success(t, l.Log, first)
	success(t, l.Log, second)
	for _, e := range []*signin.Event{first, second} {
		l.Session(signin.SessionEvent{ID: e.ID, Opened: testTime})
	}
	time.Sleep(2 * behind)
	l.Session(signin.SessionEvent{ID: second.ID, Opened: testTime, Closed: testTime.Add(time.Hour), Reason: "client closed"})
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	got, err := reopen(t, l.dir).SessionsOf(context.Background(), first.ID)
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, s := range got {
		if (s.Session == second.ID.String()) != (s.Reason == "client closed") {
			t.Errorf("%+v", s)
		}
	}
	for range maxRepeats {
		l.repeats.learn(newID(), first.ID)
	}
	if len(l.repeats.rows) != maxRepeats || l.repeats.row(second.ID) != second.ID {
		t.Errorf("%d repeats are remembered", len(l.repeats.rows))
	}
}
