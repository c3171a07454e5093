package test

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// readmeBlock is the code block that follows a sentence of the README, so that
// what is tested is what people paste.
func readmeBlock(t testing.TB, after string) string {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	check(t, err)
	_, rest, found := strings.Cut(string(readme), after)
	_, rest, open := strings.Cut(rest, "```")
	_, rest, _ = strings.Cut(rest, "\n")
	block, _, shut := strings.Cut(rest, "```")
	if !found || !open || !shut {
		t.Fatalf("the README has no code block after %q", after)
	}
	return block
}

const everybodyBlocked = `{"displayName": "No passwords", "state": "enabled",
  "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["other"]},
  "grantControls": {"operator": "OR", "builtInControls": ["block"]}}`

// An untouched Dovecot with the six pasted lines of the README reports; the next
// sign-in is in the log. Whatever happens to Portreeve, Dovecot signs people in
// as before, and as fast.
func TestAnUntouchedDovecotReports(t *testing.T) {
	t.Parallel()
	address := mailtest.FreeAddress(t)
	d := startDoor(t, doorOptions{Only: "default_domain: example.org\nobserve: {address: " + address + "}\n"})
	lines := strings.TrimSpace(readmeBlock(t, "Six lines for Dovecot 2.3"))
	if n := strings.Count(lines, "\n") + 1; n != 6 {
		t.Errorf("the README has %d lines for Dovecot, not six:\n%s", n, lines)
	}
	const readmeAddress = "127.0.0.1:8425"
	if !strings.Contains(lines, readmeAddress) || !strings.Contains(readmeBlock(t, "killing Portreeve changes nothing for Dovecot"), readmeAddress) {
		t.Errorf("the README's lines and its configuration do not meet at %s", readmeAddress)
	}
	mary := mailtest.Person
	dovecot := mailtest.StartDovecot(t, mailtest.DovecotOptions{Hasty: true, Users: map[string]string{mary: d.use(password)},
		Extra: strings.ReplaceAll(lines, readmeAddress, address)})
	curlDovecot := func(secret string) (bool, time.Duration) {
		began := time.Now()
		_, in := runProgram(t, t.TempDir(), "", "curl", "-sS", "--max-time", "20", "--ssl-reqd", "--cacert", dovecot.CAFile, "--user", mary+":"+secret,
			"imaps://localhost:"+portOf(dovecot.IMAPS)+"/")
		return in, time.Since(began)
	}

	in, usual := curlDovecot(password)
	if !in {
		t.Fatalf("curl is not let in:\n%s", dovecot.Log())
	}
	e := d.signIn(t, mary, "PR0")
	if !e.Portreeve.Observed || e.Portreeve.Source != "dovecot" || e.Portreeve.Protocol != "imap" || e.Portreeve.Mechanism != "PLAIN" || e.IPAddress != "127.0.0.1" {
		t.Errorf("recorded as %+v from %s", e.Portreeve, e.IPAddress)
	}
	if in, _ = curlDovecot(d.use("never-R1ght")); in {
		t.Fatal("a wrong password is let in")
	}
	if e = d.signIn(t, mary, "PR1040"); !e.Portreeve.Observed {
		t.Errorf("recorded as %+v", e.Portreeve)
	}

	// What policy would have said is told, and nothing more comes of it.
	if out, err := d.feed(everybodyBlocked, "policy", "import", "-"); err != nil {
		t.Fatalf("policy import: %v\n%s", err, out)
	}
	if in, _ = curlDovecot(password); !in {
		t.Error("a policy refused somebody at a server that only reports")
	}
	for end := time.Now().Add(logWait); len(d.signIns(t, "wouldBlock eq true")) == 0; time.Sleep(10 * pollTime) {
		if time.Now().After(end) {
			t.Fatalf("no sign-in says that policy would have refused it: %+v", d.signIns(t, "user:"+mary))
		}
	}

	slow := max(4*usual, 1800*time.Millisecond) // Dovecot itself gives up on a server after 2 s
	_ = d.cmd.Process.Signal(syscall.SIGSTOP)
	if in, took := curlDovecot(password); !in || took > slow {
		t.Errorf("with Portreeve hanging: let in %v after %v, usually %v", in, took, usual)
	}
	_ = d.cmd.Process.Signal(syscall.SIGCONT)
	d.kill()
	if in, took := curlDovecot(password); !in || took > slow {
		t.Errorf("with Portreeve killed: let in %v after %v, usually %v", in, took, usual)
	}
	d.begin(t)
	before := d.observed(t, mary)
	if in, _ := curlDovecot(password); !in {
		t.Error("not let in after a restart")
	}
	for end := time.Now().Add(logWait); d.observed(t, mary) == before; time.Sleep(10 * pollTime) {
		if time.Now().After(end) {
			t.Fatalf("nothing is reported after a restart:\n%s", tail(dovecot.Log(), 5))
		}
	}
}

// observed counts a person's successes, merged repeats too.
func (d *door) observed(t testing.TB, person string) (n int64) {
	for _, e := range d.signIns(t, "user eq \""+person+"\" and outcome eq \"allowed\"") {
		n += e.Portreeve.Count
	}
	return n
}
