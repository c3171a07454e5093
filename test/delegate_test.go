package test

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// sharedMailbox is a mailbox that nobody signs in to as themselves, and who may
// open it.
func (s *site) sharedMailbox(t testing.TB, right ...string) (delegate, mailbox string) {
	t.Helper()
	delegate, mailbox = newPerson(t), newPerson(t)
	s.do(t, "user", "add", delegate)
	s.do(t, "user", "add", mailbox)
	s.do(t, "user", "disable", mailbox)
	s.do(t, append([]string{"mailbox", "delegate", "add", mailbox, "--to", delegate}, right...)...)
	return delegate, mailbox
}

// as shows a name and a password with an authorization identity.
func (k *knock) as(name, mailbox string) (string, error) {
	response := base64.StdEncoding.EncodeToString([]byte(mailbox + "\x00" + name + "\x00" + password))
	answer, _, err := k.say(fmt.Sprintf(dialogues[k.protocol].signIn, response))
	return answer, err
}

// bearing shows a token of one beside the name of another.
func (k *knock) bearing(name, token string) (string, error) {
	answer, _, err := k.say(fmt.Sprintf(strings.Replace(dialogues[k.protocol].signIn, "PLAIN", "XOAUTH2", 1), xoauth2(name, token)))
	return answer, err
}

// A delegate opens a shared mailbox over every protocol, in each of the ways
// that programs know, and the log names both.
func TestDelegates(t *testing.T) {
	t.Parallel()
	s := shared()
	mary, sales := s.sharedMailbox(t)
	for protocol := range dialogues {
		for way, show := range map[string]func(*knock) (string, error){
			"authorization identity": func(k *knock) (string, error) { return k.as(mary, sales) },
			"backslash":              func(k *knock) (string, error) { a, _, err := k.signIn(mary+`\`+sales, password); return a, err },
			"slash":                  func(k *knock) (string, error) { a, _, err := k.signIn(mary+"/"+sales, password); return a, err },
			"short": func(k *knock) (string, error) {
				a, _, err := k.signIn(mary+`\`+strings.TrimSuffix(sales, "@example.org"), password)
				return a, err
			},
			"token":         func(k *knock) (string, error) { return k.bearing(sales, s.use(s.issuer.token(t, mary))) },
			"token, naming": func(k *knock) (string, error) { return k.bearing(mary+`\`+sales, s.use(s.issuer.token(t, mary))) },
		} {
			k := s.mustKnock(t, protocol, netip.Addr{})
			if answer, err := show(k); err != nil || !in(answer) {
				t.Errorf("%s by %s: %q, %v", protocol, way, answer, err)
			}
			_ = k.Close()
		}
	}
	for _, filter := range []string{"user eq %q", "mailbox eq %q"} {
		who := map[string]string{"user eq %q": mary, "mailbox eq %q": sales}[filter]
		found := s.signIns(t, fmt.Sprintf(filter, who))
		if len(found) < len(dialogues) {
			t.Errorf(filter+": %d sign-ins", who, len(found))
		}
		for _, e := range found {
			if e.UserPrincipalName != mary || e.Portreeve.Mailbox != sales || e.Portreeve.Outcome != "allowed" {
				t.Errorf("the log says %s opened %q: %s", e.UserPrincipalName, e.Portreeve.Mailbox, e.Portreeve.Outcome)
			}
		}
	}
	// What-If imagines both, and says who has no right.
	if out := s.do(t, "whatif", "--user", mary+`\`+sales, "--protocol", "imap"); !strings.Contains(out, mary+" for "+sales) {
		t.Errorf("imagined:\n%s", out)
	}
	if out, err := s.try("whatif", "--user", sales+`\`+mary, "--protocol", "imap"); err == nil || !strings.Contains(out, "may not open") {
		t.Errorf("imagined without a right: %v\n%s", err, out)
	}
	last := s.signIns(t, fmt.Sprintf("mailbox eq %q", sales))[0]
	if story := s.do(t, "signins", "show", last.Portreeve.Reference); !strings.Contains(story, sales+", as a delegate") || !strings.Contains(story, mary) {
		t.Errorf("the story names not both:\n%s", story)
	}
}

const delegateMail = `
import imaplib, smtplib, ssl, sys
host, imap, smtp, ca, user, secret, mailbox = sys.argv[1:]
tls = ssl.create_default_context(cafile=ca)
m = smtplib.SMTP_SSL(host, int(smtp), context=tls)
m.login(user, secret)
m.sendmail(mailbox, [mailbox], 'From: %s\r\nTo: %s\r\nSubject: sent as the mailbox\r\n\r\nhello\r\n' % (mailbox, mailbox))
m.quit()
import time
m = imaplib.IMAP4_SSL(host, int(imap), ssl_context=tls)
m.login(user, secret)
for _ in range(100):
    m.select('INBOX')
    found = m.search(None, 'SUBJECT', '"sent as the mailbox"')[1][0]
    if found:
        break
    time.sleep(0.1)
print('found' if found else 'lost', flush=True)
m.logout()
`

// Python's own libraries send and read as a delegate, through real Postfix and
// Dovecot, which know the mailbox and not the person.
func TestADelegateSendsAndReads(t *testing.T) {
	t.Parallel()
	s := shared()
	mary, sales := s.sharedMailbox(t, "--protocol", "imap,submission")
	out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", delegateMail, "localhost", portOf(s.IMAPS), portOf(s.Submissions), s.CA,
		mary+`\`+sales, password, sales).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "found") {
		t.Fatalf("%v\n%s", err, out)
	}
	if !s.postfix.Logged("sasl_username=" + sales) {
		t.Errorf("Postfix did not hear of %s:\n%s", sales, tail(s.postfix.Log(), 10))
	}
	if strings.Contains(s.postfix.Log(), "sasl_username="+mary) {
		t.Errorf("Postfix was signed in to as %s", mary)
	}
	k := s.mustKnock(t, "pop3", netip.Addr{})
	if answer, err := k.as(mary, sales); err != nil || in(answer) || codeIn(answer) != "PR50126" {
		t.Errorf("over a protocol that the right does not name: %q, %v", answer, err)
	}
}

// What is refused to those who have no right reads alike, and no mail server
// hears of it.
func TestWhoIsNoDelegate(t *testing.T) {
	t.Parallel()
	s := shared()
	mary, sales := s.sharedMailbox(t, "--protocol", "imap")
	other := newPerson(t)
	s.do(t, "user", "add", other)
	for n, c := range []struct {
		what string
		show func(*knock) (string, error)
	}{
		{"no right", func(k *knock) (string, error) { return k.as(other, sales) }},
		{"nobody", func(k *knock) (string, error) { return k.as("nobody-"+other, sales) }},
		{"no mailbox", func(k *knock) (string, error) { return k.as(mary, "nothing-"+sales) }},
		{"the other way round", func(k *knock) (string, error) { return k.as(sales, mary) }},
		{"another's token", func(k *knock) (string, error) { return k.bearing(sales, s.use(s.issuer.token(t, other))) }},
		{"the mailbox's own password, which is disabled", func(k *knock) (string, error) { a, _, err := k.signIn(sales, password); return a, err }},
		{"master user", func(k *knock) (string, error) {
			a, _, err := k.signIn(sales+"*gate", mailtest.MasterPassword)
			return a, err
		}},
		{"a name within a name", func(k *knock) (string, error) {
			a, _, err := k.signIn(mary+`\`+sales+`\`+other, password)
			return a, err
		}},
	} {
		k := s.mustKnock(t, "imap", source(900+n))
		answer, err := c.show(k)
		if err != nil || in(answer) || codeIn(answer) != "PR50126" {
			t.Errorf("%s: %q, %v", c.what, answer, err)
		}
		_ = k.Close()
	}
	if s.dovecot.Logged("Login: user=<" + sales + ">") {
		t.Errorf("Dovecot let somebody in to %s:\n%s", sales, tail(s.dovecot.Log(), 10))
	}
}

// What a delegate has open ends with their right, when it runs out, when they
// are refused by a policy for themselves, when the mailbox's switch is off.
func TestADelegatesSessionEnds(t *testing.T) {
	t.Parallel()
	s := shared()
	for what, end := range map[string]func(mary, sales string){
		"taken back": func(mary, sales string) { s.do(t, "mailbox", "delegate", "remove", sales, "--to", mary) },
		"ran out": func(mary, sales string) {
			s.do(t, "mailbox", "delegate", "add", sales, "--to", mary, "--until", time.Now().Add(4*time.Second).Format(time.RFC3339))
		},
		"without the protocol": func(mary, sales string) {
			s.do(t, "mailbox", "delegate", "add", sales, "--to", mary, "--protocol", "submission")
		},
		"disabled":        func(mary, _ string) { s.do(t, "user", "disable", mary) },
		"mailbox deleted": func(_, sales string) { s.do(t, "user", "delete", sales) },
		"switched off":    func(_, sales string) { s.do(t, "mailbox", "set", sales, "--imap", "off") },
		"password":        func(mary, _ string) { _, _ = s.feed("another-long-word\n", "user", "set", mary, "--password-stdin") },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			mary, sales := s.sharedMailbox(t)
			i := s.idle(t, mary+`\`+sales)
			var open struct {
				Value []struct{ User, Mailbox string }
			}
			if s.read(t, &open, "session", "list", "--user", sales); len(open.Value) != 1 || open.Value[0].User != mary || open.Value[0].Mailbox != sales {
				t.Errorf("open sessions: %+v", open.Value)
			}
			end(mary, sales)
			if what == "ran out" { // the change itself ends what would outlive it; what comes after ends in time
				i.until("closed", 10*time.Second)
				i = s.idle(t, mary+`\`+sales)
			}
			i.until("closed", 20*time.Second)
			k := s.mustKnock(t, "imap", netip.Addr{})
			if answer, err := k.as(mary, sales); err != nil || in(answer) {
				t.Errorf("afterwards: %q, %v", answer, err)
			}
		})
	}
}

// Who copies mail is a delegate of every mailbox, or of a group's, under a name
// of their own; scripts that write mailbox*master go on.
func TestAMasterUserIsADelegate(t *testing.T) {
	t.Parallel()
	const copier, boxed, other, group = "imapsync@example.org", "boxed@example.org", "other@example.org", "boxes"
	s := startSite(t, siteOptions{Login: masterLogin, Hasty: true, Floor: "300ms", People: map[string]string{copier: password, boxed: password, other: password}})
	for _, p := range []string{copier, boxed, other} {
		s.do(t, "user", "add", p)
	}
	s.do(t, "group", "add", group)
	s.do(t, "group", "add-member", group, boxed)
	opens := func(mailbox string) bool {
		t.Helper()
		k := s.mustKnock(t, "imap", netip.Addr{})
		defer k.Close()
		answer, _, err := k.signIn(mailbox+"*imapsync", password)
		check(t, err)
		return in(answer)
	}
	if opens(boxed) {
		t.Error("a master user without a right")
	}
	s.do(t, "mailbox", "delegate", "add", "--group", group, "--to", copier, "--protocol", "imap", "--until", "14d")
	if !opens(boxed) || opens(other) {
		t.Error("a right to a group is not one to its members alone")
	}
	s.do(t, "mailbox", "delegate", "add", "--all", "--to", copier, "--protocol", "imap")
	if !opens(other) {
		t.Error("a right to every mailbox")
	}
	if list := s.do(t, "mailbox", "delegate", "list"); !strings.Contains(list, "every mailbox") || !strings.Contains(list, "group "+group) || !strings.Contains(list, copier) {
		t.Errorf("listed:\n%s", list)
	}
	if e := s.signIns(t, fmt.Sprintf("mailbox eq %q", other))[0]; e.UserPrincipalName != copier {
		t.Errorf("the log says %s", e.UserPrincipalName)
	}
}

// A mail server that takes only people's own passwords lends no mailbox, and is
// not asked to with a password that is not the mailbox's.
func TestADelegateBehindAPasswordLogin(t *testing.T) {
	t.Parallel()
	mary, anna := mailtest.Person, mailtest.Another
	s := startSite(t, siteOptions{Login: passwordLogin, Hasty: true, Floor: "300ms", People: map[string]string{mary: password, anna: password}})
	for _, p := range []string{mary, anna} {
		k := s.mustKnock(t, "imap", netip.Addr{})
		if answer, _, err := k.signIn(p, password); err != nil || !in(answer) {
			t.Fatalf("%s: %q, %v", p, answer, err)
		}
		_ = k.Close()
	}
	s.do(t, "mailbox", "delegate", "add", anna, "--to", mary)
	before := strings.Count(s.dovecot.Log(), "Login: user=<"+anna+">")
	k := s.mustKnock(t, "imap", netip.Addr{})
	answer, err := k.as(mary, anna)
	if err != nil || in(answer) || codeIn(answer) != "PR1031" { // told, since she has signed in from here before
		t.Errorf("told %q, %v", answer, err)
	}
	s.signIn(t, mary, "PR1031")
	if log := s.dovecot.Log(); strings.Count(log, "Login: user=<"+anna+">") != before || strings.Contains(log, "passwd-file("+anna+",127.0.0.1): Password mismatch") {
		t.Errorf("Dovecot was asked:\n%s", tail(log, 10))
	}
}
