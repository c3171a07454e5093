package test

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// A Dovecot that validates no token itself asks the door (RFC 7662): the tokens
// that the door mints for it are worth something until they run out, and those
// that programs hold are worth nothing there, as are those of another backend.
func TestDovecotAsksTheDoorWhatTokensAreWorth(t *testing.T) {
	t.Parallel()
	const ida = "ida@example.org"
	s := startSite(t, siteOptions{Alone: true, Login: tokenLogin, Hasty: true, Floor: "300ms", People: map[string]string{ida: password},
		Dovecot: mailtest.DovecotOptions{TokenKeys: shortDir(t)}, Door: doorOptions{Portal: true}})
	s.do(t, "user", "add", ida)
	i := &issuing{site: s, person: person{address: ida, password: password}, origin: "https://localhost:" + portOf(s.Public)}
	v := i.visitor(t, i.origin)
	i.phone = v.enrol(i.door, ida)
	program := i.tokens(t, v)

	behind := i.makeClient(t, "main", "--confidential") // named as the backend is
	other := i.makeClient(t, "archive", "--confidential")
	for _, c := range []struct {
		asks secretive
		in   bool
	}{{behind, true}, {other, false}, {secretive{behind.ID, "not-the-Secret"}, false}} {
		i.introspects(t, c.asks)
		for _, protocol := range []string{"imap", "pop3", "sieve"} { // a Postfix goes on with the Dovecot of before its reload
			answer, err := i.shows(t, protocol, ida, program.AccessToken)
			for end := time.Now().Add(reloadTime); (err != nil || in(answer) != c.in) && time.Now().Before(end); time.Sleep(5 * pollTime) {
				answer, err = i.shows(t, protocol, ida, program.AccessToken) // a Dovecot that reloads lets the processes of before answer for a moment
			}
			if err != nil || in(answer) != c.in {
				t.Errorf("%s, asked for by %s: %q, %v\n%s", protocol, c.asks.ID, answer, err, tail(s.dovecot.Log(), 5))
			}
		}
		if around := aroundTheDoor(t, s.dovecot, ida, program.AccessToken); strings.Contains(around, "a OK") {
			t.Errorf("Dovecot takes the program's own token:\n%s", around)
		}
	}
}

// reloadTime is how long a Dovecot may take to forget its old configuration.
const reloadTime = 20 * time.Second

// shows has a program show a token at a door.
func (i *issuing) shows(t testing.TB, protocol, person, token string) (answer string, err error) {
	t.Helper()
	k := i.mustKnock(t, protocol, netip.Addr{})
	defer k.Close()
	answer, _, err = k.say(fmt.Sprintf(strings.Replace(dialogues[protocol].signIn, "PLAIN", "XOAUTH2", 1), xoauth2(person, token)))
	return answer, err
}

// introspects has Dovecot ask as a client about tokens, from now on.
func (i *issuing) introspects(t testing.TB, c secretive) {
	t.Helper()
	at := url.URL{Scheme: "https", User: url.UserPassword(c.ID, c.Secret), Host: strings.TrimPrefix(i.origin, "https://"), Path: "/oauth2/introspect"}
	authority := write(t, i.dovecot.Dir, "door.pem", string(i.authority.PEM()))
	check(t, os.Chmod(authority, 0o644))
	write(t, i.dovecot.Dir, "tokens.conf", fmt.Sprintf("introspection_mode = post\nintrospection_url = %s\ntls_ca_cert_file = %s\nusername_attribute = email\nactive_attribute = active\nactive_value = true\nuse_grant_password = no\n",
		at.String(), authority))
	if out, err := exec.Command("doveadm", "-c", filepath.Join(i.dovecot.Dir, "dovecot.conf"), "reload").CombinedOutput(); err != nil {
		t.Fatalf("doveadm reload: %v\n%s", err, out)
	}
}
