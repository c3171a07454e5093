package test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// A backup of a door that is signed in at all the while is whole; it comes back
// only while nothing is served, and what was there is kept.
func TestTheDatabaseIsBackedUpAndRestored(t *testing.T) {
	t.Parallel()
	mary := mailtest.Person
	s := startSite(t, siteOptions{Login: masterLogin, Hasty: true, Floor: "100ms", People: map[string]string{mary: password}})
	s.do(t, "user", "add", mary)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	let := 0 // in
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			k, err := s.knock("imap", source(n%50))
			if err != nil {
				continue
			}
			if answer, _, err := k.signIn(mary, password); err == nil && in(answer) {
				let++
			}
			_ = k.Close()
		}
	})
	file := filepath.Join(t.TempDir(), "backup.db")
	s.do(t, "db", "backup", file)
	if out, err := s.try("db", "backup", file); err == nil || !strings.Contains(out, "is there already") {
		t.Errorf("over another: %v\n%s", err, out)
	}
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi, err)
	}
	for _, args := range [][]string{{"db", "check"}, {"db", "check", file}} {
		if out := s.do(t, args...); strings.Count(out, "good") != 3 || !strings.Contains(out, "people") {
			t.Errorf("%v:\n%s", args, out)
		}
	}
	close(stop)
	if wg.Wait(); let == 0 {
		t.Error("nobody signed in meanwhile")
	}
	if audit := s.do(t, "audit", "list"); !strings.Contains(audit, "backup") {
		t.Errorf("not audited:\n%s", audit)
	}
	s.do(t, "user", "add", "late@example.org")
	if out, err := s.try("db", "restore", file, "--config", s.config); err == nil || !strings.Contains(out, "a server is running") {
		t.Errorf("while it is served: %v\n%s", err, out)
	}

	s.stop(t)
	offline := filepath.Join(t.TempDir(), "offline.db")
	s.do(t, "db", "backup", offline, "--config", s.config)
	if out := s.do(t, "db", "check", "--config", s.config); strings.Count(out, "good") != 3 {
		t.Errorf("without a server:\n%s", out)
	}
	out := s.do(t, "db", "restore", file, "--config", s.config)
	kept, _ := filepath.Glob(filepath.Join(s.State, "portreeve.db.replaced-*"))
	if len(kept) != 1 || !strings.Contains(out, kept[0]) {
		t.Errorf("kept %v:\n%s", kept, out)
	}
	s.begin(t)
	if out, err := s.try("user", "show", "late@example.org"); err == nil {
		t.Errorf("somebody who came after the backup is there:\n%s", out)
	}
	s.do(t, "user", "show", mary)
	k := s.mustKnock(t, "imap", source(60))
	if answer, _, err := k.signIn(mary, password); err != nil || !in(answer) {
		t.Errorf("after it was restored: %q, %v", answer, err)
	}

	// Without its master key a database is not served.
	s.stop(t)
	key := filepath.Join(s.State, "master.key")
	check(t, os.Rename(key, key+".away"))
	if out, err := s.try("serve", "--config", s.config); err == nil || !strings.Contains(out, "another master key") {
		t.Errorf("under another key: %v\n%s", err, out)
	}
	check(t, os.Rename(key+".away", key))
	s.begin(t)
	// Nor twice at once.
	if out, err := s.try("serve", "--config", s.config); err == nil || !strings.Contains(out, "a server is running") {
		t.Errorf("twice: %v\n%s", err, out)
	}
}
