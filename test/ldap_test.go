package test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// How soon what is changed in a directory must hold at the door.
const (
	disabledWithin = 30 * time.Second
	passwordWithin = 60 * time.Second
)

// ldapSite is a site whose people and passwords are slapd's; the mail server
// knows neither.
type ldapSite struct {
	*site
	slapd *mailtest.Slapd
}

func ldapPerson(n int) (uid, address string) {
	uid = fmt.Sprintf("ldap%d", n)
	return uid, uid + "@example.org"
}

func startLDAPSite(t *testing.T) *ldapSite {
	t.Helper()
	ldif, mailboxes := "", map[string]string{}
	for n := range 10 {
		uid, address := ldapPerson(n)
		ldif += mailtest.LDIFPerson(uid, "Person "+uid, password, address)
		mailboxes[address] = "the mail server's own"
	}
	uid, _ := ldapPerson(9)
	ldif += mailtest.LDIFGroup("leaving", mailtest.PersonDN(uid)) + mailtest.LDIFGroup("restricted", "cn=leaving,ou=groups,"+mailtest.SlapdBase)
	x := &ldapSite{slapd: mailtest.StartSlapd(t, mailtest.SlapdOptions{LDIF: ldif})}
	x.site = startSite(t, siteOptions{Login: masterLogin, Hasty: true, Floor: "300ms", People: mailboxes, Door: doorOptions{Extra: fmt.Sprintf(`directories:
  - {kind: local}
  - kind: ldap
    name: corp
    urls: [%q]
    ca: %s
    bind_dn: %s
    bind_password: %q
    base: ou=people,%s
    groups: {base: "ou=groups,%[5]s"}
    domains: [example.org]
    guess_window: 0s
`, x.slapd.TLSURL, x.slapd.CAFile, mailtest.SlapdReader, mailtest.SlapdReaderSecret, mailtest.SlapdBase)}})
	x.use(password)
	x.use(mailtest.SlapdReaderSecret)
	return x
}

// A directory's people at the real door: what is changed there reaches those
// who sign in and those who are signed in.
func TestADirectorysChangesReachTheDoor(t *testing.T) {
	t.Parallel()
	x := startLDAPSite(t)
	if out, err := x.feed(strings.Replace(blockPasswords, blockedGroup, "restricted", 1), "policy", "import", "-"); err != nil {
		t.Fatalf("policy import: %v\n%s", err, out)
	}
	_, bystander := ldapPerson(0)
	other := x.idle(t, bystander)
	t.Run("changes", func(t *testing.T) { changesInSlapd(t, x) })
	x.deliver(t, bystander, "undisturbed")
	other.until("EXISTS", 10*time.Second)
}

func changesInSlapd(t *testing.T, x *ldapSite) {
	for n, c := range []struct {
		what   string
		ldif   string // %s is the person's place
		within time.Duration
		code   string // of the next sign-in with the old password
		reason string
	}{
		{"disabled", "dn: %s\nchangetype: modify\nadd: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n", disabledWithin, "PR50057", "a grant was revoked"},
		{"gone", "dn: %s\nchangetype: delete\n", disabledWithin, "PR50057", "a grant was revoked"},
		{"put into a group within a group", "dn: cn=leaving,ou=groups," + mailtest.SlapdBase + "\nchangetype: modify\nadd: member\nmember: %s\n", disabledWithin, "PR53003", notAllowed},
		{"password changed", "dn: %s\nchangetype: modify\nreplace: userPassword\nuserPassword: another-Pa55word\n", passwordWithin, "PR50126", "the password was changed"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			uid, who := ldapPerson(n + 1)
			mine := x.idle(t, who)
			x.deliver(t, who, "still here")
			mine.until("EXISTS", 10*time.Second)
			began := time.Now()
			x.slapd.Modify(t, fmt.Sprintf(c.ldif, mailtest.PersonDN(uid)))
			closed := mine.until("closed", c.within)
			t.Logf("closed after %v", closed.Sub(began).Round(time.Millisecond))
			if printed, in := goIMAP(t, x.door, login{person: who, secret: password}); in {
				t.Errorf("let in after it: %s", printed)
			}
			x.signIn(t, who, c.code)
			if c.what == "password changed" {
				if printed, in := goIMAP(t, x.door, login{person: who, secret: x.use("another-Pa55word")}); !in || time.Since(began) > passwordWithin {
					t.Errorf("the new password, after %v: %s", time.Since(began), printed)
				}
			}
			x.ended(t, who, c.reason)
		})
	}
}

func TestADirectoryOnTheCommandLine(t *testing.T) {
	t.Parallel()
	x := startLDAPSite(t)
	_, who := ldapPerson(0)
	if printed, in := goIMAP(t, x.door, login{person: who, secret: password}); !in {
		t.Fatal(printed)
	}
	if list := x.do(t, "directory", "list"); !strings.Contains(list, "corp\tldap\t10\t2\texample.org") || !strings.Contains(list, "local\tlocal\t0") {
		t.Errorf("directory list:\n%s", list)
	}
	out, err := x.feed(password+"\n", "directory", "test", "corp", "--user", who, "--password-stdin")
	for _, want := range []string{"reachable", "TLS 1.3", mailtest.SlapdReader, "10 below", mailtest.PersonDN("ldap0"), "mail", "lock-out", "at 5 wrong passwords", "right"} {
		if !strings.Contains(out, want) {
			t.Errorf("directory test does not say %q", want)
		}
	}
	if err != nil || t.Failed() {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := x.feed("wrong one\n", "directory", "test", "--user", who, "--password-stdin"); err == nil || !strings.Contains(out, "WRONG") {
		t.Errorf("a wrong password: %v\n%s", err, out)
	}
	if out, err := x.try("directory", "test", "--user", "nobody@example.org"); err == nil || !strings.Contains(out, "nobody has this address") {
		t.Errorf("nobody: %v\n%s", err, out)
	}
	if out := x.do(t, "user", "show", who); !strings.Contains(out, "checked by the directory corp") {
		t.Errorf("user show:\n%s", out)
	}
	if out, err := x.feed("new word\n", "user", "set", who, "--password-stdin"); err == nil || !strings.Contains(out, "change them there") {
		t.Errorf("a password set here: %v\n%s", err, out)
	}

	// Away: nobody is told that their password is wrong.
	_, another := ldapPerson(1)
	x.slapd.Stop()
	if printed, in := goIMAP(t, x.door, login{person: another, secret: password}); in || strings.Contains(printed, "AUTHENTICATIONFAILED") {
		t.Errorf("with the directory away: %s", printed)
	}
	x.signIn(t, another, "PR1014")
	if list := x.do(t, "directory", "list"); !strings.Contains(list, "corp") {
		t.Errorf("directory list:\n%s", list)
	}
	x.slapd.Start(t)
	for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		printed, in := goIMAP(t, x.door, login{person: another, secret: password})
		if in {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the directory is back: %s", printed)
		}
	}
}

// guessesAtTheDoor is how many are made: ten thousand take a while.
func guessesAtTheDoor() int {
	if long() {
		return 10_000
	}
	return 400
}

// Guessers from many networks, several at a time, never bring the directory to
// lock anybody out, nor the owner to be refused.
func TestGuessesAtTheDoorLockNobodyOutThere(t *testing.T) {
	t.Parallel()
	x := startLDAPSite(t)
	uid, who := ldapPerson(0)
	if printed, in := goIMAP(t, x.door, login{person: who, secret: password}); !in {
		t.Fatal(printed)
	}
	var next atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for n := int(next.Add(1)); n <= guessesAtTheDoor(); n = int(next.Add(1)) {
				if reply := x.guess(t, net.IPv4(127, byte(20+n%100), byte(n/100), 1), who, fmt.Sprintf("guess-%d", n)); strings.HasPrefix(reply, "a OK") {
					t.Errorf("guess %d: %s", n, reply)
				}
			}
		})
	}
	all.Wait()
	said := x.slapd.Read(t, mailtest.PersonDN(uid))
	if n := strings.Count(said, "pwdFailureTime:"); strings.Contains(said, "pwdAccountLockedTime") || n >= mailtest.SlapdMaxFailure || n == 0 {
		t.Errorf("after %d guesses slapd counts %d wrong binds:\n%s", guessesAtTheDoor(), n, said)
	}
	if printed, in := goIMAP(t, x.door, login{person: who, secret: password}); !in {
		t.Errorf("the owner: %s", printed)
	}
}

// guess signs in by IMAP from an address of loopback and gives the last line of
// the answer.
func (x *ldapSite) guess(t *testing.T, from net.IP, who, secret string) string {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: 20 * time.Second}
	c, err := tls.DialWithDialer(dialer, "tcp", x.IMAPS, x.tls())
	if err != nil {
		t.Errorf("from %v: %v", from, err)
		return ""
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(c, "a LOGIN %s %s\r\n", who, secret)
	for r := bufio.NewScanner(c); r.Scan(); {
		if strings.HasPrefix(r.Text(), "a ") {
			return r.Text()
		}
	}
	t.Errorf("no answer to a guess")
	return ""
}
