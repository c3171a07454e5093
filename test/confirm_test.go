package test

import (
	"strings"
	"testing"
	"time"
)

const blockEverybody = `{"displayName": "Block everybody", "state": "enabled",
  "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["other"]},
  "grantControls": {"operator": "OR", "builtInControls": ["block"]}}`

// A change that nobody confirms is taken back at its time, though the process
// was killed in between, and whoever came in by it is judged again.
func TestAChangeIsTakenBackOnTimeThoughTheProcessWasKilled(t *testing.T) {
	t.Parallel()
	const mary, within = "mary@example.org", 15 * time.Second // room to be killed, to start and to sign in on a slow machine
	s := hastySite(t, siteOptions{})
	s.do(t, "user", "add", mary)
	if out, err := s.feed(blockEverybody, "policy", "import", "-"); err != nil {
		t.Fatalf("policy import: %v\n%s", err, out)
	}
	refused := func(when string) {
		t.Helper()
		if printed, in := goIMAP(t, s.door, login{person: mary, secret: password}); in {
			t.Errorf("%s: signed in: %s", when, printed)
		}
	}
	refused("before the change")
	began := time.Now()
	s.do(t, "policy", "disable", "Block everybody", "--confirm-within", within.String())
	s.kill()
	s.begin(t)
	if status := s.do(t, "status"); !strings.Contains(status, "Taken back unless confirmed") || !strings.Contains(status, "policy Block everybody") {
		t.Errorf("after the start nothing waits:\n%s", status)
	}
	mine := s.idle(t, mary)
	if took := mine.until("closed", within+30*time.Second).Sub(began); took < within {
		t.Errorf("closed after %v, which is too early", took)
	}
	s.ended(t, mary, notAllowed)
	refused("after it was taken back")
	if history := s.do(t, "policy", "history", "Block everybody"); !strings.Contains(history, "revert") {
		t.Errorf("the history is\n%s", history)
	}

	s.do(t, "policy", "delete", "Block everybody", "--confirm-within", "2s")
	s.kill()
	time.Sleep(2 * time.Second)
	s.begin(t)
	refused("after a start behind the time")
	if status := s.do(t, "status"); strings.Contains(status, "Taken back unless confirmed") {
		t.Errorf("something waits:\n%s", status)
	}
}

// A change stays that an administrator signed in after; one that would keep them
// all out is not made unless it takes itself back.
func TestAnAdministratorsSignInConfirms(t *testing.T) {
	t.Parallel()
	const mary, anna = "mary@example.org", "anna@example.org"
	s := hastySite(t, siteOptions{People: map[string]string{mary: password, anna: password}})
	s.do(t, "user", "add", mary)
	s.do(t, "user", "add", anna)
	s.do(t, "admin", "add", mary)
	signIn := func(who string) string {
		t.Helper()
		if printed, in := goIMAP(t, s.door, login{person: who, secret: password}); !in {
			t.Fatalf("%s cannot sign in: %s", who, printed)
		}
		return s.door.signIn(t, who, "PR0").Portreeve.Reference
	}
	no := func(reference, why string) {
		t.Helper()
		if out, err := s.try("policy", "confirm", reference); err == nil || !strings.Contains(out, why) {
			t.Errorf("confirmed by %s: %v\n%s\nwant %q", reference, err, out, why)
		}
	}
	before := signIn(mary)
	s.do(t, "location", "add", "Office", "--cidr", "192.0.2.0/24", "--confirm-within", "10m")
	no(before, "was made before the change")
	no(signIn(anna), "is not an administrator's")
	if out := s.do(t, "policy", "confirm", signIn(mary)); !strings.HasPrefix(out, "confirmed: ") {
		t.Error(out)
	}
	if list := s.do(t, "admin", "list"); !strings.Contains(list, mary) || strings.Contains(list, anna) {
		t.Error(list)
	}

	out, err := s.feed(blockEverybody, "policy", "import", "-")
	for _, word := range []string{"would keep every administrator out", mary, "PR53003", `"Block everybody"`, "--confirm-within"} {
		if err == nil || !strings.Contains(out, word) {
			t.Fatalf("a change that keeps mary out: %v, without %q\n%s", err, word, out)
		}
	}
	if list := s.do(t, "policy", "list"); strings.Contains(list, "Block everybody") {
		t.Errorf("it was made all the same:\n%s", list)
	}
	if out, err := s.feed(blockEverybody, "policy", "import", "-", "--confirm-within", "10m"); err != nil {
		t.Fatalf("with --confirm-within: %v\n%s", err, out)
	}
	if printed, in := goIMAP(t, s.door, login{person: mary, secret: password}); in {
		t.Errorf("signed in: %s", printed)
	}
	no(s.door.signIn(t, mary, "PR53003").Portreeve.Reference, "was not let in here")
	s.do(t, "policy", "delete", "Block everybody")
	signIn(mary)
}
