package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
)

func TestAVersionIsARowOfTheAudit(t *testing.T) {
	s := open(t, t.TempDir())
	texts := []string{`{"a": 1, "b":"<"}`, `{"a":2}`, ""}
	d := Document{Kind: Policy, Name: "p"}
	for _, text := range texts {
		change(t, s, func(tx *Tx) error {
			if text == "" {
				return tx.DeleteDocument(Policy, d.ID)
			}
			d.JSON = json.RawMessage(text)
			return tx.PutDocument(&d)
		})
	}
	all, err := s.History(t.Context(), Policy, d.ID, 10)
	if err != nil || len(all) != len(texts) {
		t.Fatalf("%d versions, %v", len(all), err)
	}
	for i, e := range all {
		version := len(texts) - i
		if e.Version != int64(version) || string(e.After) != texts[version-1] {
			t.Errorf("version %d is %d: %s", version, e.Version, e.After)
		}
	}
	known, err := s.KnownDocument(t.Context(), Policy, "P")
	if err != nil || known.Version != 3 || known.Deleted.IsZero() {
		t.Errorf("%+v, %v", known, err)
	}
	if e, err := s.Edition(t.Context(), Policy, d.ID, 1); err != nil || string(e.After) != texts[0] {
		t.Errorf("%s, %v", e.After, err)
	}
	if _, err := s.Edition(t.Context(), Policy, d.ID, 4); !errors.Is(err, ErrNotFound) {
		t.Errorf("a version that is not there: %v", err)
	}
}

func TestTheAuditSaysByWhichWayAChangeCame(t *testing.T) {
	s := open(t, t.TempDir())
	put := func(ctx context.Context, who Actor, value string) {
		t.Helper()
		if err := s.Change(ctx, who, "", func(tx *Tx) error { return tx.PutSetting("x", value) }); err != nil {
			t.Fatal(err)
		}
	}
	put(t.Context(), Actor{UID: 0, Name: "root"}, "1")
	put(t.Context(), System, "2")
	put(t.Context(), Actor{UID: -1, Name: "leela@example.org"}, "3")
	put(WithOrigin(t.Context(), OriginRevert), System, "4")
	all, err := s.Audits(t.Context(), AuditFilter{})
	if err != nil || len(all) != 4 {
		t.Fatal(all, err)
	}
	for i, want := range []string{OriginRevert, "", OriginSystem, OriginSocket} {
		if all[i].Origin != want {
			t.Errorf("row %d came by %q, want %q", i, all[i].Origin, want)
		}
	}
	if n, err := s.VerifyAudit(t.Context()); n != 0 || err != nil {
		t.Error(n, err)
	}
	if err := s.Write(t.Context(), func(tx *Tx) error { return tx.exec(`UPDATE audit SET origin = '' WHERE n = 4`) }); err != nil {
		t.Fatal(err)
	}
	if n, err := s.VerifyAudit(t.Context()); n != 4 || err != nil {
		t.Errorf("the origin was changed: row %d, %v", n, err)
	}
}

func TestAnAuditFromBeforeThereWasAnOriginIsWhole(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	who := Actor{UID: -1, Name: "leela@example.org"} // whose name says by which way it came
	if err := s.Change(t.Context(), who, "", func(tx *Tx) error { return tx.PutSetting("x", "1") }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`ALTER TABLE audit DROP COLUMN origin`); err != nil {
		t.Fatal(err)
	}
	if n, err := verifyAudit(t.Context(), db); n != 0 || err != nil {
		t.Errorf("row %d does not fit, %v", n, err)
	}
}

func TestAValueHasVersionsAndIsPutBack(t *testing.T) {
	s := open(t, t.TempDir())
	on, off := true, false
	for _, v := range []*bool{&off, &on, nil} {
		change(t, s, func(tx *Tx) error {
			return errors.Join(tx.PutSwitch(Domain, "example.org", "ImapEnabled", v), tx.PutSwitch(Domain, "example.org", "PopEnabled", v))
		})
	}
	v := SwitchValue(Domain, "example.org", "ImapEnabled")
	all, err := s.ValueHistory(t.Context(), v, 10)
	if err != nil || len(all) != 3 || all[0].Version != 3 || string(all[2].After) != "false" {
		t.Fatalf("%+v, %v", all, err)
	}
	for version, want := range map[int64]*bool{1: &off, 2: &on, 0: nil} {
		var e Edition
		if version > 0 {
			if e, err = s.ValueEdition(t.Context(), v, version); err != nil {
				t.Fatal(err)
			}
		}
		change(t, s, func(tx *Tx) error { return tx.RestoreValue(v, &e) })
		set, err := s.SwitchesOf(t.Context(), Domain, "example.org")
		if err != nil || (len(set) == 1) != (want != nil) || want != nil && set[0].Value != *want {
			t.Errorf("version %d: %v, %v", version, set, err)
		}
	}
	if _, err := s.ValueEdition(t.Context(), v, 99); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// What is managed from files is changed by the files, by what takes a change
// back, and by who insists; nobody else.
func TestWhatIsManagedFromFilesIsReadOnly(t *testing.T) {
	s := open(t, t.TempDir())
	ctx, amy := t.Context(), Actor{UID: 1001, Name: "amy"}
	d := Document{Kind: Policy, Name: "p", JSON: json.RawMessage(`{"a":1}`)}
	off := false
	m := Managed{Kind: ValueSwitch, Name: "organization ImapEnabled", Word: "organization/ImapEnabled", File: "switches.yaml", Line: 3}
	err := s.Change(WithOrigin(ctx, OriginFiles), amy, "", func(tx *Tx) error {
		if err := errors.Join(tx.PutDocument(&d), tx.PutSwitch(Organization, "", "ImapEnabled", &off), tx.PutManaged(m)); err != nil {
			return err
		}
		return tx.PutManaged(Managed{Kind: string(Policy), Object: d.ID, Word: "p", File: "a/p.yaml", Line: 1, Commit: "abc"})
	})
	if err != nil {
		t.Fatal(err)
	}
	changes := map[string]func(*Tx) error{
		"put":    func(tx *Tx) error { x := d; x.Version = 0; return tx.PutDocument(&x) },
		"delete": func(tx *Tx) error { return tx.DeleteDocument(Policy, d.ID) },
		"switch": func(tx *Tx) error { return tx.PutSwitch(Organization, "", "ImapEnabled", nil) },
	}
	errLater := errors.New("no")
	for what, do := range changes {
		var managed *ManagedError
		if err := s.Change(ctx, amy, "", do); !errors.As(err, &managed) {
			t.Errorf("%s: %v", what, err)
		}
		for way, ctx := range map[string]context.Context{"override": WithOverride(ctx), "files": WithOrigin(ctx, OriginFiles), "revert": WithOrigin(ctx, OriginRevert)} {
			err := s.Change(ctx, amy, "", func(tx *Tx) error { return errors.Join(do(tx), errLater) })
			if !errors.Is(err, errLater) || errors.As(err, &managed) {
				t.Errorf("%s by %s: %v", what, way, err)
			}
		}
	}
	if err := s.Change(ctx, amy, "", func(tx *Tx) error { return tx.PutSwitch(Organization, "", "PopEnabled", &off) }); err != nil {
		t.Errorf("what is not managed: %v", err)
	}
	change(t, s, func(tx *Tx) error { return tx.Release(string(Policy), d.ID, "") })
	if err := s.Change(ctx, amy, "", changes["put"]); err != nil {
		t.Errorf("released: %v", err)
	}
	if all, err := s.AllManaged(ctx); err != nil || len(all) != 1 || all[0].By != "amy" || all[0].Place() != "switches.yaml:3" {
		t.Errorf("%+v, %v", all, err)
	}
}
