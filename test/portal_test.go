package test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

const (
	ownerOfPortal = "amy@example.org"
	strictPolicy  = "A password alone opens nothing"
)

// portalSite is a site of its own: where a password alone opens nothing.
func portalSite(t *testing.T) *site {
	t.Helper()
	s := startSite(t, siteOptions{Login: masterLogin, Hasty: true, Floor: "300ms", People: map[string]string{ownerOfPortal: password}, Door: doorOptions{Portal: true}})
	s.do(t, "user", "add", ownerOfPortal)
	s.do(t, "policy", "new", "--template", "password-alone-opens-nothing")
	s.do(t, "policy", "enable", strictPolicy)
	return s
}

// fetchmailFrom has fetchmail fetch by IMAP from an address of loopback. It
// knows a password and nothing else.
func (d *door) fetchmailFrom(t testing.TB, source, person, secret string) (printed string, fetched bool) {
	t.Helper()
	home := t.TempDir()
	bridge := write(t, home, "bridge.py", fmt.Sprintf(`import socket, sys, threading, os
s = socket.create_connection(("127.0.0.1", %s), 20, (%q, 0))
s.settimeout(60)
def up():
    while True:
        b = os.read(0, 65536)
        if not b:
            s.shutdown(socket.SHUT_WR)
            return
        s.sendall(b)
threading.Thread(target=up, daemon=True).start()
while True:
    b = s.recv(65536)
    if not b:
        break
    try:
        os.write(1, b)
    except BrokenPipeError:
        break
`, portOf(d.IMAPS), source))
	rc := write(t, home, "rc", fmt.Sprintf("poll localhost protocol IMAP port %s plugin \"/usr/bin/python3 %s\" user %q password %q ssl sslcertck sslcertfile %q keep mda \"cat >>%s\"\n",
		portOf(d.IMAPS), bridge, person, secret, d.CA, filepath.Join(home, "mail")))
	printed, ok := runProgram(t, home, "", "fetchmail", "-f", rc, "--pidfile", filepath.Join(home, "pid"), "--nosyslog", "-v")
	return printed, ok || strings.Contains(printed, "normal termination, status 1\n") // no mail that is new
}

// A person who has only a password is given a pass, sets up an app and a passkey
// in a real browser, and signs in by passkey alone; fetchmail is refused,
// approved there, and fetches; elsewhere the same password is refused and asks
// again, and is denied.
func TestAProgramIsApprovedInABrowserWithAPasskey(t *testing.T) {
	t.Parallel()
	s := portalSite(t)
	s.deliver(t, ownerOfPortal, "approved")
	b := s.browser(t)

	pass := s.use(strings.TrimSpace(s.do(t, "pass", "issue", ownerOfPortal)))
	b.open("/")
	b.says("Sign in")
	b.accessible("sign-in")
	b.press("Use a temporary access pass")
	b.fill("#address", ownerOfPortal)
	b.fill("#pass", pass)
	b.accessible("pass")
	b.press("Sign in")
	b.says("Your second factors", "You have none yet")
	b.accessible("security")

	b.press("Set up an app")
	b.says("Scan this picture")
	b.accessible("app")
	seed := s.use(b.content(".secret"))
	code, err := totp.GenerateCode(seed, time.Now())
	check(t, err)
	b.fill("#app-code", code)
	b.press("Finish")
	b.says("The app is set up", "My phone")

	b.press("Add a passkey")
	b.says("The passkey is set up", "My passkey")
	b.press("Make recovery codes")
	b.says("Your recovery codes")
	b.accessible("recovery codes")
	b.press("Sign out")
	b.says("Other ways to sign in")

	b.press("Use a passkey")
	b.says("Your mail", ownerOfPortal)
	b.accessible("overview")

	printed, fetched := s.fetchmailFrom(t, "127.0.0.1", ownerOfPortal, password)
	if fetched {
		t.Fatalf("a password alone fetched mail:\n%s", printed)
	}
	s.signIn(t, ownerOfPortal, "PR50076")
	b.open("/approvals")
	b.says("A program that gives no name (OpenSSL)", "Yes, this is mine")
	b.accessible("approvals")
	b.press("Yes, this is mine")
	b.says("Approved. Let your program try again now.")
	if printed, fetched = s.fetchmailFrom(t, "127.0.0.1", ownerOfPortal, password); !fetched {
		t.Fatalf("fetchmail was approved and does not fetch:\n%s", printed)
	}

	if printed, fetched = s.fetchmailFrom(t, "127.7.0.1", ownerOfPortal, password); fetched {
		t.Fatalf("from another network a password alone fetched mail:\n%s", printed)
	}
	b.open("/approvals")
	b.says("127.7.0.1", "The reference that your program shows")
	b.press("No, this is not me")
	b.says("Stopped.", "change it")
	b.accessible("denied")
	if printed, fetched = s.fetchmailFrom(t, "127.7.0.9", ownerOfPortal, password); fetched {
		t.Fatalf("a denied network fetched mail:\n%s", printed)
	}
	s.signIn(t, ownerOfPortal, "PR1082")
	if printed, fetched = s.fetchmailFrom(t, "127.0.0.1", ownerOfPortal, password); !fetched {
		t.Fatalf("the owner's program fetches no more:\n%s", printed)
	}

	for _, page := range []string{"/", "/signins", "/programs", "/apppasswords", "/security", "/setup", "/nothing"} {
		b.open(page)
		b.accessible(page)
	}
	b.disown(s)
}

// disown says of a sign-in that it was not the person: the window goes.
func (b *chromium) disown(s *site) {
	b.Helper()
	k := s.mustKnock(b, "imap", netip.MustParseAddr("127.8.0.1"))
	answer, _, err := k.signIn(ownerOfPortal, password)
	check(b, err)
	ref := reference.FindStringSubmatch(answer)
	if ref == nil {
		b.Fatalf("no reference in %q", answer)
	}
	s.signIn(b, ownerOfPortal, "PR50076")
	b.open("/r/" + ref[1])
	b.says("The password was right. Your organisation asks for more than a password", "127.8.0.1")
	b.accessible("why")
	b.press("This wasn’t me")
	b.says("It is closed", "127.8.0.0/24", "Your administrators have been told")
	b.accessible("not me")
	if status := s.do(b, "status"); !strings.Contains(status, ref[1]) || !strings.Contains(status, ownerOfPortal) {
		b.Errorf("the status tells nothing of what was disowned:\n%s", status)
	}
}
