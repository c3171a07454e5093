package test

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Who is cut off loses everything at once, and it is printed, each with its time.
func TestALeaverIsCutOff(t *testing.T) {
	t.Parallel()
	s := shared()
	mary, sales := s.sharedMailbox(t)
	token := s.use(s.issuer.token(t, mary))
	apppw := strings.TrimSpace(lastLine(s.do(t, "apppw", "new", mary, "--name", "Printer", "--protocol", "imap")))
	s.use(apppw)
	idle := []*idler{s.idle(t, mary), s.idle(t, mary+`\`+sales)}
	k := s.mustKnock(t, "imap", netip.Addr{})
	if answer, _, err := k.signIn(mary, apppw); err != nil || !in(answer) {
		t.Fatalf("with the app password: %q, %v", answer, err)
	}
	out := s.do(t, "user", "cut", mary)
	for _, want := range []string{"disabled", "grant", "appPassword", "Printer", "delegation", sales, "session", "imap from 127."} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not printed:\n%s", want, out)
		}
	}
	for l := range strings.SplitSeq(strings.TrimSpace(out), "\n") {
		if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT`).MatchString(l) {
			t.Errorf("printed without its time: %q", l)
		}
	}
	if n := strings.Count(out, "closed imap"); n != 3 {
		t.Errorf("%d sessions are printed:\n%s", n, out)
	}
	for _, i := range idle {
		i.until("closed", 20*time.Second)
	}
	for what, show := range map[string]func(*knock) (string, error){
		"password":     func(k *knock) (string, error) { a, _, err := k.signIn(mary, password); return a, err },
		"app password": func(k *knock) (string, error) { a, _, err := k.signIn(mary, apppw); return a, err },
		"token":        func(k *knock) (string, error) { return k.bearing(mary, token) },
		"delegate":     func(k *knock) (string, error) { return k.as(mary, sales) },
	} {
		k := s.mustKnock(t, "imap", netip.Addr{})
		if answer, err := show(k); err != nil || in(answer) {
			t.Errorf("by %s: %q, %v", what, answer, err)
		}
	}
	if again := s.do(t, "user", "cut", mary); strings.Contains(again, "session") || strings.Contains(again, "appPassword") {
		t.Errorf("cut again:\n%s", again)
	}
	// Enabled again, the password is good; what was taken stays away.
	s.do(t, "user", "enable", mary)
	for what, c := range map[string]struct {
		secret string
		good   bool
	}{"password": {password, true}, "app password": {apppw, false}} {
		k := s.mustKnock(t, "imap", netip.Addr{})
		if answer, _, err := k.signIn(mary, c.secret); err != nil || in(answer) != c.good {
			t.Errorf("enabled again, by %s: %q, %v", what, answer, err)
		}
	}
	k = s.mustKnock(t, "imap", netip.Addr{})
	if answer, err := k.bearing(mary, token); err != nil || in(answer) {
		t.Errorf("enabled again, by the old token: %q, %v", answer, err)
	}
	if audit := s.do(t, "audit", "list"); !strings.Contains(audit, fmt.Sprintf("cut\tperson\t%s", mary)) && !strings.Contains(audit, "cut") {
		t.Errorf("not audited:\n%s", audit)
	}
}

func lastLine(s string) string { return tail(s, 1) }
