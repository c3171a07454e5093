package test

import (
	"strings"
	"testing"
	"time"
)

// Evolution is a graphical program. What it says on the wire, and the words it
// has for a refusal, come from its library Camel. evolutionScript is Camel,
// driven as Evolution's session drives it (src/mail/e-mail-ui-session.c there):
// a refused password is asked for again and its error dropped, every other
// error is shown, and so is an alert. Whom to trust, Evolution asks its user: here
// it is a certificate of the given authority for the given host, and no other.
const evolutionScript = `
import os, sys, time
os.environ.update(GIO_USE_VFS='local', GIO_USE_NETWORK_MONITOR='base', GSETTINGS_BACKEND='memory')
import gi
gi.require_version('Camel', '1.2')
from gi.repository import Camel, Gio, GLib
protocol, security, port, ca, kind, user, secret, name = sys.argv[1:]
authority = Gio.TlsCertificate.new_from_file(ca)
never = Gio.Cancellable()

class Session(Camel.Session):
    def do_authenticate_sync(self, service, mechanism, cancellable):
        service.set_password(secret)
        result = service.authenticate_sync(mechanism, cancellable)
        if result == Camel.AuthenticationResult.REJECTED:
            raise GLib.Error.new_literal(Camel.service_error_quark(), 'asks for the password again', Camel.ServiceError.CANT_AUTHENTICATE)
        return result == Camel.AuthenticationResult.ACCEPTED
    def do_get_oauth2_access_token_sync(self, service, cancellable=None):
        return True, secret, 3600
    def do_trust_prompt(self, service, certificate, errors):
        wrong = certificate.verify(Gio.NetworkAddress.new('localhost', int(port)), authority)
        return Camel.CertTrust.NEVER if wrong else Camel.CertTrust.TEMPORARY
    def do_user_alert(self, service, kind, message):
        print('alert:', message)

home = os.environ['HOME']
Camel.init(home, False)
Camel.provider_init()
session = Session(user_data_dir=home + '/data', user_cache_dir=home + '/cache', online=True)
service = session.add_service('account', protocol, Camel.ProviderType.STORE if protocol == 'imapx' else Camel.ProviderType.TRANSPORT)
settings = service.ref_settings()
for key, value in {'host': 'localhost', 'port': int(port), 'user': user, 'auth-mechanism': 'XOAUTH2' if kind == 'token' else 'PLAIN',
                   'security-method': getattr(Camel.NetworkSecurityMethod, security)}.items():
    settings.set_property(key, value)

def read():
    settings.set_property('filter-inbox', False)
    settings.set_property('send-client-id', name == 'named')
    service.set_online_sync(True, never)
    inbox = service.get_inbox_folder_sync(never)
    inbox.refresh_info_sync(never)
    total = service.get_folder_info_sync('INBOX', Camel.StoreGetFolderInfoFlags(0), never).total
    print('inbox:', total)
    if total > 0:
        print('mail:', inbox.get_message_sync('1', never).get_subject())
    if name == 'named':
        time.sleep(2) # the door makes up its mind meanwhile
        inbox.refresh_info_sync(never)

def send():
    service.connect_sync(never)
    me = Camel.InternetAddress.new()
    me.add('', user)
    letter = Camel.MimeMessage.new()
    letter.set_from(me)
    letter.set_recipients('To', me)
    letter.set_subject('by Evolution')
    letter.set_content(b'hello', 'text/plain')
    service.send_to_sync(letter, me, me, never)
    print('sent')

try:
    read() if protocol == 'imapx' else send()
    service.disconnect_sync(True, never)
except GLib.Error as e:
    print('error:', e.message)
    sys.exit(1)
finally:
    while GLib.MainContext.default().iteration(False): # what was alerted meanwhile
        pass
`

// How Evolution's settings call the ways to TLS.
const (
	evolutionTLS      = "SSL_ON_ALTERNATE_PORT"
	evolutionSTARTTLS = "STARTTLS_ON_STANDARD_PORT"
)

// evolution runs Evolution's code with one account: "imapx" reads, "smtp" sends.
// With name "named" its setting "send client ID" is on.
func evolution(protocol, security string, at func(*door) string, name string) func(testing.TB, *door, login) (string, bool) {
	return func(t testing.TB, d *door, l login) (string, bool) {
		t.Helper()
		kind := "password"
		if l.token {
			kind = "token"
		}
		return runProgram(t, t.TempDir(), evolutionScript, "/usr/bin/python3", "-", protocol, security, portOf(at(d)), d.CA, kind, l.person, l.secret, name)
	}
}

var (
	evolutionReads         = evolution("imapx", evolutionTLS, func(d *door) string { return d.IMAPS }, "")
	evolutionReadsNamed    = evolution("imapx", evolutionTLS, func(d *door) string { return d.IMAPS }, "named")
	evolutionReadsSTARTTLS = evolution("imapx", evolutionSTARTTLS, func(d *door) string { return d.IMAP }, "")
	evolutionSends         = evolution("smtp", evolutionTLS, func(d *door) string { return d.Submissions }, "")
	evolutionSendsSTARTTLS = evolution("smtp", evolutionSTARTTLS, func(d *door) string { return d.Submission }, "")
)

// asksAgain says that Evolution takes a refusal for a wrong password: it asks for
// it again, and shows nothing of what it was told.
func asksAgain(printed string) bool {
	return strings.Contains(printed, "error: asks for the password again\n") && codeIn(printed) == "" && !reference.MatchString(printed)
}

// evolutionDoor is a door of its own before the shared mail server.
func evolutionDoor(t testing.TB, extra string) (d *door, person string) {
	t.Helper()
	s := shared()
	d, person = startDoor(t, doorOptions{Backend: s.endpoints() + "    " + masterLogin, Extra: extra}), newPerson(t)
	d.use(password)
	d.do(t, "user", "add", person)
	s.deliver(t, person, "a letter for Evolution")
	for end := time.Now().Add(programTime); !s.postfix.Logged("to=<" + person + ">, relay=127.0.0.1"); {
		if time.Now().After(end) {
			t.Fatalf("the letter does not arrive:\n%s", tail(s.postfix.Log(), 20))
		}
	}
	return d, person
}

const evolutionFloor = "refusals: {floor: 300ms}\n"

// Evolution reads and sends with a password; refused by policy it tells its user
// our reason and the reference, once as the error and once as an alert. A
// submission's refusal it takes for a wrong password, unless it is told at MAIL.
func TestEvolutionTellsItsUserWhy(t *testing.T) {
	t.Parallel()
	d, person := evolutionDoor(t, "refusals: {floor: 300ms, smtp_refuse_at_mail: true}\n")
	l := login{person: person, secret: password}
	if printed, in := evolutionReads(t, d, l); !in || !strings.Contains(printed, "inbox: 1\nmail: a letter for Evolution\n") {
		t.Errorf("it reads:\n%s", printed)
	}
	if printed, in := evolutionSends(t, d, l); !in || !strings.Contains(printed, "sent\n") {
		t.Errorf("it sends:\n%s", printed)
	}
	if p := shared().postfix; !p.Logged("sasl_username=" + person) {
		t.Errorf("Postfix does not say that %s sent:\n%s", person, tail(p.Log(), 20))
	}
	if printed, in := evolutionReads(t, d, login{person: person, secret: d.use("Wr0ng-in-Evolution")}); in || !asksAgain(printed) {
		t.Errorf("with a wrong password:\n%s", printed)
	}

	d.do(t, "group", "add", blockedGroup)
	d.do(t, "group", "add-member", blockedGroup, person)
	if out, err := d.feed(blockPasswords, "policy", "import", "-"); err != nil {
		t.Fatalf("policy import: %v\n%s", err, out)
	}
	told := func(way, before string, run func(testing.TB, *door, login) (string, bool)) {
		t.Helper()
		printed, in := run(t, d, l)
		ref := reference.FindStringSubmatch(printed)
		if in || ref == nil {
			t.Fatalf("%s: refused by policy it shows:\n%s", way, printed)
		}
		text := "PR53003 Your organisation does not allow this kind of sign-in. Use a program that signs in with a browser, or ask your administrator. https://door.test/r/" + ref[1]
		if !strings.Contains(printed, "error: "+before+text+"\n") {
			t.Errorf("%s: the error is not our text:\n%s", way, printed)
		}
		if story := d.do(t, "signins", "show", ref[1]); !strings.Contains(story, "PR53003") || !strings.Contains(story, person) {
			t.Errorf("%s: `signins show %s` tells of another sign-in:\n%s", way, ref[1], story)
		}
		if strings.Contains(way, "IMAP") && !strings.Contains(printed, "alert: "+text+"\n") {
			t.Errorf("%s: no alert:\n%s", way, printed)
		}
	}
	told("IMAP", "", evolutionReads)
	told("IMAP with STARTTLS", "", evolutionReadsSTARTTLS)
	told("submission", "MAIL FROM command failed: ", evolutionSends)
}

// Where a password alone opens nothing, Evolution asks for it again; it is let
// in by a window that was opened for it, and where there is none by an app
// password, which both of its accounts may use.
func TestEvolutionWhereAPasswordAloneOpensNothing(t *testing.T) {
	t.Parallel()
	d, person := evolutionDoor(t, evolutionFloor)
	d.do(t, "policy", "new", "--template", "password-alone-opens-nothing")
	d.do(t, "policy", "enable", strictPolicy)
	l := login{person: person, secret: password}
	if printed, in := evolutionReads(t, d, l); in || !asksAgain(printed) {
		t.Errorf("with a password alone it reads:\n%s", printed)
	}
	d.do(t, "approval", "allow", d.signIn(t, person, "PR50076").Portreeve.Reference, "--reason", "called from her desk")
	if printed, in := evolutionReads(t, d, l); !in || !strings.Contains(printed, "mail: a letter for Evolution\n") {
		t.Errorf("approved, it reads:\n%s", printed)
	}
	if printed, in := evolutionSends(t, d, l); in || !asksAgain(printed) {
		t.Errorf("approved for reading, it sends:\n%s", printed)
	}
	l.secret = d.appPassword(t, person, "--name", "Evolution")
	if printed, in := evolutionReads(t, d, l); !in || !strings.Contains(printed, "mail: a letter for Evolution\n") {
		t.Errorf("with an app password it reads:\n%s", printed)
	}
	if printed, in := evolutionSends(t, d, l); !in {
		t.Errorf("with an app password it does not send:\n%s", printed)
	}
	if printed, in := evolutionSendsSTARTTLS(t, d, l); !in {
		t.Errorf("with an app password it does not send after STARTTLS:\n%s", printed)
	}
}

// Evolution gives its name only if its user wants it to, and only after sign-in.
// The door knows it by that name, and judges the session once more.
func TestEvolutionByItsName(t *testing.T) {
	t.Parallel()
	d, person := evolutionDoor(t, evolutionFloor)
	if out, err := d.feed(`{"displayName": "No Evolution", "state": "enabled",
  "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}, "portreeve": {"programs": {"include": ["evolution"]}}},
  "grantControls": {"operator": "OR", "builtInControls": ["block"]}}`, "policy", "import", "-"); err != nil {
		t.Fatalf("policy import: %v\n%s", err, out)
	}
	l := login{person: person, secret: password}
	if printed, in := evolutionReads(t, d, l); !in || !strings.Contains(printed, "mail: a letter for Evolution\n") {
		t.Errorf("without a name it reads:\n%s", printed)
	}
	if printed, in := evolutionReadsNamed(t, d, l); in {
		t.Errorf("under its name it reads:\n%s", printed)
	}
	const why = "now that the program is known"
	story := ""
	for end := time.Now().Add(logWait); !strings.Contains(story, why); time.Sleep(10 * pollTime) {
		story = strings.Join(strings.Fields(d.do(t, "signins", "show", d.signIn(t, person, "PR0").Portreeve.Reference)), " ")
		if time.Now().After(end) {
			t.Fatalf("the log does not say that the connection was closed %s:\n%s", why, story)
		}
	}
}
