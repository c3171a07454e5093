package test

import (
	"strings"
	"testing"
)

// The audit of the running server names whom a password alone lets in, with a
// witness, and what it says is so over a real connection.
func TestTheAuditNamesWhomAPasswordLetsIn(t *testing.T) {
	t.Parallel()
	const mary = "mary@example.org"
	s := hastySite(t, siteOptions{})
	s.do(t, "user", "add", mary)
	out, err := s.try("audit", "self", "--exit-code")
	if err == nil {
		t.Error("--exit-code ends well though something is open")
	}
	for _, want := range []string{"danger password-only", "A password alone opens the mailbox of 1 person over imap, pop3, sieve and submission, from anywhere.", "no policy is in force",
		"portreeve whatif --user " + mary + " --protocol imap --credential password --ip 203.0.113.1 --country BR"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
	if out := s.do(t, "whatif", "--user", mary, "--protocol", "imap", "--credential", "password", "--ip", "203.0.113.1", "--country", "BR"); !strings.Contains(out, "allowed") {
		t.Errorf("the witness is not let in:\n%s", out)
	}
	if printed, in := goIMAP(t, s.door, login{person: mary, secret: password}); !in {
		t.Errorf("a password does not open the mailbox: %s", printed)
	}
	if status := s.do(t, "status"); !strings.Contains(status, "`portreeve audit self` tells") {
		t.Errorf("status has no badge:\n%s", status)
	}
	if out, err := s.feed(blockEverybody, "policy", "import", "-"); err != nil {
		t.Fatalf("policy import: %v\n%s", err, out)
	}
	if out := s.do(t, "audit", "self"); strings.Contains(out, "password-only") {
		t.Errorf("all is blocked, and it says\n%s", out)
	}
	if status := s.do(t, "status"); strings.Contains(status, " holes") && !strings.Contains(status, "0 holes") {
		t.Errorf("the badge is stale:\n%s", status)
	}
	if printed, in := goIMAP(t, s.door, login{person: mary, secret: password}); in {
		t.Errorf("a password opens the mailbox: %s", printed)
	}
}
