package alarm

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// changePolicy makes so many changes that are told.
func (d *desk) changePolicy(n int) {
	d.t.Helper()
	for i := range n {
		check(d.t, d.s.Change(d.t.Context(), root, "", putPolicy(fmt.Sprintf(office, fmt.Sprint(2031+i, "-01-01")))))
	}
}

// Who is away delays nobody else's alarms, however many wait for them.
func TestOneWhoIsAwayDelaysNobodyElse(t *testing.T) {
	d := sit(t)
	d.add(string(PolicyChanged))
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(away.Close)
	_, _, err := d.Add(t.Context(), root, "", "away", away.URL, nil)
	check(t, err)
	many := 2 * dueMost
	d.changePolicy(many)
	check(t, d.look(t.Context()))
	for range 4 {
		check(t, d.deliver(t.Context()))
	}
	if len(d.got) != many {
		t.Errorf("%d of %d alarms arrived", len(d.got), many)
	}
}

// What arrived is not sent again because that it did cannot be written.
func TestWhatArrivedIsNotSentAgainWhileNothingCanBeWritten(t *testing.T) {
	d := sit(t)
	d.add(string(PolicyChanged))
	d.changePolicy(2)
	check(t, d.look(t.Context()))
	mend := d.breakTable("alarm_deliveries")
	for range 3 {
		check(t, d.deliver(t.Context()))
	}
	d.expect("policy.changed", "policy.changed")
	mend()
	check(t, d.deliver(t.Context()))
	d.expect("policy.changed", "policy.changed")
	if st, err := d.State(t.Context()); err != nil || st.Waiting != 0 {
		t.Errorf("%+v %v", st, err)
	}
}

// breakTable has every change of a table fail, as on a full disk, until it is mended.
func (d *desk) breakTable(table string) (mend func()) {
	d.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(d.dir, store.FileName))
	check(d.t, err)
	run := func(q string) {
		_, err := db.ExecContext(context.Background(), q)
		check(d.t, err)
	}
	run("PRAGMA busy_timeout = 5000")
	for _, verb := range []string{"INSERT", "UPDATE"} {
		run("CREATE TRIGGER broken_" + verb + " BEFORE " + verb + " ON " + table + " BEGIN SELECT RAISE(ABORT, 'disk full'); END")
	}
	return func() {
		run("DROP TRIGGER broken_INSERT")
		run("DROP TRIGGER broken_UPDATE")
		check(d.t, db.Close())
	}
}

// What arrived in the moment that we stop is not told again by the next start.
func TestWhatArrivesAsWeStopIsToldOnce(t *testing.T) {
	d := sit(t)
	ctx, stop := context.WithCancel(t.Context())
	d.Options.Mail = func(context.Context, string, string, string) error { stop(); return nil }
	_, _, err := d.Add(t.Context(), root, "", "ops", "mailto:ops@example.org", nil)
	check(t, err)
	d.changePolicy(1)
	check(t, d.look(t.Context()))
	check(t, d.deliver(ctx))
	if st, err := d.State(t.Context()); err != nil || st.Waiting != 0 {
		t.Errorf("%+v %v", st, err)
	}
}

// Who answered 410 does not hear what waited behind it either.
func TestWhatWaitsForOneWhoIsGoneIsGivenUp(t *testing.T) {
	d := sit(t)
	d.add()
	d.answers = []int{http.StatusGone}
	d.changePolicy(3)
	for range 3 {
		d.round()
	}
	if st, err := d.State(t.Context()); err != nil || len(d.got) != 1 || st.Waiting != 0 || st.Dead != 3 {
		t.Errorf("%d posts, %+v, %v", len(d.got), st, err)
	}
}

// What was told unwritten is written once that can be, and not told again; its
// end is told even if its beginning never was written.
func TestWhatIsToldUnwrittenIsToldOnceAndItsEndToo(t *testing.T) {
	for _, mended := range []bool{true, false} {
		t.Run(fmt.Sprint("written later: ", mended), func(t *testing.T) {
			d := sit(t)
			d.add()
			filling := []Condition{{JournalFilling, "journal", "It fills."}}
			d.now = filling
			check(t, d.look(t.Context()))
			for mark := range d.seen {
				d.seen[mark] = time.Now().Add(-steady)
			}
			mend := d.breakTable("alarm_marks")
			for range 3 {
				if d.look(t.Context()) == nil {
					t.Error("it was written")
				}
			}
			d.expect("journal.filling")
			if mended {
				mend()
				check(t, d.look(t.Context()))
				check(t, d.deliver(t.Context()))
				d.expect("journal.filling")
			}
			d.now = nil
			if !mended {
				mend()
			}
			check(t, d.look(t.Context()))
			check(t, d.deliver(t.Context()))
			d.expect("journal.filling", "journal.drained")
			check(t, d.look(t.Context()))
			check(t, d.deliver(t.Context()))
			d.expect("journal.filling", "journal.drained")
		})
	}
}

// glass is an account of last resort, and what signs it in.
func (d *desk) glass() (p store.Person, put func(n int, at time.Time, who string, proven bool, code signin.Code)) {
	p = store.Person{Address: "glass@example.org"}
	check(d.t, d.s.Change(d.t.Context(), root, "", func(tx *store.Tx) error {
		if err := tx.AddPerson(&p); err != nil {
			return err
		}
		return tx.AddAdministrator(p, true)
	}))
	return p, func(n int, at time.Time, who string, proven bool, code signin.Code) {
		e := &signin.Event{ID: signin.NewID(at.UnixMilli(), [10]byte{8: byte(n >> 8), 9: byte(n)}), At: at, Last: at, Count: 1, Source: "gate", Typed: p.Address, Code: code}
		e.Facts = policy.Facts{At: at, Person: who, Address: p.Address, Proven: proven}
		check(d.t, d.s.Write(d.t.Context(), func(tx *store.Tx) error { return tx.PutEvent(e) }))
	}
}

// Guesses by the hundred do not hide the one that was right.
func TestManyGuessesDoNotHideTheRightOne(t *testing.T) {
	d := sit(t)
	d.add(string(BreakGlassUsed))
	p, put := d.glass()
	now := time.Now()
	put(0, now, p.ID, true, signin.OK)
	for i := range readMost + 1 {
		put(i+1, now.Add(time.Duration(i+1)*time.Millisecond), p.ID, false, 50126)
	}
	d.round()
	d.expect("breakglass.used")
}

// Somebody else who opens that mailbox with their own secret is not that account.
func TestADelegateIsNotTheAccountOfLastResort(t *testing.T) {
	d := sit(t)
	d.add(string(BreakGlassUsed))
	_, put := d.glass()
	put(1, time.Now(), "somebody-else", true, signin.OK)
	d.round()
	d.expect()
}

// Sign-ins that come out of the journal hours later are found all the same.
func TestSignInsOfTheJournalAreNotPassedOver(t *testing.T) {
	d := sit(t)
	d.add(string(BreakGlassUsed))
	p, put := d.glass()
	hours := func(n int) time.Time { return time.Now().Add(time.Duration(n) * time.Hour) }
	check(t, d.s.Write(t.Context(), func(tx *store.Tx) error { return tx.SetAlarmMark(signInMark, hours(-3).UTC().Format(time.RFC3339Nano)) }))
	d.now = []Condition{{JournalFilling, "journal", "It fills."}}
	d.round() // it can be written again, and the journal is not empty yet
	put(1, hours(-2), p.ID, true, signin.OK)
	d.now = nil
	d.round()
	d.expect("breakglass.used")
}

// A reason is one line of a mail, whatever its author put into it.
func TestAMailsLinesAreOurs(t *testing.T) {
	a, err := happened(ExclusionExpired, "x", time.Now(), detail{Sentence: "It has\nrun out.", Reason: "old\nWho        root\u202e", Actor: "ana"})
	check(t, err)
	subject, body := text(&a)
	if strings.ContainsAny(subject, "\n\u202e") || strings.Contains(body, "\u202e") || strings.Count(body, "\nWho ") != 1 {
		t.Errorf("%q %q", subject, body)
	}
}

// A target is called by its name: what cannot be typed is none.
func TestNamesCanBeTyped(t *testing.T) {
	d := sit(t)
	for _, name := range []string{"", " ", "a\x7f", "a\u202eb", "a\u009b31m", "a\n", strings.Repeat("x", maxName+1)} {
		if _, _, err := d.Add(t.Context(), root, "", name, d.url, nil); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
	if _, _, err := d.Add(t.Context(), root, "", "Büro 2", d.url, nil); err != nil {
		t.Error(err)
	}
}
