package test

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// knownPerson is somebody whom the door knows without a sign-in.
func (s *site) knownPerson(t testing.TB) string {
	t.Helper()
	person := newPerson(t)
	s.do(t, "user", "add", person)
	return person
}

// appPassword makes one on the command line and returns its text.
func (d *door) appPassword(t testing.TB, args ...string) string {
	t.Helper()
	text := strings.TrimSpace(d.do(t, append([]string{"apppw", "new"}, args...)...))
	if len(strings.ReplaceAll(text, "-", "")) != 32 || strings.ContainsAny(text, " \n") {
		t.Fatalf("apppw new printed %q", text)
	}
	d.use(text)
	d.use(strings.ReplaceAll(text, "-", ""))
	return text
}

// appPasswordID is the id of a person's only living one.
func (d *door) appPasswordID(t testing.TB, person string) string {
	t.Helper()
	var list struct {
		Value []struct{ ID, State string }
	}
	d.read(t, &list, "apppw", "list", person)
	for _, p := range list.Value {
		if p.State == "active" {
			return p.ID
		}
	}
	t.Fatalf("%s has no living app password", person)
	return ""
}

// swaksFrom sends a mail with swaks from an address of loopback.
func (d *door) swaksFrom(t testing.TB, source, user, secret string, more ...string) (string, bool) {
	args := append([]string{"--server", "localhost", "--port", portOf(d.Submissions), "--local-interface", source, "--tls-on-connect", "--auth", "PLAIN",
		"--auth-user", user, "--auth-password", secret, "--from", user, "--to", user}, more...)
	return runProgram(t, t.TempDir(), "", "swaks", args...)
}

// A printer's send-only password sends its mail from its place with swaks, and
// nothing else: every other use is refused with a code of its own.
func TestAPrinterSendsAndNothingElse(t *testing.T) {
	t.Parallel()
	s := shared()
	printer, other := s.knownPerson(t), s.knownPerson(t)
	secret := s.appPassword(t, "--protocol", "submission", "--send-only", "--cidr", "127.0.0.2/32", "--sender", printer)

	said, ok := s.swaksFrom(t, "127.0.0.2", printer, secret, "--h-Subject", "a scan of "+printer)
	if !ok || !strings.Contains(said, "235 ") {
		t.Fatalf("swaks cannot send:\n%s", said)
	}
	if e := s.signIn(t, printer, "PR0"); e.Portreeve.Credential != "appPassword" || e.IPAddress != "127.0.0.2" {
		t.Errorf("the sign-in is logged as %+v", e)
	}
	if !s.postfix.Logged("sasl_username=" + printer) {
		t.Errorf("Postfix does not say that %s sent:\n%s", printer, tail(s.postfix.Log(), 20))
	}
	typed := strings.ToUpper(strings.ReplaceAll(secret, "-", " "))
	s.use(typed)
	if said, ok := s.swaksFrom(t, "127.0.0.2", printer, typed); !ok {
		t.Errorf("typed in capitals with blanks:\n%s", said)
	}

	refused := func(what, person, code, wire string, said string, ok bool) {
		t.Helper()
		if ok || !strings.Contains(said, wire) {
			t.Errorf("%s: let through %v, told\n%s", what, ok, said)
		}
		s.signIn(t, person, code)
	}
	said, ok = s.swaksFrom(t, "127.0.0.3", printer, secret)
	refused("from elsewhere", printer, "PR1071", "535 5.7.8", said, ok)
	said, ok = s.swaksFrom(t, "127.0.0.2", printer, secret, "--from", other)
	refused("as another sender", printer, "PR1073", "550 5.7.1 PR1073", said, ok)
	said, ok = s.swaksFrom(t, "127.0.0.2", printer, secret, "--h-From", "The Boss <"+other+">")
	refused("as another author", printer, "PR1073", "550 5.7.1 PR1073", said, ok)
	said, ok = s.swaksFrom(t, "127.0.0.2", other, secret, "--from", printer)
	refused("as another person", other, "PR1078", "535 5.7.8", said, ok)
	for _, protocol := range []string{"imap", "pop3", "sieve"} {
		k := s.mustKnock(t, protocol, netip.MustParseAddr("127.0.0.2"))
		answer, _, err := k.signIn(printer, secret)
		check(t, err)
		if in(answer) {
			t.Errorf("over %s it opens a mailbox: %s", protocol, answer)
		}
	}
	s.signIn(t, printer, "PR1070")
	k := s.mustKnock(t, "submission", netip.MustParseAddr("127.0.0.2")) // Go's TLS is not swaks'
	answer, _, err := k.signIn(printer, secret)
	check(t, err)
	refused("by another program", printer, "PR1076", "535 5.7.8", answer, in(answer))
}

// Approved, the other program is let in; what is limited is still limited; and
// revoking closes the connection that is open.
func TestAnAppPasswordIsApprovedLimitedAndRevoked(t *testing.T) {
	t.Parallel()
	s := shared()
	person, other := s.knownPerson(t), newPerson(t)
	here := netip.MustParseAddr("127.0.0.2")
	secret := s.appPassword(t, person, "--name", "a program", "--rate", "2", "--bind", "program")
	if said, ok := s.swaksFrom(t, "127.0.0.2", person, secret); !ok {
		t.Fatalf("swaks cannot send:\n%s", said)
	}
	k := s.mustKnock(t, "submission", here)
	if answer, _, err := k.signIn(person, secret); err != nil || in(answer) {
		t.Fatalf("another program is let in: %q, %v", answer, err)
	}
	shown := s.do(t, "apppw", "show", "a program")
	_, rest, _ := strings.Cut(shown, "apppw approve ")
	command, _, ok := strings.Cut(rest, "`")
	if !ok {
		t.Fatalf("nothing says that it waits for approval:\n%s", shown)
	}
	for _, wrong := range [][]string{{s.appPasswordID(t, person)}, {s.appPasswordID(t, person), "--pending", "0123456789abcdef"}} {
		if out, err := s.feed("", append([]string{"apppw", "approve"}, wrong...)...); err == nil {
			t.Fatalf("approved, though nobody said what: %s", out)
		}
	}
	s.do(t, append([]string{"apppw", "approve"}, strings.Fields(command)...)...)
	k = s.mustKnock(t, "submission", here)
	if answer, _, err := k.signIn(person, secret); err != nil || !in(answer) {
		t.Fatalf("approved, it is answered %q, %v", answer, err)
	}
	for _, c := range []struct{ line, want string }{{"MAIL FROM:<" + person + ">", "250"}, {"RCPT TO:<" + person + ">", "250"}, {"RCPT TO:<" + other + ">", "450 4.7.1 PR1077"},
		{"XCLIENT LOGIN=" + other, "502"}, {"STARTTLS", "503"}, {"AUTH PLAIN AHgAeA==", "503"}, {"DATA", "354"}, {"Subject: x\r\n\r\ntext\r\n.", "250"}} {
		if answer, _, err := k.say(c.line); err != nil || !strings.HasPrefix(answer, c.want) {
			t.Errorf("%q is answered %q, %v; want %s", c.line, answer, err, c.want)
		}
	}
	s.signIn(t, person, "PR1077")

	mail := s.mustKnock(t, "imap", here)
	if answer, _, err := mail.signIn(person, secret); err != nil || !in(answer) {
		t.Fatalf("IMAP is answered %q, %v", answer, err)
	}
	s.do(t, "apppw", "revoke", s.appPasswordID(t, person))
	for name, open := range map[string]*knock{"submission, held to a rate": k, "IMAP": mail} {
		_ = open.SetDeadline(time.Now().Add(10 * time.Second))
		if b, err := open.r.ReadByte(); err == nil {
			t.Errorf("%s: after the revocation comes %q", name, b)
		} else if strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: the connection is still open", name)
		}
	}
	again := s.mustKnock(t, "imap", here)
	if answer, _, err := again.signIn(person, secret); err != nil || in(answer) {
		t.Errorf("revoked, it is answered %q, %v", answer, err)
	}
	s.signIn(t, person, "PR1075")
}

func TestAnAppPasswordExpires(t *testing.T) {
	t.Parallel()
	s := shared()
	person := s.knownPerson(t)
	until := time.Now().Add(3 * time.Second)
	secret := s.appPassword(t, person, "--name", "for a moment", "--expires", until.Format(time.RFC3339Nano))
	time.Sleep(time.Until(until))
	k := s.mustKnock(t, "imap", netip.Addr{})
	if answer, _, err := k.signIn(person, secret); err != nil || in(answer) {
		t.Errorf("expired, it is answered %q, %v", answer, err)
	}
	s.signIn(t, person, "PR1074")
}

// Where the mail server takes the person's own password only, none is made, and
// the setting that says so is named.
func TestAnAppPasswordNeedsAWayIn(t *testing.T) {
	t.Parallel()
	person := newPerson(t)
	d := startDoor(t, doorOptions{Backend: shared().endpoints() + "    " + passwordLogin, Floor: "300ms"})
	d.do(t, "user", "add", person)
	out, err := d.try("apppw", "new", person, "--name", "printer")
	if err == nil || !strings.Contains(out, "backends.main.login") {
		t.Errorf("apppw new says %q, %v", out, err)
	}
}

// The first use has bound the password, and a revocation has been made, when the
// process is killed: both still hold.
func TestBindingsAndRevocationsOutliveAKill(t *testing.T) {
	t.Parallel()
	person := newPerson(t)
	d := startDoor(t, doorOptions{Backend: shared().endpoints() + "    " + masterLogin, Floor: "300ms"})
	d.do(t, "user", "add", person)
	bound, gone := d.appPassword(t, person, "--name", "bound"), d.appPassword(t, person, "--name", "gone")
	k := d.mustKnock(t, "imap", netip.Addr{})
	if answer, _, err := k.signIn(person, bound); err != nil || !in(answer) {
		t.Fatalf("%q, %v", answer, err)
	}
	d.do(t, "apppw", "revoke", "gone")
	d.kill()
	d.begin(t)
	k = d.mustKnock(t, "imap", netip.Addr{})
	if answer, _, err := k.signIn(person, bound); err != nil || !in(answer) {
		t.Errorf("the program it is bound to: %q, %v", answer, err)
	}
	if said, ok := d.swaksFrom(t, "127.0.0.1", person, bound); ok {
		t.Errorf("another program is let in:\n%s", said)
	}
	d.signIn(t, person, "PR1076")
	k = d.mustKnock(t, "imap", netip.Addr{})
	if answer, _, err := k.signIn(person, gone); err != nil || in(answer) {
		t.Errorf("the revoked one: %q, %v", answer, err)
	}
	d.signIn(t, person, "PR1075")
}
