package change

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portreeve/portreeve/internal/store"
)

var (
	root  = store.Actor{UID: 0, Name: "root"}
	amy   = store.Actor{UID: 1001, Name: "amy"}
	quiet = slog.New(slog.NewTextHandler(io.Discard, nil))
)

// desk is a store and the service over it.
type desk struct {
	t testing.TB
	*Service
	s *store.Store
}

func sit(t testing.TB, dir string) *desk {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return &desk{t, New(s, quiet), s}
}

func (d *desk) change(who store.Actor, do func(*store.Tx) error) {
	d.t.Helper()
	if err := d.s.Change(context.Background(), who, "", do); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) try(within time.Duration, do func(*store.Tx) error) store.Pending {
	d.t.Helper()
	p, err := d.Make(context.Background(), root, "CHG-1", within, do)
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

func put(id, name, text string) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		return tx.PutDocument(&store.Document{ID: id, Kind: store.Policy, Name: name, State: "enabled", JSON: json.RawMessage(text)})
	}
}

func remove(id string) func(*store.Tx) error {
	return func(tx *store.Tx) error { return tx.DeleteDocument(store.Policy, id) }
}

// text is a policy as it stands; empty: there is none.
func (d *desk) text(id string) string {
	d.t.Helper()
	x, err := d.s.Document(context.Background(), store.Policy, id)
	if errors.Is(err, store.ErrNotFound) {
		return ""
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return x.Name + " " + string(x.JSON)
}

const (
	one = "00000000-0000-4000-8000-000000000001"
	two = "00000000-0000-4000-8000-000000000002"
)

func TestAChangeThatNobodyConfirmsIsTakenBackToTheMoment(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := sit(t, dir)
		defer d.s.Close()
		d.change(root, put(one, "one", `{"a": 1}`))
		ctx, stop := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { left <- d.Run(ctx) }()
		p := d.try(10*time.Minute, func(tx *store.Tx) error {
			return errors.Join(put(one, "uno", `{"a": 2}`)(tx), put(two, "two", `{}`)(tx), tx.PutSetting("x", "1"))
		})
		if got := d.text(one); got != `uno {"a": 2}` {
			t.Fatalf("in force is %s", got)
		}
		time.Sleep(time.Until(p.Until) - time.Millisecond)
		synctest.Wait()
		if got := d.text(one); got != `uno {"a": 2}` {
			t.Errorf("a moment before the time it is %s", got)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		time.Sleep(time.Millisecond) // the database's own goroutines
		if got := d.text(one); got != `one {"a": 1}` {
			t.Errorf("a moment after the time it is %s", got)
		}
		if got := d.text(two); got != "" {
			t.Errorf("what the change made is still there: %s", got)
		}
		if v, err := d.s.Setting(t.Context(), "x"); v != "" || err != nil {
			t.Errorf("the setting is %q, %v", v, err)
		}
		stop()
		if err := <-left; err != nil {
			t.Error(err)
		}
	})
}

func TestADeadlineOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	d := sit(t, dir)
	d.change(root, put(one, "one", `{"a":1}`))
	d.try(time.Nanosecond, remove(one))
	if err := d.s.Close(); err != nil {
		t.Fatal(err)
	}
	d = sit(t, dir)
	defer d.s.Close()
	if d.text(one) != "" {
		t.Fatal("it was taken back before anybody looked")
	}
	if next, err := d.Due(t.Context()); err != nil || !next.IsZero() {
		t.Fatal(next, err)
	}
	if got := d.text(one); got != `one {"a":1}` {
		t.Errorf("after the start it is %q", got)
	}
	rows, err := d.s.Audits(t.Context(), store.AuditFilter{Kind: "policy", Limit: 1})
	if err != nil || rows[0].Origin != store.OriginRevert || rows[0].Actor != store.System || !strings.Contains(rows[0].Reason, "root") {
		t.Errorf("the audit says %+v, %v", rows, err)
	}
	if again, err := d.Due(t.Context()); err != nil || !again.IsZero() {
		t.Error(again, err)
	}
}

func TestWhatWasChangedSinceIsLeftAlone(t *testing.T) {
	d := sit(t, t.TempDir())
	defer d.s.Close()
	d.change(root, func(tx *store.Tx) error {
		return errors.Join(put(one, "one", `{"a":1}`)(tx), put(two, "two", `{"b":1}`)(tx))
	})
	d.try(time.Nanosecond, func(tx *store.Tx) error {
		return errors.Join(put(one, "one", `{"a":2}`)(tx), put(two, "two", `{"b":2}`)(tx))
	})
	d.change(amy, put(one, "one", `{"a":3}`))
	d.change(amy, func(tx *store.Tx) error { return tx.PutSetting("other", "1") })
	if _, err := d.Due(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.text(one) != `one {"a":3}` || d.text(two) != `two {"b":1}` {
		t.Errorf("one is %s, two is %s", d.text(one), d.text(two))
	}
	rows, err := d.s.Audits(t.Context(), store.AuditFilter{Kind: "change", Limit: 1})
	if err != nil || rows[0].Action != "revert" || !strings.Contains(string(rows[0].After), `"left":"changed since by amy"`) {
		t.Errorf("the audit says %s, %v", rows[0].After, err)
	}
}

func TestANameThatAnotherHasByNowIsLeftToIt(t *testing.T) {
	d := sit(t, t.TempDir())
	defer d.s.Close()
	d.change(root, put(one, "one", `{"a":1}`))
	d.try(time.Nanosecond, func(tx *store.Tx) error { return errors.Join(remove(one)(tx), tx.PutSetting("x", "1")) })
	d.change(amy, put(two, "one", `{"b":1}`))
	if _, err := d.Due(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := d.text("one"); got != `one {"b":1}` {
		t.Errorf("one is %s", got)
	}
	if v, _ := d.s.Setting(t.Context(), "x"); v != "" {
		t.Error("what stood beside it was not taken back")
	}
}

func TestAConfirmedChangeStays(t *testing.T) {
	d := sit(t, t.TempDir())
	defer d.s.Close()
	d.change(root, put(one, "one", `{"a":1}`))
	p := d.try(time.Hour, put(one, "one", `{"a":2}`))
	late := d.try(time.Nanosecond, put(two, "two", `{}`))
	done, err := d.Confirm(t.Context(), root, "", "root", []store.Pending{p, late})
	if err != nil || !slices.Equal(done, []store.Pending{p}) {
		t.Errorf("confirmed %v, %v; one was due already", done, err)
	}
	if next, err := d.Due(t.Context()); err != nil || !next.IsZero() {
		t.Error(next, err)
	}
	if d.text(one) != `one {"a":2}` || d.text(two) != "" {
		t.Errorf("one is %s, two is %s", d.text(one), d.text(two))
	}
	if done, err := d.Confirm(t.Context(), root, "", "root", []store.Pending{p}); err != nil || len(done) != 0 {
		t.Errorf("confirmed twice: %v, %v", done, err)
	}
}

func TestTwoAdministratorsAtOnce(t *testing.T) {
	d := sit(t, t.TempDir())
	defer d.s.Close()
	d.change(root, put(one, "one", `{"a":1}`))
	d.try(time.Hour, put(one, "one", `{"a":2}`))
	if _, err := d.Make(t.Context(), amy, "", time.Hour, put(one, "one", `{"a":3}`)); !errors.Is(err, store.ErrAwaited) || !strings.Contains(err.Error(), "changed by root") {
		t.Errorf("a second change of what waits: %v", err)
	}
	if _, err := d.Make(t.Context(), amy, "", time.Hour, put(two, "two", `{}`)); err != nil {
		t.Errorf("a change of something else: %v", err)
	}
	if got := d.text(one); got != `one {"a":2}` {
		t.Errorf("one is %s", got)
	}
	if all, err := d.Waiting(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestSwitchesAndAssignmentsComeBack(t *testing.T) {
	d := sit(t, t.TempDir())
	defer d.s.Close()
	yes, no := true, false
	leela, fry := store.Person{Address: "leela@example.org"}, store.Person{Address: "fry@example.org"}
	plan := store.Document{Kind: store.AuthenticationPolicy, Name: "plan", JSON: json.RawMessage(`{"Name":"plan"}`)}
	d.change(root, func(tx *store.Tx) error {
		return errors.Join(tx.AddPerson(&leela), tx.AddPerson(&fry), tx.PutDocument(&plan), tx.PutSwitch(store.Mailbox, leela.ID, "ImapEnabled", &yes),
			tx.PutAssignment(store.Assignment{Scope: store.PersonScope, Subject: leela.ID, Policy: plan.ID}))
	})
	d.try(time.Nanosecond, func(tx *store.Tx) error {
		return errors.Join(tx.PutSwitch(store.Mailbox, leela.ID, "ImapEnabled", &no), tx.PutSwitch(store.Organization, "", "PopEnabled", &no),
			tx.PutSwitch(store.Mailbox, fry.ID, "ImapEnabled", &no), tx.DeleteDocument(store.AuthenticationPolicy, plan.ID))
	})
	d.change(amy, func(tx *store.Tx) error { return tx.DeletePerson(fry.ID) })
	if _, err := d.Due(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, err := d.s.Switches(t.Context())
	if err != nil || !slices.Equal(all, []store.Switch{{Scope: store.Mailbox, Subject: leela.ID, Name: "ImapEnabled", Value: true}}) {
		t.Errorf("switches are %v, %v", all, err)
	}
	given, err := d.s.Assignments(t.Context())
	if err != nil || len(given) != 1 || given[0].Policy != plan.ID {
		t.Errorf("assignments are %v, %v", given, err)
	}
}

func TestWhatCannotBeTakenBackIsNotBegun(t *testing.T) {
	d := sit(t, t.TempDir())
	defer d.s.Close()
	_, err := d.Make(t.Context(), root, "", time.Hour, func(tx *store.Tx) error { return tx.AddPerson(&store.Person{Address: "leela@example.org"}) })
	if !errors.Is(err, store.ErrNotUndoable) {
		t.Error(err)
	}
	if people, _ := d.s.People(t.Context()); len(people) != 0 {
		t.Error("the person is there")
	}
	if p := d.try(time.Hour, func(*store.Tx) error { return nil }); p.ID != "" {
		t.Error("a change of nothing waits")
	}
}

// A clock that was put back must not keep anybody out for longer: the bubble's
// is decades behind the one by which the change was made.
func TestAClockThatIsPutBackDelaysNothing(t *testing.T) {
	dir := t.TempDir()
	d := sit(t, dir)
	d.change(root, put(one, "one", `{"a":1}`))
	d.try(10*time.Minute, put(one, "one", `{"a":2}`))
	if err := d.s.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		d := sit(t, dir)
		defer d.s.Close()
		if next, err := d.Due(t.Context()); err != nil || time.Until(next) != 10*time.Minute {
			t.Fatalf("due at %v, %v", next, err)
		}
		time.Sleep(10*time.Minute - time.Second)
		if next, err := d.Due(t.Context()); err != nil || time.Until(next) != time.Second {
			t.Fatalf("due at %v, %v", next, err)
		}
		time.Sleep(time.Second)
		if next, err := d.Due(t.Context()); err != nil || !next.IsZero() {
			t.Fatalf("due at %v, %v", next, err)
		}
		if got := d.text(one); got != `one {"a":1}` {
			t.Errorf("it is %s", got)
		}
	})
}

// office makes a location of an id.
func office(id string) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		return tx.PutDocument(&store.Document{ID: id, Kind: store.Location, Name: "Office", JSON: json.RawMessage(`{}`)})
	}
}

// A policy that exempts an office would keep the office out if that went.
func TestWhatAPolicyNamesIsLeft(t *testing.T) {
	d := sit(t, t.TempDir())
	defer d.s.Close()
	d.try(time.Nanosecond, office(one))
	d.change(amy, put(two, "two", `{"excludeLocations":["`+one+`"]}`))
	if _, err := d.Due(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all, err := d.s.Documents(t.Context(), store.Location); err != nil || len(all) != 1 {
		t.Errorf("locations are %v, %v", all, err)
	}
	rows, err := d.s.Audits(t.Context(), store.AuditFilter{Kind: "change", Limit: 1})
	if err != nil || !strings.Contains(string(rows[0].After), `names it`) {
		t.Errorf("the audit says %s, %v", rows[0].After, err)
	}
}

func TestWhatHangsOnAnotherIsTakenBackBeforeIt(t *testing.T) {
	d := sit(t, t.TempDir())
	defer d.s.Close()
	d.try(time.Nanosecond, office(one))
	d.try(time.Microsecond, put(two, "two", `{"excludeLocations":["`+one+`"]}`))
	time.Sleep(time.Millisecond)
	if _, err := d.Due(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all, err := d.s.Documents(t.Context(), store.Location); err != nil || len(all) != 0 || d.text(two) != "" {
		t.Errorf("locations are %v, %v; the policy is %s", all, err, d.text(two))
	}
}

func TestTheNewestGoesFirstThoughTheClockWasPutBack(t *testing.T) {
	dir := t.TempDir()
	d := sit(t, dir)
	d.try(10*time.Minute, office(one))
	if err := d.s.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // in the year 2000
		d := sit(t, dir)
		defer d.s.Close()
		d.try(10*time.Minute, put(two, "two", `{"excludeLocations":["`+one+`"]}`))
		if _, err := d.Due(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if _, err := d.Due(t.Context()); err != nil {
			t.Fatal(err)
		}
		if all, err := d.s.Documents(t.Context(), store.Location); err != nil || len(all) != 0 || d.text(two) != "" {
			t.Errorf("locations are %v, %v; the policy is %s", all, err, d.text(two))
		}
	})
}

func TestWhatSomebodyWasGivenSinceIsNotTakenFromThem(t *testing.T) {
	d := sit(t, t.TempDir())
	defer d.s.Close()
	leela := store.Person{Address: "leela@example.org"}
	d.change(root, func(tx *store.Tx) error { return tx.AddPerson(&leela) })
	plan := store.Document{Kind: store.AuthenticationPolicy, Name: "plan", JSON: json.RawMessage(`{"Name":"plan"}`)}
	d.try(time.Nanosecond, func(tx *store.Tx) error { return tx.PutDocument(&plan) })
	d.change(amy, func(tx *store.Tx) error {
		return tx.PutAssignment(store.Assignment{Scope: store.PersonScope, Subject: leela.ID, Policy: plan.ID})
	})
	if _, err := d.Due(t.Context()); err != nil {
		t.Fatal(err)
	}
	if given, err := d.s.Assignments(t.Context()); err != nil || len(given) != 1 || given[0].Policy != plan.ID {
		t.Errorf("assignments are %v, %v", given, err)
	}
}

// A list of mailboxes that was brought in goes with the switches that it set.
func TestAnImportedListIsTakenBackWithItsSwitches(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := sit(t, dir)
		defer d.s.Close()
		off := false
		p := d.try(time.Minute, func(tx *store.Tx) error {
			cell := "False"
			sheet := store.CASSheet{Name: "boxes.csv", Columns: []string{"ImapEnabled"}}
			return errors.Join(tx.PutSwitch(store.Organization, "", "ImapEnabled", &off), tx.AddCASSheet(&sheet, []store.CASRow{{Mailbox: "line 2", Cells: []*string{&cell}}}))
		})
		time.Sleep(time.Until(p.Until) + time.Millisecond)
		if _, err := d.Due(t.Context()); err != nil {
			t.Fatal(err)
		}
		sheets, err := d.s.CASSheets(t.Context())
		if err != nil || len(sheets) != 0 {
			t.Errorf("%d lists are left, %v", len(sheets), err)
		}
		if set, err := d.s.Switches(t.Context()); err != nil || len(set) != 0 {
			t.Errorf("set are %v, %v", set, err)
		}
	})
}
