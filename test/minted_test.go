package test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// Where the door signs in with tokens that it mints, Dovecot takes them by the
// keys that `key export` wrote, for passwords and for tokens of the company's
// issuer alike, over every protocol, and goes on after the keys were rotated. It
// takes no token that a program holds.
func TestMintedTokensLeadIn(t *testing.T) {
	t.Parallel()
	mary := mailtest.Person
	keys := shortDir(t)
	check(t, os.Chmod(keys, 0o755))
	s := startSite(t, siteOptions{Login: tokenLogin, Hasty: true, Floor: "300ms", People: map[string]string{mary: password},
		Dovecot: mailtest.DovecotOptions{TokenKeys: keys}})
	export := func() {
		t.Helper()
		s.do(t, "key", "export", "--dovecot", keys)
		check(t, filepath.WalkDir(keys, func(path string, e os.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				return os.Chmod(path, 0o755)
			}
			return err
		}))
	}
	export()
	bearer := func(token string) string {
		return xoauth2(mary, token)
	}
	all := func(when string) {
		t.Helper()
		for protocol, w := range dialogues {
			k := s.mustKnock(t, protocol, netip.Addr{})
			answer, _, err := k.say(fmt.Sprintf(strings.Replace(w.signIn, "PLAIN", "XOAUTH2", 1), bearer(s.use(s.issuer.token(t, mary)))))
			if err != nil || !in(answer) {
				t.Errorf("%s, %s with a token: %q, %v", when, protocol, answer, err)
			}
			_ = k.Close()
			k = s.mustKnock(t, protocol, netip.Addr{})
			if answer, _, err := k.signIn(mary, password); err != nil || !in(answer) {
				t.Errorf("%s, %s with a password: %q, %v", when, protocol, answer, err)
			}
			_ = k.Close()
		}
	}
	all("at first")
	s.do(t, "key", "rotate")
	export()
	all("after the keys were rotated")
	if strings.Contains(s.dovecot.Log(), "Login aborted") {
		t.Errorf("Dovecot refused a minted token:\n%s", tail(s.dovecot.Log(), 20))
	}

	// The door takes none that it mints itself: they are for the backend.
	k := s.mustKnock(t, "imap", netip.Addr{})
	answer, _, err := k.say("a AUTHENTICATE XOAUTH2 " + bearer(s.issuer.token(t, mary, map[string]any{"iss": "https://localhost", "aud": "main"})))
	if err != nil || in(answer) {
		t.Errorf("a token in the door's own name: %q, %v", answer, err)
	}
	s.signIn(t, mary, "PR1024")

	// Around the gate, the program's own token is none.
	if around := aroundTheDoor(t, s.dovecot, mary, s.issuer.token(t, mary)); strings.Contains(around, "a OK") {
		t.Errorf("Dovecot takes the program's own token:\n%s", around)
	}
}

// aroundTheDoor shows a token to Dovecot itself, and returns all that it says.
func aroundTheDoor(t testing.TB, d *mailtest.Dovecot, person, token string) string {
	t.Helper()
	c, err := from(netip.Addr{}, d.IMAP)
	check(t, err)
	defer c.Close()
	check(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = fmt.Fprintf(c, "a AUTHENTICATE XOAUTH2 %s\r\nb LOGOUT\r\n", xoauth2(person, token))
	check(t, err)
	raw := new(strings.Builder)
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		raw.Write(buf[:n])
		if err != nil {
			return raw.String()
		}
		if strings.Contains(raw.String(), "\r\n+ ") {
			_, _ = c.Write([]byte("\r\n"))
		}
	}
}
