package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var amy = Actor{UID: 1000, Name: "amy"}

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func change(t testing.TB, s *Store, do func(*Tx) error) {
	t.Helper()
	if err := s.Change(context.Background(), amy, "test", do); err != nil {
		t.Fatal(err)
	}
}

func TestAnEmptyFolderBecomesADatabaseThatOnlyItsOwnerReads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	s := open(t, dir)
	var mode string
	var sync int
	if err := s.w.conn.QueryRowContext(context.Background(), `SELECT j.journal_mode, s.synchronous FROM pragma_journal_mode j, pragma_synchronous s`).Scan(&mode, &sync); err != nil {
		t.Fatal(err)
	}
	if mode != "wal" || sync != 2 {
		t.Errorf("journal mode %s and synchronous %d, want wal and 2 (FULL)", mode, sync)
	}
	for _, name := range []string{FileName, FileName + "-wal"} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", name, fi.Mode().Perm())
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestADatabaseOfANewerProgramIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Write(context.Background(), func(tx *Tx) error {
		return tx.exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`)
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "9999") {
		t.Errorf("opened, or refused without the version: %v", err)
	}
}

func TestADemoFolderIsNotServedAndAServedOneIsNotTheDemos(t *testing.T) {
	ctx := context.Background()
	demo, real := t.TempDir(), t.TempDir()
	s, err := Open(ctx, Options{Dir: demo, Demo: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	open(t, real).Close()
	for range 2 {
		if _, err := Open(ctx, Options{Dir: demo}); !errors.Is(err, ErrDemo) {
			t.Errorf("a demo folder: %v", err)
		}
		if _, err := Open(ctx, Options{Dir: real, Demo: true}); !errors.Is(err, ErrNoDemo) {
			t.Errorf("a real folder for the demo: %v", err)
		}
	}
	if s, err = Open(ctx, Options{Dir: demo, Demo: true}); err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func TestPeopleAreFoundByIdAddressAndAlias(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	leela := Person{Address: "leela@example.org", DisplayName: "Turanga Leela", SecretKind: SecretArgon2id, Hash: "$argon2id$secret"}
	change(t, s, func(tx *Tx) error {
		if err := tx.AddPerson(&leela); err != nil {
			return err
		}
		return tx.AddAlias(Alias{Address: "captain@example.org", Person: "leela@example.org"})
	})
	for _, key := range []string{leela.ID, "leela@example.org", "captain@example.org"} {
		p, err := s.Person(ctx, key)
		if err != nil || p.ID != leela.ID || p.Hash != "$argon2id$secret" || p.Created.IsZero() {
			t.Errorf("%s: %+v, %v", key, p.ID, err)
		}
	}
	if _, err := s.Person(ctx, "nobody@example.org"); !errors.Is(err, ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	for _, taken := range []string{"leela@example.org", "captain@example.org"} {
		err := s.Change(ctx, amy, "", func(tx *Tx) error { return tx.AddPerson(&Person{Address: taken}) })
		if !errors.Is(err, ErrExists) {
			t.Errorf("a second %s: %v", taken, err)
		}
	}
	stale := leela
	leela.Hash, leela.Disabled = "$argon2id$other", true
	change(t, s, func(tx *Tx) error { return tx.PutPerson(&leela) })
	if err := s.Change(ctx, amy, "", func(tx *Tx) error { return tx.PutPerson(&stale) }); !errors.Is(err, ErrConflict) {
		t.Errorf("a change of an old version: %v", err)
	}
	if s := fmt.Sprintf("%v %+v %s %q", leela, leela, leela.Hash, leela.Hash); strings.Contains(s, "argon2id$") {
		t.Errorf("a hash was printed: %s", s)
	}
	audits, err := s.Audits(ctx, AuditFilter{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := json.Marshal(audits)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(all), "$argon2id") || !strings.Contains(string(all), `"secretChanged":true`) {
		t.Errorf("the audit holds a hash, or not that it changed: %s", all)
	}
	change(t, s, func(tx *Tx) error { return tx.DeletePerson(leela.ID) })
	if aliases, err := s.Aliases(ctx); err != nil || len(aliases) != 0 {
		t.Errorf("aliases of a deleted person: %v, %v", aliases, err)
	}
}

func TestGroupsNestAndARingIsNoHarm(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	p := Person{Address: "fry@example.org"}
	crew, staff, all := Group{Name: "crew"}, Group{Name: "staff"}, Group{Name: "everyone"}
	change(t, s, func(tx *Tx) error {
		err := errors.Join(tx.AddPerson(&p), tx.AddGroup(&crew), tx.AddGroup(&staff), tx.AddGroup(&all))
		return errors.Join(err,
			tx.AddMember(Member{Group: "CREW", Member: "fry@example.org"}),
			tx.AddMember(Member{Group: "staff", IsGroup: true, Member: "crew"}),
			tx.AddMember(Member{Group: "everyone", IsGroup: true, Member: "staff"}),
			tx.AddMember(Member{Group: "crew", IsGroup: true, Member: "everyone"}))
	})
	want := []string{crew.ID, staff.ID, all.ID}
	slices.Sort(want)
	if got, err := s.GroupsOf(ctx, p.ID); err != nil || !slices.Equal(got, want) {
		t.Errorf("groups %v, want %v (%v)", got, want, err)
	}
	if err := s.Change(ctx, amy, "", func(tx *Tx) error { return tx.AddGroup(&Group{Name: "Crew"}) }); !errors.Is(err, ErrExists) {
		t.Errorf("a second group Crew: %v", err)
	}
	change(t, s, func(tx *Tx) error { return tx.DeleteGroup("staff") })
	if got, err := s.GroupsOf(ctx, p.ID); err != nil || !slices.Equal(got, []string{crew.ID}) {
		t.Errorf("groups %v after staff was deleted (%v)", got, err)
	}
	if err := s.Change(ctx, amy, "", func(tx *Tx) error { return tx.DeleteMember(Member{Group: "crew", Member: "zoidberg"}) }); !errors.Is(err, ErrNotFound) {
		t.Errorf("taking out nobody: %v", err)
	}
}

func TestDocumentsKeepTheirBytesTheirOrderAndTheirVersions(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	raw := json.RawMessage("{ \"b\":1,\n\t\"a\": 1.0, \"x\":null}")
	one := Document{Kind: Policy, Name: "Block legacy", State: "enabled", JSON: raw}
	two := Document{Kind: Policy, Name: "Other", JSON: raw}
	change(t, s, func(tx *Tx) error { return errors.Join(tx.PutDocument(&one), tx.PutDocument(&two)) })
	got, err := s.Policies(ctx)
	if err != nil || len(got) != 2 || got[0].Name != "Block legacy" || string(got[0].JSON) != string(raw) || got[0].Version != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	one.State, one.Version = "disabled", 1
	change(t, s, func(tx *Tx) error { return tx.PutDocument(&one) })
	old := one
	old.Version = 1
	if err := s.Change(ctx, amy, "", func(tx *Tx) error { return tx.PutDocument(&old) }); !errors.Is(err, ErrConflict) {
		t.Errorf("an old version: %v", err)
	}
	same := Document{Kind: Policy, Name: "block LEGACY", JSON: raw}
	if err := s.Change(ctx, amy, "", func(tx *Tx) error { return tx.PutDocument(&same) }); !errors.Is(err, ErrExists) {
		t.Errorf("a second name: %v", err)
	}
	if d, err := s.Document(ctx, Policy, "BLOCK legacy"); err != nil || d.ID != one.ID || d.Version != 2 || d.Position != 1 {
		t.Errorf("by name: %+v, %v", d, err)
	}
	if _, err := s.Document(ctx, Location, one.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("a policy among locations: %v", err)
	}
	change(t, s, func(tx *Tx) error { return tx.DeleteDocument(Policy, "block legacy") })
	change(t, s, func(tx *Tx) error { return tx.PutDocument(&same) }) // the name is free again
	if gone, err := s.DeletedDocuments(ctx, Policy); err != nil || len(gone) != 1 || gone[0].ID != one.ID || gone[0].Deleted.IsZero() {
		t.Errorf("deleted: %+v, %v", gone, err)
	}
}

func TestASwitchThatIsTakenAwayInheritsAgain(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	yes, no := true, false
	for _, step := range []struct {
		value *bool
		rows  int
	}{{&no, 1}, {&no, 1}, {&yes, 1}, {nil, 0}, {nil, 0}} {
		change(t, s, func(tx *Tx) error { return tx.PutSwitch(Mailbox, "p1", "ImapEnabled", step.value) })
		got, err := s.Switches(ctx)
		if err != nil || len(got) != step.rows || step.rows == 1 && got[0].Value != *step.value {
			t.Errorf("after %v: %+v, %v", step.value, got, err)
		}
	}
	if audits, err := s.Audits(ctx, AuditFilter{Kind: "switch"}); err != nil || len(audits) != 3 {
		t.Errorf("%d audit rows for three changes (%v)", len(audits), err)
	}
}

func TestAuthenticationPoliciesAreAssignedAndLoseTheirAssignmentsWithThemselves(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	d := Document{Kind: AuthenticationPolicy, Name: "No basic", JSON: json.RawMessage(`{}`)}
	change(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutDocument(&d), tx.PutAssignment(Assignment{Scope: Organization, Policy: "no basic"}),
			tx.PutAssignment(Assignment{Scope: PersonScope, Subject: "p1", Policy: d.ID}))
	})
	if got, err := s.Assignments(ctx); err != nil || len(got) != 2 || got[0].Policy != d.ID {
		t.Errorf("%+v, %v", got, err)
	}
	change(t, s, func(tx *Tx) error { return tx.DeleteDocument(AuthenticationPolicy, d.ID) })
	if got, err := s.Assignments(ctx); err != nil || len(got) != 0 {
		t.Errorf("after the policy was deleted: %+v, %v", got, err)
	}
}

func TestCASSheetsComeBackCellByCell(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	empty, word := "", "True"
	sheet := CASSheet{Name: "export.csv", Format: json.RawMessage(`{"delimiter":";"}`), Columns: []string{"Identity", "ImapEnabled"}}
	rows := []CASRow{{"p2", []*string{&word, nil}}, {"p1", []*string{&empty, &word}}}
	change(t, s, func(tx *Tx) error { return tx.AddCASSheet(&sheet, rows) })
	got, err := s.CASRows(ctx, sheet.ID)
	if err != nil || len(got) != 2 || got[0].Mailbox != "p2" || got[0].Cells[1] != nil || got[1].Cells[0] == nil || *got[1].Cells[0] != "" {
		t.Errorf("%+v, %v", got, err)
	}
	sheets, err := s.CASSheets(ctx)
	if err != nil || len(sheets) != 1 || string(sheets[0].Format) != `{"delimiter":";"}` || len(sheets[0].Columns) != 2 {
		t.Errorf("%+v, %v", sheets, err)
	}
	change(t, s, func(tx *Tx) error { return tx.DeleteCASSheet(sheet.ID) })
	if got, err := s.CASRows(ctx, sheet.ID); err != nil || len(got) != 0 {
		t.Errorf("rows of a forgotten list: %d, %v", len(got), err)
	}
}

func TestChangesAreWholeAuditedAndTold(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	told, end := s.Subscribe()
	boom := errors.New("boom")
	err := s.Change(ctx, amy, "half", func(tx *Tx) error {
		if err := tx.AddGroup(&Group{Name: "half"}); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if err := s.Change(ctx, amy, "worse", func(*Tx) error { panic("at the disco") }); err == nil || !strings.Contains(err.Error(), "disco") {
		t.Fatalf("a panic became %v", err)
	}
	if g, err := s.Groups(ctx); err != nil || len(g) != 0 {
		t.Errorf("half a change was kept: %v, %v", g, err)
	}
	if a, err := s.Audits(ctx, AuditFilter{}); err != nil || len(a) != 0 {
		t.Errorf("half a change was audited: %v, %v", a, err)
	}
	select {
	case c := <-told:
		t.Errorf("half a change was told: %+v", c)
	default:
	}
	p := Person{Address: "bender@example.org"}
	change(t, s, func(tx *Tx) error { return tx.AddPerson(&p) })
	change(t, s, func(tx *Tx) error { return tx.Revoke(Revocation{Grant: "g1", Person: "other"}) })
	c := <-told // both, merged, since nobody took the first
	if want := []string{p.ID, "other"}; c.Families != People|Revocations || len(c.People) != 2 || !slices.Contains(c.People, want[0]) || !slices.Contains(c.People, want[1]) {
		t.Errorf("told %+v", c)
	}
	a, err := s.Audits(ctx, AuditFilter{Object: p.ID})
	if err != nil || len(a) != 1 || a[0].Actor != amy || a[0].Reason != "test" || a[0].Action != "create" || a[0].Before != nil || a[0].After == nil {
		t.Errorf("audit %+v, %v", a, err)
	}
	end()
	if _, open := <-told; open {
		t.Error("the channel is open after its end")
	}
	if err := s.Write(ctx, func(tx *Tx) error { return tx.AddGroup(&Group{Name: "sneaky"}) }); err == nil {
		t.Error("a change without an audit row passed")
	}
}

func TestTheAuditsChainTellsWhatWasTamperedWith(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	for i := range 5 {
		change(t, s, func(tx *Tx) error { return tx.PutSetting("mfaAlsoAccepts", fmt.Sprint(i)) })
	}
	if n, err := s.VerifyAudit(ctx); err != nil || n != 0 {
		t.Fatalf("an untouched audit fails at %d (%v)", n, err)
	}
	for _, tamper := range []string{`UPDATE audit SET reason = 'nothing to see' WHERE n = 3`, `DELETE FROM audit WHERE n = 2`} {
		if err := s.Write(ctx, func(tx *Tx) error { return tx.exec(tamper) }); err != nil {
			t.Fatal(err)
		}
		if n, err := s.VerifyAudit(ctx); err != nil || n != 3 {
			t.Errorf("after %s the first bad row is %d (%v), want 3", tamper, n, err)
		}
	}
}

func TestASnapshotIsKeptOnceAndAgainOnlyWhenItDiffers(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	for i, step := range []struct {
		source string
		want   uint64
	}{{"a", 1}, {"a", 1}, {"b", 2}, {"a", 3}} {
		if v, err := s.SaveSnapshot(ctx, []byte(step.source)); err != nil || v != step.want {
			t.Errorf("step %d: version %d, %v", i, v, err)
		}
	}
	if snap, err := s.Snapshot(ctx, 2); err != nil || string(snap.Source) != "b" {
		t.Errorf("%+v, %v", snap, err)
	}
}

func TestALockedDatabaseIsWaitedForByChangesAndSaidByWrites(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := open(t, dir)
	other, err := openPool(filepath.Join(dir, FileName), time.Second, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	lock, err := other.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(ctx, func(tx *Tx) error { return tx.setMeta("x", "y") }); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a write into a locked database: %v", err)
	}
	time.AfterFunc(500*time.Millisecond, func() { _ = lock.Rollback() })
	change(t, s, func(tx *Tx) error { return tx.PutSetting("patient", "yes") })
	if v, err := s.Setting(ctx, "patient"); err != nil || v != "yes" {
		t.Errorf("%q, %v", v, err)
	}
}

func TestAWriteWhoseCallerLeftIsNotBegun(t *testing.T) {
	s := open(t, t.TempDir())
	block, begun := make(chan struct{}), make(chan struct{})
	go s.Write(context.Background(), func(*Tx) error { close(begun); <-block; return nil })
	<-begun
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error)
	go func() {
		ran <- s.Write(ctx, func(tx *Tx) error { return tx.setMeta("late", "yes") })
	}()
	time.Sleep(10 * time.Millisecond)
	cancel()
	if err := <-ran; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller heard %v", err)
	}
	close(block)
	if err := s.Write(context.Background(), func(*Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.meta(context.Background(), "late"); !errors.Is(err, ErrNotFound) {
		t.Errorf("it was written all the same: %v", err)
	}
}

// A database that was put back by hand with the mode of anybody's files is
// nobody else's to read once it is open.
func TestTheDatabaseIsNotEverybodysToRead(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, FileName)
	for _, mode := range []struct{ was, is os.FileMode }{{0o644, 0o640}, {0o666, 0o660}, {0o640, 0o640}, {0o600, 0o600}} {
		if err := os.Chmod(path, mode.was); err != nil {
			t.Fatal(err)
		}
		if s, err = Open(t.Context(), Options{Dir: dir}); err != nil {
			t.Fatal(err)
		}
		for _, beside := range []string{"", "-wal", "-shm"} {
			if fi, err := os.Stat(path + beside); err != nil || fi.Mode().Perm() != mode.is {
				t.Errorf("%v became %v (%v) of %q", mode.was, fi.Mode(), err, beside)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
