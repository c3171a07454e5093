package test

import (
	"strings"
	"testing"
)

// A program's secret is exchanged while it works: through a kill at once after
// the answer both are good, and once the old one is ended it is good nowhere.
// The audit finds that nothing holds the program's mailbox to a place.
func TestAProgramsSecretIsExchangedWhileItWorks(t *testing.T) {
	t.Parallel()
	w := startOffice(t, doorOptions{}, scannerAccount)
	var c, next secretive
	w.read(t, &c, "client", "add", "Scanner", "--service-account", scannerAccount, "--scope", "imap")
	w.use(c.Secret)
	good := func(when, secret string, want bool) {
		t.Helper()
		if a := w.token(t, []string{"grant_type", "client_credentials", "client_id", c.ID, "client_secret", secret, "scope", "imap"}); a.ok() != want {
			t.Errorf("%s: %v", when, a)
		}
	}
	good("made", c.Secret, true)
	w.read(t, &next, "client", "secret", "Scanner", "--overlap", "1h")
	w.use(next.Secret)
	w.kill()
	w.begin(t)
	good("the old one in the overlap", c.Secret, true)
	good("the new one", next.Secret, true)
	if shown := w.do(t, "client", "show", "Scanner"); !strings.Contains(shown, "Old secret") || strings.Contains(shown, "prclient_") {
		t.Errorf("shown as\n%s", shown)
	}
	w.do(t, "client", "secret", "Scanner", "--end-old")
	good("the old one, ended", c.Secret, false)
	good("the new one", next.Secret, true)
	if out := w.do(t, "audit", "self"); !strings.Contains(out, `The secret of the program "Scanner" opens the mailbox of `+scannerAccount+" over imap, from anywhere.") {
		t.Errorf("the audit says\n%s", out)
	}
}
