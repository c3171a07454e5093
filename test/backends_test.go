package test

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// others are Cyrus and Exim, with a door in front of them.
type others struct {
	*site
	cyrus *mailtest.Cyrus
	exim  *mailtest.Exim
}

// programs that between them speak every protocol to Cyrus and Exim.
var otherPrograms = []string{"curl-imap", "imaplib", "mbsync", "curl-pop3-starttls", "poplib", "msmtp", "swaks", "smtplib", "sieve-connect", "php-net-sieve"}

func otherPeople() map[string]string {
	all := map[string]string{}
	for n := range 2 * len(otherPrograms) {
		all[otherPerson(n)] = password
	}
	return all
}

func otherPerson(n int) string { return fmt.Sprintf("other%02d@example.org", n) }

// startOthers starts a door before Cyrus and Exim. Cyrus has no PROXY protocol
// and takes nobody's word for the client's address, but logs IMAP's ID; Exim has.
func startOthers(t testing.TB, cyrus *mailtest.Cyrus, exim *mailtest.Exim, login string) *others {
	t.Helper()
	o := &others{site: &site{issuer: newIssuer(t)}, cyrus: cyrus, exim: exim}
	o.door = startDoor(t, doorOptions{Issuer: o.issuer, Floor: "300ms", Backend: fmt.Sprintf(`    imap: {address: %q, tls: none}
    pop3: {address: %q, tls: none}
    sieve: {address: %q, tls: none}
    submission: {address: %q, tls: none, proxy: 2}
    id: true
    %s`, cyrus.IMAP, cyrus.POP3, cyrus.Sieve, exim.SubmissionProxy, login)})
	o.use(password)
	o.use(mailtest.MasterPassword)
	return o
}

// The person is named in SASL's authorization identity: no separator.
const actingLogin = "login: master\n    master: {user: gate, password: m4ster}"

// Cyrus and Exim behind the door, by each person's own password and by a master
// user who names the person as authorization identity.
func TestCyrusAndExim(t *testing.T) {
	t.Parallel()
	cyrus := mailtest.StartCyrus(t, mailtest.CyrusOptions{Users: otherPeople(), Hasty: true})
	exim := mailtest.StartExim(t, mailtest.EximOptions{Users: otherPeople()})
	byPassword, byMaster := startOthers(t, cyrus, exim, passwordLogin), startOthers(t, cyrus, exim, actingLogin)
	t.Run("programs", func(t *testing.T) {
		for n, name := range otherPrograms {
			p := programs[slices.IndexFunc(programs, func(p program) bool { return p.name == name })]
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				byPassword.lmtp(t, otherPerson(2*n))
				byMaster.lmtp(t, otherPerson(2*n+1))
				c := &matrixCase{t: t, site: byPassword.site, program: p, person: otherPerson(2 * n)}
				c.allowed("password allowed", c.password())
				byPassword.do(t, "mailbox", "set", c.person, "--"+p.protocol, "off")
				c.refused("refused by a switch", c.password(), "PR1001", "PR1001")
				byPassword.do(t, "mailbox", "set", c.person, "--"+p.protocol, "inherit")
				c.refused("wrong password", login{person: c.person, secret: byPassword.use("not-Hers.3")}, "PR50126", "PR50126")

				m := &matrixCase{t: t, site: byMaster.site, program: p, person: otherPerson(2*n + 1)}
				m.allowed("password allowed, by master", m.password())
				if p.token != "" {
					m.allowed("token allowed, by master", m.token(byMaster.issuer.token(t, m.person)))
					m.refused("token expired", m.token(byMaster.issuer.expired(t, m.person)), "PR1020", "PR50126")
				}
			})
		}
	})
	for name, o := range map[string]*others{"password": byPassword, "master": byMaster} {
		t.Run(name, func(t *testing.T) {
			o.announces(t)
			o.idles(t, otherPerson(0))
			o.tellsTheAddress(t, otherPerson(0))
			o.staysWhoItIs(t, otherPerson(0), otherPerson(1))
		})
	}
}

// raw is a conversation with a backend itself.
func raw(t testing.TB, address string) *textproto.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	check(t, err)
	check(t, nc.SetDeadline(time.Now().Add(20*time.Second)))
	c := textproto.NewConn(nc)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// announces: what is told before sign-in is the backend's, less what the door
// answers for itself; and IMAP's tagged OK tells what the backend can do.
func (o *others) announces(t *testing.T) {
	ours := regexp.MustCompile(`^(SASL|STLS|USER|IMPLEMENTATION|RESP-CODES|AUTH-RESP-CODE|AUTH|STARTTLS|UNAUTHENTICATE|VERSION|PIPECONNECT|PRDR|mail\.test)\b`)
	less := func(lines []string) string {
		lines = slices.DeleteFunc(lines, func(l string) bool { return ours.MatchString(l) || l == "" })
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	same := func(what, door, backend string) {
		t.Helper()
		if door != backend || door == "" {
			t.Errorf("%s: the door offers\n%s\nand the backend\n%s", what, door, backend)
		}
	}

	c := raw(t, o.exim.Submission)
	_, _, err := c.ReadResponse(220)
	check(t, err)
	check(t, c.PrintfLine("EHLO me.test"))
	_, text, err := c.ReadResponse(250)
	check(t, err)
	k := o.mustKnock(t, "submission", netip.Addr{})
	said, _, err := k.say("EHLO me.test")
	check(t, err)
	if strings.Contains(said, "PIPECONNECT") || strings.Contains(said, "PRDR") {
		t.Errorf("EHLO offers what the door cannot keep: %q", said)
	}
	// Exim greets the client by name in EHLO's first line.
	same("EHLO", less(strings.Split(regexp.MustCompile(`(?m)^250[- ]|\r`).ReplaceAllString(said, ""), "\n")), less(strings.Split(text, "\n")))

	c = raw(t, o.cyrus.POP3)
	_, err = c.ReadLine()
	check(t, err)
	check(t, c.PrintfLine("CAPA"))
	_, err = c.ReadLine()
	check(t, err)
	list, err := c.ReadDotLines()
	check(t, err)
	k = o.mustKnock(t, "pop3", netip.Addr{})
	_, err = k.Write([]byte("CAPA\r\n"))
	check(t, err)
	d := textproto.NewReader(k.r)
	_, err = d.ReadLine()
	check(t, err)
	told, err := d.ReadDotLines()
	check(t, err)
	same("CAPA", less(told), less(list))
	for _, l := range list { // and what is ours besides is true of it, too
		if strings.HasPrefix(l, "RESP-CODES") && !slices.Contains(told, l) {
			t.Errorf("CAPA lacks %s", l)
		}
	}

	k = o.mustKnock(t, "sieve", netip.Addr{})
	door, _, err := k.say("CAPABILITY")
	check(t, err)
	same("Sieve", less(capabilityLines(strings.NewReader(door))), less(capabilityLines(raw(t, o.cyrus.Sieve).R)))

	k = o.mustKnock(t, "imap", netip.Addr{})
	ok, _, err := k.signIn(otherPerson(0), password)
	check(t, err)
	for _, can := range []string{"[CAPABILITY ", " IDLE", " QRESYNC", " X-SIEVE-MAILBOX", " COMPRESS=DEFLATE"} { // Cyrus's, and no other's
		if !in(ok) || !strings.Contains(ok, can) {
			t.Errorf("the tagged OK has no %q: %q", can, ok)
		}
	}
}

// capabilityLines reads ManageSieve's list up to OK, without quotes.
func capabilityLines(r interface{ Read([]byte) (int, error) }) []string {
	var out []string
	for s := bufio.NewScanner(r); s.Scan() && !strings.HasPrefix(s.Text(), "OK"); {
		out = append(out, strings.ReplaceAll(s.Text(), `"`, ""))
	}
	return out
}

// idles: what Cyrus tells an idling program comes through at once.
func (o *others) idles(t *testing.T, person string) {
	t.Helper()
	i := o.idle(t, person)
	o.lmtp(t, person)
	i.until("EXISTS", 10*time.Second)
}

// lmtp puts a mail into somebody's mailbox at Cyrus, which makes the mailbox if
// there is none. (Without one its ManageSieve lets nobody in.)
func (o *others) lmtp(t testing.TB, person string) {
	t.Helper()
	c := raw(t, o.cyrus.LMTP)
	_, _, err := c.ReadResponse(220)
	check(t, err)
	for _, l := range []struct {
		line string
		want int
	}{{"LHLO me.test", 250}, {"MAIL FROM:<sender@example.org>", 250}, {"RCPT TO:<" + person + ">", 250}, {"DATA", 354}, {"Subject: hello\r\n\r\nyou\r\n.", 250}} {
		check(t, c.PrintfLine("%s", l.line))
		if _, text, err := c.ReadResponse(l.want); err != nil {
			t.Fatalf("LMTP, %s: %v %s", l.line, err, text)
		}
	}
}

// tellsTheAddress: Exim logs the client, not the door.
func (o *others) tellsTheAddress(t *testing.T, person string) {
	t.Helper()
	k := o.mustKnock(t, "submission", netip.MustParseAddr("127.7.0.9"))
	if answer, _, err := k.signIn(person, password); err != nil || !in(answer) {
		t.Fatalf("%q, %v", answer, err)
	}
	for _, l := range []string{"MAIL FROM:<" + person + ">", "RCPT TO:<" + person + ">", "DATA", "Subject: from " + t.Name() + "\r\n\r\nhello\r\n."} {
		if answer, _, err := k.say(l); err != nil || answer[0] != '2' && answer[0] != '3' {
			t.Fatalf("%s: %q, %v", l, answer, err)
		}
	}
	want := regexp.MustCompile(`<= ` + regexp.QuoteMeta(person) + ` H=[^\n]*\[127\.7\.0\.9\]:\d+ [^\n]*A=plain:` + regexp.QuoteMeta(person))
	for end := time.Now().Add(logWait); !want.MatchString(o.exim.Log()); time.Sleep(pollTime) {
		if time.Now().After(end) {
			t.Fatalf("Exim did not log the mail as hers and from her address:\n%s", tail(o.exim.Log(), 10))
		}
	}
}

// staysWhoItIs: a signed-in program cannot make the backend forget whom the
// door has let in, and sign somebody else in whom nobody judged. Cyrus takes
// UNAUTHENTICATE; Exim, like Postfix, forgets the sign-in at STARTTLS.
func (o *others) staysWhoItIs(t *testing.T, person, other string) {
	t.Helper()
	k := o.mustKnock(t, "sieve", netip.Addr{})
	if answer, _, err := k.signIn(person, password); err != nil || !in(answer) {
		t.Fatalf("%q, %v", answer, err)
	}
	for _, l := range []string{"UNAUTHENTICATE", "STARTTLS"} {
		if answer, _, err := k.say(l); err != nil || !strings.HasPrefix(answer, "NO") {
			t.Errorf("%s is answered %q, %v", l, answer, err)
		}
	}
	if answer, _, err := k.signIn(other, password); err != nil || in(answer) {
		t.Errorf("a second sign-in is answered %q, %v", answer, err)
	}
	if answer, _, err := k.say("CAPABILITY"); err != nil || !strings.Contains(answer, `"OWNER" "`+person+`"`) {
		t.Errorf("whose session it is: %q, %v", answer, err)
	}
	o.noLateTLS(t, person, other)
}

// noLateTLS: no STARTTLS behind the sign-in at submission, and no second sign-in.
func (s *site) noLateTLS(t *testing.T, person, other string) {
	t.Helper()
	k := s.mustKnock(t, "submission", netip.Addr{})
	if answer, _, err := k.signIn(person, password); err != nil || !in(answer) {
		t.Fatalf("%q, %v", answer, err)
	}
	if answer, _, err := k.say("STARTTLS"); err != nil || !strings.HasPrefix(answer, "5") {
		t.Errorf("STARTTLS is answered %q, %v", answer, err)
	}
	if answer, _, err := k.signIn(other, password); err != nil || !strings.HasPrefix(answer, "5") {
		t.Errorf("a second AUTH is answered %q, %v", answer, err)
	}
}

// The same at Postfix.
func TestNoTLSBehindTheSignIn(t *testing.T) {
	t.Parallel()
	shared().noLateTLS(t, newPerson(t), newPerson(t))
}
