package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portreeve/portreeve/internal/signin"
)

var forgotten = netip.MustParseAddr("2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff")

// longLog has a sheet and more of random sign-ins: some hundred are written, and
// come again and again under other references, with gaps between their numbers.
// One is of somebody to forget.
func longLog(t testing.TB, s *Store) {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 5))
	const written = 500
	var list []*signin.Event
	for i := range written {
		list = append(list, randomEvent(r, i))
	}
	list[7].Facts.Person, list[7].Facts.Addr = "somebody-to-forget", forgotten
	putEvents(t, s, list...)
	const columns = `last, count, source, observed, person, mailbox, typed, protocol, credential, program, addr, code, version, facts`
	const gap, first = 16, (sheetRows - 1) % 16 // the sheet's last number is among them
	err := s.Write(context.Background(), func(tx *Tx) error {
		return tx.exec(`WITH RECURSIVE again (n) AS (SELECT ? UNION ALL SELECT n + ? FROM again WHERE n < ?)
			INSERT INTO events (n, id, ref, at, `+columns+`) SELECT again.n, randomblob(16), ref + again.n, at + again.n * 1000000, `+columns+`
			FROM again JOIN events ON events.n = 1 + again.n % ? ORDER BY again.n`,
			int64(written/gap+1)*gap+first, gap, sheetRows+1000, written)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// judgedOf is what a replay is given, by reference and time, as bytes.
func judgedOf(t testing.TB, s *Store, w ReplayWindow) map[[2]int64]string {
	t.Helper()
	var mu sync.Mutex
	all := map[[2]int64]string{}
	err := s.Judged(t.Context(), w, nil, func() func(*signin.Event) error {
		return func(e *signin.Event) error {
			mu.Lock()
			defer mu.Unlock()
			all[[2]int64{int64(binary.BigEndian.Uint64(e.ID[8:])), e.At.UnixNano()}] = string(AppendEvent(nil, e))
			return nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func holdsSheets(t testing.TB, s *Store, want int) {
	t.Helper()
	there, err := s.sealedSheets(t.Context())
	if err != nil || len(there) != want {
		t.Fatalf("%d sheets, not %d: %v", len(there), want, err)
	}
}

func agree(t testing.TB, what string, got, want map[[2]int64]string) {
	t.Helper()
	if len(got) != len(want) || len(got) == 0 {
		t.Fatalf("%s: %d sign-ins, not %d", what, len(got), len(want))
	}
	for k, w := range want {
		if got[k] != w {
			g, _ := ReadEvent([]byte(got[k]))
			e, _ := ReadEvent([]byte(w))
			t.Fatalf("%s: %+v, not %+v", what, g, e)
		}
	}
}

// TestASheetSaysWhatItsRowsDo reads a log row by row, packs it, and reads it
// again; then changes it in every way in which the log is changed.
func TestASheetSaysWhatItsRowsDo(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	longLog(t, s)
	now := testTime.AddDate(0, 0, 2)
	some := ReplayWindow{From: testTime.Add(200 * time.Minute), To: testTime.Add(500 * time.Minute)}
	rows, part := judgedOf(t, s, ReplayWindow{}), judgedOf(t, s, some)
	if made, err := s.SealSheets(ctx, testTime); err != nil || made != 0 {
		t.Fatalf("%d sheets of what may still be counted into: %v", made, err)
	}
	if made, err := s.SealSheets(ctx, now); err != nil || made != 1 {
		t.Fatalf("%d sheets: %v", made, err)
	}
	holdsSheets(t, s, 1)
	agree(t, "packed", judgedOf(t, s, ReplayWindow{}), rows)
	agree(t, "part of what is packed", judgedOf(t, s, some), part)
	if made, err := s.SealSheets(ctx, now); err != nil || made != 0 {
		t.Fatalf("%d sheets once more: %v", made, err)
	}

	// A sheet that is damaged is read row by row.
	change := func(query string, args ...any) {
		t.Helper()
		if err := s.Write(ctx, func(tx *Tx) error { return tx.exec(query, args...) }); err != nil {
			t.Fatal(err)
		}
	}
	change(`UPDATE replay_sheets SET data = substr(data, 1, 1000) WHERE sheet = 0`)
	agree(t, "damaged", judgedOf(t, s, ReplayWindow{}), rows)
	change(`UPDATE replay_sheets SET format = 99 WHERE sheet = 0`) // a newer program's
	agree(t, "of another format", judgedOf(t, s, ReplayWindow{}), rows)
	if made, err := s.SealSheets(ctx, now); err != nil || made != 1 {
		t.Fatalf("%d sheets in place of a newer program's: %v", made, err)
	}

	// What is changed or taken out of the log is so in its sheet.
	if !inSheets(t, s, forgotten.AsSlice()) {
		t.Error("the sheet has not an address that is in the log: the test shows nothing")
	}
	for _, c := range []struct {
		what string
		do   func() error
	}{
		{"counted", func() error {
			return s.Write(ctx, func(tx *Tx) error {
				e, err := s.Event(ctx, firstID(t, s))
				if err != nil {
					return err
				}
				_, err = tx.CountEvent(e.ID, 1000, now)
				return err
			})
		}},
		{"erased", func() error { return s.ErasePerson(ctx, "somebody-to-forget") }},
		{"without addresses", func() error { return s.DropAddresses(ctx, testTime.Add(300*time.Minute)) }},
		{"cleared away", func() error { return s.DropEvents(ctx, testTime.Add(400*time.Minute)) }},
	} {
		if _, err := s.SealSheets(ctx, now); err != nil {
			t.Fatal(err)
		}
		if err := c.do(); err != nil {
			t.Fatal(c.what, err)
		}
		if _, err := s.SealSheets(ctx, now); err != nil {
			t.Fatal(err)
		}
		got := judgedOf(t, s, ReplayWindow{})
		if inSheets(t, s, forgotten.AsSlice()) != (c.what == "counted") {
			t.Errorf("%s: the address of somebody to forget is in a sheet, or is not although nobody forgot them", c.what)
		}
		change(`DELETE FROM replay_sheets`)
		agree(t, c.what, got, judgedOf(t, s, ReplayWindow{}))
	}
}

func inSheets(t testing.TB, s *Store, b []byte) (found bool) {
	t.Helper()
	all, err := collect(t.Context(), s, func(r scanner) (data []byte, err error) { err = r.Scan(&data); return data, err }, `SELECT data FROM replay_sheets`)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(all, func(data []byte) bool { return bytes.Contains(data, b) })
}

func firstID(t testing.TB, s *Store) (id signin.ID) {
	t.Helper()
	var b []byte
	if err := s.read.QueryRow(`SELECT id FROM events ORDER BY n LIMIT 1`).Scan(&b); err != nil {
		t.Fatal(err)
	}
	copy(id[:], b)
	return id
}

// TestASheetIsNotKeptOfRowsThatChangedMeanwhile: what says that a sheet is being
// made goes with the change.
func TestASheetIsNotKeptOfRowsThatChangedMeanwhile(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	putEvents(t, s, randomEvent(rand.New(rand.NewPCG(1, 1)), 1))
	id := firstID(t, s)
	var left int64
	err := s.Write(ctx, func(tx *Tx) error {
		if err := tx.exec(`INSERT INTO replay_sheets (sheet, format, made, first, last, data) VALUES (0, ?, 7, 0, 0, x'')`, sheetMade); err != nil {
			return err
		}
		if _, err := tx.CountEvent(id, 1000, testTime); err != nil {
			return err
		}
		return tx.row([]any{&left}, `SELECT count(*) FROM replay_sheets WHERE made = ?`, 7)
	})
	if err != nil || left != 0 {
		t.Fatalf("%d left: %v", left, err)
	}
}

func FuzzReadSheet(f *testing.F) {
	m := newSheetMaker()
	m.key.raw(tagPerson, "ana")
	m.add(Recorded{At: 5, Judged: -3, Proof: 9, Proved: true, Count: 2, Ref: 77}, netip.MustParseAddr("192.0.2.1"))
	m.add(Recorded{At: 3, Count: 1}, netip.Addr{})
	whole := appendSheet(nil, &m.sheet)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var s, again Sheet
		if readSheet(b, &s) != nil {
			return
		}
		kinds, e := NewKindReader(), signin.Event{}
		for i := range s.SignIns {
			r := &s.SignIns[i]
			_ = s.Places[r.Place]
			if kinds.Read(s.Kinds[r.Kind], &e) == nil {
				r.Stamp(&e)
			}
		}
		if err := readSheet(appendSheet(nil, &s), &again); err != nil || !cmp.Equal(s.SignIns, again.SignIns) {
			t.Fatalf("%v: %v", err, cmp.Diff(s.SignIns, again.SignIns))
		}
	})
}
