package test

import (
	"os"
	"strings"
	"testing"
	"time"
)

// The third step of docs/dovecot.md, with its policy and its commands: report-only
// lets people in and says what would be, enforced it refuses with reason and
// reference, switched off it lets in at once, and switched on again it closes
// the connection of a program that idles.
func TestTheManualsPolicy(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../docs/dovecot.md")
	check(t, err)
	_, retire, found := strings.Cut(string(manual), "cat > retire.json <<'EOF'\n")
	retire, _, ends := strings.Cut(retire, "\nEOF\n")
	if !found || !ends || !strings.Contains(retire, "Retire passwords") {
		t.Fatal("docs/dovecot.md has no retire.json")
	}
	s := hastySite(t, siteOptions{})
	const mary = "mary@example.org"
	file := write(t, t.TempDir(), "retire.json", retire)
	verbose := func() (string, bool) {
		return runProgram(t, t.TempDir(), "", "curl", append(curlArgs(s.door, login{person: mary, secret: password}), "-v", "imaps://localhost:"+portOf(s.IMAPS)+"/")...)
	}

	s.do(t, "policy", "import", file)
	if printed, in := verbose(); !in {
		t.Fatalf("refused by a policy that only reports:\n%s", printed)
	}
	e := s.signIn(t, mary, "PR0")
	if story := s.do(t, "signins", "show", e.Portreeve.Reference); !strings.Contains(story, "reportOnlyFailure") {
		t.Errorf("the story does not say what the policy would do:\n%s", story)
	}

	s.do(t, "policy", "enable", "Retire passwords")
	printed, in := verbose()
	if in || !strings.Contains(printed, "< * NO [ALERT] PR53003 ") || !strings.Contains(printed, "NO [UNAVAILABLE] PR53003 ") {
		t.Errorf("curl -v printed:\n%s", printed)
	}
	ref := reference.FindStringSubmatch(printed)
	if ref == nil {
		t.Fatalf("no reference in\n%s", printed)
	}
	var story string
	for end := time.Now().Add(logWait); time.Now().Before(end) && !strings.Contains(story, "Steps"); time.Sleep(10 * pollTime) {
		story, _ = s.try("signins", "show", ref[1])
	}
	if !strings.Contains(story, "Retire passwords: failure") || strings.Contains(story, "credential ") {
		t.Errorf("the story of %s:\n%s", ref[1], story)
	}
	if e := s.signIn(t, mary, "PR53003"); len(e.Portreeve.Steps) == 0 || e.Portreeve.Steps[len(e.Portreeve.Steps)-1].Name != "preauth" {
		t.Errorf("the password was looked at: %+v", e.Portreeve.Steps)
	}

	s.do(t, "policy", "disable", "Retire passwords")
	if printed, in := verbose(); !in {
		t.Errorf("still refused:\n%s", printed)
	}
	i := s.idle(t, mary)
	said := s.do(t, "policy", "enable", "Retire passwords")
	answered := time.Now()
	if took := i.until("closed", 10*time.Second).Sub(answered); took > closeTime {
		t.Errorf("closed after %v", took)
	}
	if !strings.Contains(said, "1") {
		t.Errorf("`policy enable` does not say how many connections were closed: %s", said)
	}
}
