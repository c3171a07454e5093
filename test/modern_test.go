package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// modern is a mail server with the door in front of it as the world sees them:
// under names of their own, its pages on the port that everybody knows.
type modern struct {
	*site
	street *street
}

// Its names.
const (
	doorName = "door.example.org"
	mailName = "mail.example.org"
)

// accessLife is how long its access tokens last. Thunderbird takes one for run out
// 30 s early; with a shorter one it refreshes whenever it connects, and of two
// connections at once one then waits for ever (seen with 153.7).
const accessLife, takenForRunOut = 75 * time.Second, 30 * time.Second

// startModern starts one whose people are known at the door.
func startModern(t testing.TB, people ...string) *modern {
	t.Helper()
	all := map[string]string{}
	for _, p := range people {
		all[p] = password
	}
	dovecot := mailtest.StartDovecot(t, mailtest.DovecotOptions{Users: all, Hasty: true})
	s := &site{dovecot: dovecot, postfix: mailtest.StartPostfix(t, mailtest.PostfixOptions{Dovecot: dovecot}), issuer: newIssuer(t)}
	authority, dir := mailtest.NewAuthority(t), shortDir(t)
	cert, key := authority.Issue(t, doorName, mailName, "autoconfig.example.org", "example.org", "localhost")
	imaps, pop3s, submissions, public := mailtest.FreeAddress(t), mailtest.FreeAddress(t), mailtest.FreeAddress(t), mailtest.FreeAddress(t)
	s.door = startDoor(t, doorOptions{Only: fmt.Sprintf(`
public_url: https://%s
hostname: %s
default_domain: example.org
tls: [{certificate: %s, key: %s}]
listeners:
  - {name: imaps, protocol: imap, address: "%s"}
  - {name: pop3s, protocol: pop3, address: "%s"}
  - {name: submissions, protocol: submission, address: "%s"}
public: {address: "%s", authority: "%s"}
backends:
  main:
%s    %s
oauth: {access_token: %s}
refusals: {floor: 300ms}
`, doorName, mailName, write(t, dir, "server.pem", string(cert)), write(t, dir, "server.key", string(key)), imaps, pop3s, submissions, public, filepath.Join(dir, "ca.pem"), s.endpoints(), masterLogin, accessLife)})
	s.IMAPS, s.POP3S, s.Submissions, s.Public, s.authority = imaps, pop3s, submissions, public, authority
	s.CA = filepath.Join(dir, "ca.pem")
	check(t, os.WriteFile(s.CA, authority.PEM(), 0o644))
	for _, a := range []string{imaps, pop3s, submissions, public} {
		for end := time.Now().Add(doorStart); !answers(a); time.Sleep(pollTime) {
			if time.Now().After(end) {
				t.Fatalf("the door did not open:\n%s", s.log())
			}
		}
	}
	s.use(mailtest.MasterPassword)
	s.use(password)
	houses := map[string]string{}
	for _, a := range []string{imaps, pop3s, submissions} {
		houses[net.JoinHostPort(mailName, portOf(a))] = a
	}
	for _, name := range []string{doorName, mailName, "autoconfig.example.org", "example.org"} {
		houses[name+":443"] = public
	}
	m := &modern{s, openStreet(t, houses)}
	t.Cleanup(func() { m.explain(t) })
	for _, p := range people {
		m.do(t, "user", "add", p)
	}
	return m
}

// origin is where its pages are, as the world sees them.
func (m *modern) origin() string { return "https://" + doorName }

// policies are what an administrator has Thunderbird take, as the door says them
// when it is asked with a query.
func (m *modern) policies(t testing.TB, query string) string {
	t.Helper()
	r, err := m.http(t).Get(m.origin() + "/thunderbird-policies.json" + query)
	check(t, err)
	defer r.Body.Close()
	raw, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("policies: %s, %v\n%s", r.Status, err, raw)
	}
	return string(raw)
}

// explain tells, of a test that failed, what the door made of it.
func (m *modern) explain(t testing.TB) {
	if t.Failed() {
		signIns, _ := m.try("signins", "list", "--limit", "0")
		t.Logf("the sign-ins:\n%s\nthe door's log:\n%s", signIns, tail(m.log(), 60))
	}
}
