package eventlog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// lock takes the database's write lock as another process would, and returns what gives it back.
func lock(t testing.TB, dir string) (unlock func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, store.FileName)+"?_txlock=immediate&_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	unlock = sync.OnceFunc(func() { _ = tx.Rollback(); _ = db.Close() })
	t.Cleanup(unlock)
	return unlock
}

// until waits for something that comes by itself within seconds.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func TestALockedDatabaseStopsNobody(t *testing.T) {
	dir := t.TempDir()
	l := start(t, dir)
	before := success(t, l.Log, event("leela", testTime))
	unlock := lock(t, dir)
	for i := range 20 {
		success(t, l.Log, event(fmt.Sprint("p", i), testTime))
		if ref := success(t, l.Log, event("leela", testTime)); ref != before {
			t.Errorf("a repeat during the outage got %s, want %s", ref, before)
		}
	}
	l.Refusal(refused("fry", testTime, signin.BlockedByPolicy))
	id := newID()
	l.Session(signin.SessionEvent{ID: id, Session: "s1", Opened: testTime, Closed: testTime.Add(time.Second), Reason: "client closed"})
	if s := l.State(); !s.Journal || s.Database == nil || s.Warning() == "" || s.Fill <= 0 {
		t.Errorf("state during the outage: %+v", s)
	}
	if rows, _ := total(t, l.db, store.EventFilter{}); rows != 1 {
		t.Errorf("%d rows in the database although it is locked", rows)
	}
	unlock()
	until(t, "the journal is brought in", func() bool { return !l.State().Journal })
	if s := l.State(); s.Database != nil || s.Warning() != "" {
		t.Errorf("state after the outage: %+v", s)
	}
	success(t, l.Log, event("leela", testTime)) // into the database again
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	db := reopen(t, dir)
	if rows, count := total(t, db, store.EventFilter{}); rows != 22 || count != 43 {
		t.Errorf("%d rows with %d sign-ins, want 22 and 43", rows, count)
	}
	if e, err := db.EventByReference(context.Background(), before); err != nil || e.Count != 22 {
		t.Errorf("leela's count %d (%v), want 22", e.Count, err)
	}
	if s, err := db.SessionsOf(context.Background(), id); err != nil || len(s) != 1 || s[0].Reason != "client closed" {
		t.Errorf("session %+v, %v", s, err)
	}
}

func TestAJournalThatWasBroughtInBeforeACrashIsBroughtInOnce(t *testing.T) {
	dir := t.TempDir()
	l := start(t, dir)
	unlock := lock(t, dir)
	for i := range 30 {
		success(t, l.Log, event(fmt.Sprint("p", i%10), testTime))
	}
	path := filepath.Join(dir, journalName)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	until(t, "the journal is brought in", func() bool { return !l.State().Journal })
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	// A crash between the database's commit and the journal's new beginning leaves both.
	for range 2 {
		if err := os.WriteFile(path, before, 0o600); err != nil {
			t.Fatal(err)
		}
		again := start(t, dir)
		until(t, "the journal is brought in", func() bool { return !again.State().Journal })
		if rows, count := total(t, again.db, store.EventFilter{}); rows != 10 || count != 30 {
			t.Errorf("%d rows with %d sign-ins, want 10 and 30", rows, count)
		}
		if err := again.stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnEndDuringAnOutageLeavesTheJournalForTheNextStart(t *testing.T) {
	dir := t.TempDir()
	l := start(t, dir)
	l.patience = time.Second
	unlock := lock(t, dir)
	ref := success(t, l.Log, event("leela", testTime))
	seen := l.Refusal(refused("fry", testTime, signin.BlockedByPolicy))
	if err := l.stop(); err == nil {
		t.Error("the end during an outage was no error")
	}
	unlock()
	again := start(t, dir)
	until(t, "the journal is brought in", func() bool { return !again.State().Journal })
	for _, r := range []signin.Reference{ref, seen} {
		if _, err := again.db.EventByReference(context.Background(), r); err != nil {
			t.Errorf("%s: %v", r, err)
		}
	}
}

// faulty is a journal's file that fails when told to.
type faulty struct {
	file
	sync, write atomic.Bool
}

func (f *faulty) Sync() error {
	if f.sync.Load() {
		return errors.New("input/output error")
	}
	return f.file.Sync()
}

func (f *faulty) WriteAt(b []byte, at int64) (int, error) {
	if f.write.Load() {
		n, _ := f.file.WriteAt(b[:len(b)/2], at) // torn
		return n, io.ErrShortWrite
	}
	return f.file.WriteAt(b, at)
}

// startFaulty is start with a journal that can be made to fail.
func startFaulty(t testing.TB, dir string) (*running, *faulty) {
	t.Helper()
	l := start(t, dir)
	l.mu.Lock()
	defer l.mu.Unlock()
	f := &faulty{file: l.journal.f}
	l.journal.f = f
	return l, f
}

func TestNobodyIsLetInWhenNeitherDatabaseNorJournalCanBeWritten(t *testing.T) {
	dir := t.TempDir()
	l, f := startFaulty(t, dir)
	ctx := context.Background()
	first := success(t, l.Log, event("leela", testTime))
	unlock := lock(t, dir)
	for name, broken := range map[string]*atomic.Bool{"sync": &f.sync, "write": &f.write} {
		broken.Store(true)
		for range 3 {
			if _, err := l.Success(ctx, event("leela", testTime)); err == nil {
				t.Errorf("%s fails, and a success was answered", name)
			}
			if _, err := l.Success(ctx, event("new", testTime)); err == nil {
				t.Errorf("%s fails, and a success was answered", name)
			}
		}
		broken.Store(false)
		if ref := success(t, l.Log, event("leela", testTime)); ref != first {
			t.Errorf("after the fault: %s, want %s", ref, first)
		}
	}
	fresh := success(t, l.Log, event("new", testTime))
	unlock()
	until(t, "the journal is brought in", func() bool { return !l.State().Journal })
	for ref, want := range map[signin.Reference]int64{first: 3, fresh: 1} {
		if e, err := l.db.EventByReference(ctx, ref); err != nil || e.Count != want {
			t.Errorf("%s: count %d (%v), want %d", ref, e.Count, err, want)
		}
	}
}

func TestAFullJournalRefusesUnlessAllowedNotTo(t *testing.T) {
	for _, allow := range []bool{false, true} {
		t.Run(fmt.Sprint(allow), func(t *testing.T) {
			dir := t.TempDir()
			l := start(t, dir, func(o *Options) { o.JournalSize = minJournal; o.AllowUnrecorded = allow })
			unlock := lock(t, dir)
			answered, refusedOnce, warned := int64(0), false, false
			for i := 0; i < 2000 && !refusedOnce && l.State().Unrecorded == 0; i++ {
				_, err := l.Success(context.Background(), event(fmt.Sprint("p", i), testTime))
				if err == nil {
					answered++
				}
				refusedOnce = err != nil
				warned = warned || l.State().Fill >= warnAt
			}
			if !warned {
				t.Error("the journal never stood at the warning mark")
			}
			if allow {
				if refusedOnce || l.State().Unrecorded != 1 {
					t.Errorf("refused %v, %d unrecorded", refusedOnce, l.State().Unrecorded)
				}
				answered-- // the unrecorded one
			} else if !refusedOnce {
				t.Error("a full journal let people in")
			}
			unlock()
			until(t, "the journal is brought in", func() bool { return !l.State().Journal })
			if rows, count := total(t, l.db, store.EventFilter{}); rows != answered || count != answered {
				t.Errorf("%d rows with %d sign-ins, %d were recorded", rows, count, answered)
			}
			success(t, l.Log, event("after", testTime))
		})
	}
}

func TestAFloodOfRefusalsIsMergedHarderAndNoneIsLost(t *testing.T) {
	dir := t.TempDir()
	l := start(t, dir, func(o *Options) { o.JournalSize = minJournal })
	unlock := lock(t, dir)
	const n = 12_000
	begun := time.Now()
	for i := range n {
		e := refused(fmt.Sprint("p", i), testTime, signin.WrongCredentials)
		e.Facts.Addr = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		l.Refusal(e)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("%d refusals took %v: they waited", n, took)
	}
	if s := l.State(); s.MergedHarder == 0 {
		t.Error("nothing was merged harder")
	}
	l.refusals.mu.Lock()
	waiting := l.refusals.unwritten
	l.refusals.mu.Unlock()
	if waiting > 2*maxUnwritten+100 {
		t.Errorf("%d refusals wait whole", waiting)
	}
	unlock()
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	rows, count := total(t, reopen(t, dir), store.EventFilter{})
	if count != n || rows >= n/2 {
		t.Errorf("%d rows with %d refusals, %d were noted", rows, count, n)
	}
}

func TestAfterAHardStopOneRowSaysThatRefusalsMayBeMissing(t *testing.T) {
	dir := t.TempDir()
	for i, hard := range []bool{false, true, true, false} {
		db := reopen(t, dir)
		l, err := Open(context.Background(), Options{Store: db, Dir: dir, JournalSize: minJournal})
		if err != nil {
			t.Fatal(err)
		}
		if !hard {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if err := l.Run(ctx); err != nil {
				t.Fatal(err)
			}
		} else {
			l.step(nil, true) // what Run does, and then the end without an end
		}
		if err := errors.Join(l.Close(), db.Close()); err != nil {
			t.Fatal(err)
		}
		want := []int64{0, 0, 1, 2}[i]
		if rows, _ := total(t, reopen(t, dir), store.EventFilter{Codes: []signin.Code{signin.RefusalsLost}}); rows != want {
			t.Errorf("after run %d: %d rows say so, want %d", i, rows, want)
		}
	}
}

func TestSessionsOfARunThatWasStoppedHardAreClosed(t *testing.T) {
	dir := t.TempDir()
	db := reopen(t, dir)
	l, err := Open(context.Background(), Options{Store: db, Dir: dir, JournalSize: minJournal})
	if err != nil {
		t.Fatal(err)
	}
	id := newID()
	l.Session(signin.SessionEvent{ID: id, Session: "old", Opened: time.Now()})
	l.step(nil, true)
	if err := errors.Join(l.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	again := start(t, dir)
	again.Session(signin.SessionEvent{ID: id, Session: "new", Opened: time.Now()})
	if err := again.stop(); err != nil {
		t.Fatal(err)
	}
	s, err := reopen(t, dir).SessionsOf(context.Background(), id)
	if err != nil || len(s) != 2 || s[0].Reason != "stopped hard" || s[0].Closed.IsZero() || !s[1].Closed.IsZero() {
		t.Errorf("%+v, %v", s, err)
	}
}
