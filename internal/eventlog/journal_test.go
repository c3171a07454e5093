package eventlog

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

func records(t *testing.T, j *journal) (all []string) {
	t.Helper()
	for at := int64(journalStart); at < j.tail; {
		p, next, err := j.read(at)
		if err != nil || p == nil {
			t.Fatalf("record at %d: %v", at, err)
		}
		all, at = append(all, string(p)), next
	}
	return all
}

func openTest(t *testing.T, path string) *journal {
	t.Helper()
	j, aside, err := openJournal(path, minJournal)
	if err != nil || aside != "" {
		t.Fatalf("aside %q, %v", aside, err)
	}
	t.Cleanup(func() { _ = j.f.Close() })
	return j
}

func TestTheJournalIsThereWholeBeforeItIsNeeded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	openTest(t, path)
	fi, err := os.Stat(path)
	if err != nil || fi.Size() != minJournal || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi, err)
	}
}

func TestTheJournalComesBackUpToATornRecord(t *testing.T) {
	for name, tear := range map[string]func(b []byte, at int64) []byte{
		"nothing":       func(b []byte, _ int64) []byte { return b },
		"flipped":       func(b []byte, at int64) []byte { b[at+recordHead+1] ^= 1; return b },
		"half a record": func(b []byte, at int64) []byte { clear(b[at+recordHead+2:]); return b },
		"long length":   func(b []byte, at int64) []byte { b[at] = 0xff; return b },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "j")
			j := openTest(t, path)
			for _, r := range []string{"one", "two"} {
				if err := j.append([]byte(r)); err != nil {
					t.Fatal(err)
				}
			}
			at := j.tail
			if err := j.append([]byte("three")); err != nil {
				t.Fatal(err)
			}
			_ = j.f.Close()
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, tear(b, at), 0o600); err != nil {
				t.Fatal(err)
			}
			want := 2
			if name == "nothing" {
				want = 3
			}
			j = openTest(t, path)
			if got := records(t, j); len(got) != want {
				t.Errorf("records %q", got)
			}
			if err := j.append([]byte("next")); err != nil {
				t.Fatal(err)
			}
			_ = j.f.Close()
			if got := records(t, openTest(t, path)); len(got) != want+1 || got[want] != "next" {
				t.Errorf("records %q", got)
			}
		})
	}
}

func TestAJournalThatBeganAnewForgetsWhatLiesBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := openTest(t, path)
	for round := range 3 {
		for range 10 {
			if err := j.append(bytes.Repeat([]byte{'x'}, 100)); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.reset(); err != nil {
			t.Fatal(err)
		}
		_ = j.f.Close()
		if j = openTest(t, path); !j.empty() {
			t.Errorf("round %d: records are there again", round)
		}
	}
	// A header that was torn while beginning anew leaves the one before, whose
	// records are still there: bringing them in again is harmless.
	if err := j.append([]byte("kept")); err != nil {
		t.Fatal(err)
	}
	epoch := j.epoch
	if _, err := j.f.WriteAt([]byte("garbage!"), int64((epoch+1)%2)*headerSlot); err != nil {
		t.Fatal(err)
	}
	_ = j.f.Close()
	if j = openTest(t, path); j.epoch != epoch || len(records(t, j)) != 1 {
		t.Errorf("epoch %d, want %d", j.epoch, epoch)
	}
}

func TestAFullJournalSaysSoAndTakesLessAgain(t *testing.T) {
	j := openTest(t, filepath.Join(t.TempDir(), "j"))
	big := make([]byte, 30_000)
	if err := j.append(big); err != nil {
		t.Fatal(err)
	}
	if err := j.append(big); !errors.Is(err, errJournalFull) {
		t.Errorf("appended past the end: %v", err)
	}
	if err := j.append([]byte("small")); err != nil {
		t.Error(err)
	}
}

func TestADamagedJournalIsSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	if err := os.WriteFile(path, bytes.Repeat([]byte("not a journal "), 10_000), 0o600); err != nil {
		t.Fatal(err)
	}
	j, aside, err := openJournal(path, minJournal)
	if err != nil || aside == "" || !j.empty() {
		t.Fatalf("aside %q, %v", aside, err)
	}
	_ = j.f.Close()
	if b, err := os.ReadFile(aside); err != nil || !bytes.HasPrefix(b, []byte("not a journal")) {
		t.Errorf("what was set aside: %v", err)
	}
}

func TestAJournalThatWasStoppedWhileItWasMadeIsMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	if err := os.WriteFile(path, make([]byte, 20_000), 0o600); err != nil {
		t.Fatal(err)
	}
	j := openTest(t, path)
	if err := j.append([]byte("one")); err != nil {
		t.Fatal(err)
	}
}

// anything takes all items.
type anything struct{ n int }

func (a *anything) PutEvent(*signin.Event) error { a.n++; return nil }
func (a *anything) CountEvent(signin.ID, int64, time.Time) (bool, error) {
	a.n++
	return a.n%2 == 0, nil
}
func (a *anything) PutSession(*signin.SessionEvent) error { a.n++; return nil }
func (a *anything) PutNetwork(store.Network) error        { a.n++; return nil }

func FuzzJournalItems(f *testing.F) {
	session := &signin.SessionEvent{ID: newID(), Session: "s", Opened: testTime, Reason: "why"}
	f.Add([]byte{'C', 3, 1, 2, 3})
	f.Add(appendCount(nil, newID(), 5, testTime))
	f.Add(appendItem(nil, itemEvent, store.AppendEvent(nil, event("leela", testTime))))
	f.Add(appendItem(nil, itemSession, appendSession(nil, session)))
	f.Add(appendItem(nil, itemNetwork, appendNetwork(nil, store.Network{Person: "p", Prefix: netip.MustParsePrefix("192.0.2.0/24"), First: testTime, Last: testTime})))
	l := &Log{slog: slog.New(slog.DiscardHandler)}
	f.Fuzz(func(t *testing.T, b []byte) {
		a := &anything{}
		if err := l.bringRecord(a, b, false); err != nil {
			t.Errorf("a record that cannot be read stops the journal: %v", err)
		}
		if a.n > len(b)/2+1 {
			t.Errorf("%d items in %d bytes", a.n, len(b))
		}
	})
}
