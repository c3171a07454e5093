package test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

const (
	holder = "hermes@example.org"   // of an app, a passkey and recovery codes
	plain  = "scruffy@example.org"  // has a password and nothing else
	routed = "bob@corp.example"     // signs in at a provider
	newer  = "seven-purple-Elevat0" // a password
)

// pagesNeedTwo is a policy: a page needs a second factor.
const pagesNeedTwo = `[{"displayName": "Pages need a second factor", "state": "enabled",
  "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["browser"]},
  "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}}]`

// localSite is a door whose people have their passwords in it: their mail
// server is never asked for anything, and those of corp.example sign in at a
// provider, which is away.
func localSite(t *testing.T) *door {
	t.Helper()
	d := startDoor(t, doorOptions{Portal: true, Floor: "300ms", Backend: `    imap: {address: "127.0.0.1:1", tls: none}
    pop3: {address: "127.0.0.1:1", tls: none}
    sieve: {address: "127.0.0.1:1", tls: none}
    submission: {address: "127.0.0.1:1", tls: none}
    ` + masterLogin,
		Extra: "issuers: {corp: {issuer: \"https://127.0.0.1:1\", sign_in: {client_id: door, domains: [corp.example], label: Corp and Sons}}}\n"})
	for _, p := range []string{holder, plain} {
		if out, err := d.feed(d.use(password)+"\n", "user", "add", p, "--password-stdin"); err != nil {
			t.Fatalf("user add: %v\n%s", err, out)
		}
	}
	return d
}

// refused is the reference of a refused sign-in.
func (d *door) refused(t testing.TB, person string) string {
	t.Helper()
	answer, _, err := d.mustKnock(t, "imap", netip.Addr{}).signIn(person, d.use("not-the-Right-1"))
	check(t, err)
	ref := reference.FindStringSubmatch(answer)
	if ref == nil {
		t.Fatalf("no reference in %q", answer)
	}
	return ref[1]
}

// unfolded opens whatever is folded away on a page, and has axe look at it.
func (b *chromium) unfolded(name string) {
	b.Helper()
	evaluate[bool](b, `document.querySelectorAll("details").forEach(d => d.open = true); true`)
	b.accessible(name)
}

// The pages that anybody may read, those on the way in, and those that ask for
// a proof can be used by everybody: axe finds nothing, on a phone or a screen,
// by day or night, in either language.
func TestPagesOnTheWayInAreAccessible(t *testing.T) {
	t.Parallel()
	d := localSite(t)
	b := d.browser(t)
	ref := d.refused(t, holder)
	for _, lang := range []string{"de", "en"} {
		b.open("/language/" + lang)
		for _, path := range []string{"/codes/", "/codes/53003", "/codes/1", "/r/" + ref, "/r/nonsense", "/signin", "/signin/pass", "/nothing"} {
			b.open(path)
			b.accessible(lang + path)
		}
	}
	enter := func(person, secret string) {
		t.Helper()
		b.open("/signin")
		b.fill("#address", person)
		b.fill("#password", secret)
		b.press("Sign in")
	}
	enter(plain, d.use("not-the-Right-2"))
	b.says("was wrong")
	b.accessible("refused")
	enter(routed, password)
	b.says("Corp and Sons", routed)
	b.accessible("provider")
	b.press("Sign in with Corp and Sons")
	b.says("cannot be reached just now")
	b.accessible("provider away")

	enter(plain, password)
	b.says("Your mail")
	b.open("/confirm")
	b.says("Confirm that it is you")
	b.accessible("confirm with the password")
	b.open("/password")
	b.accessible("password")
	b.open("/r/" + ref) // which is another's
	b.accessible("another's reference")
	b.press("Sign out")
	b.says("Other ways to sign in")

	seed := d.furnished(b, holder)
	b.open("/confirm")
	b.unfolded("confirm")
	b.press("Sign out")
	b.says("Other ways to sign in")
	enter(holder, password)
	b.says("Code from your app")
	b.unfolded("factor")
	b.fill("#code", "000000")
	b.press("Confirm")
	b.says("was not accepted")
	b.accessible("factor refused")
	b.open("/language/de?to=/signin/factor")
	b.says("Code")
	b.unfolded("factor in German")
	b.open("/language/en?to=/signin/factor")
	code, err := totp.GenerateCode(seed, time.Now().Add(30*time.Second)) // the one of now was used
	check(t, err)
	b.fill("#code", code)
	b.press("Confirm")
	b.says("Your mail")
	b.press("Sign out")
	b.says("Other ways to sign in")

	if out, err := d.feed(pagesNeedTwo, "policy", "import", "-"); err != nil {
		t.Fatalf("policy import: %v\n%s", err, out)
	}
	enter(plain, password)
	b.says("you have none yet")
	b.accessible("no factor yet")
	d.do(t, "location", "add", "Office", "--cidr", "127.0.0.0/8", "--trusted")
	old := write(t, t.TempDir(), "log", fmt.Sprintf("%s mx1 dovecot: imap-login: Login: user=<%s>, method=PLAIN, rip=127.0.0.1, lip=127.0.0.2, session=<a>\n",
		time.Now().AddDate(0, 0, -14).UTC().Format(time.RFC3339), plain)) // they have been here for long
	d.do(t, "signins", "import", "--from", "dovecot", old)
	enter(plain, password)
	b.says("Set up an authenticator app now")
	b.unfolded("first factor")
}

// furnished signs somebody in with a pass, gives them an app, a passkey and
// recovery codes, and returns the app's seed.
func (d *door) furnished(b *chromium, person string) (seed string) {
	b.Helper()
	pass := d.use(strings.TrimSpace(d.do(b, "pass", "issue", person)))
	b.open("/signin/pass")
	b.fill("#address", person)
	b.fill("#pass", pass)
	b.press("Sign in")
	b.says("Your second factors")
	b.press("Set up an app")
	b.says("Scan this picture")
	seed = d.use(b.content(".secret"))
	code, err := totp.GenerateCode(seed, time.Now())
	check(b, err)
	b.fill("#app-code", code)
	b.press("Finish")
	b.says("The app is set up")
	b.press("Add a passkey")
	b.says("The passkey is set up")
	b.press("Make recovery codes")
	b.says("Your recovery codes")
	return seed
}

// A password that is kept here is changed in a browser: what it opened before
// is closed, the browser stays, and the old one opens nothing more. Beside it
// an app password is made that is limited further.
func TestAPasswordIsChangedInABrowser(t *testing.T) {
	t.Parallel()
	d := localSite(t)
	b := d.browser(t)
	d.furnished(b, holder)
	b.open("/password")
	b.says("At least 8 characters")
	b.accessible("password")
	change := func(old, next, again string) {
		t.Helper()
		b.fill("#old", old)
		b.fill("#new", next)
		b.fill("#again", again)
		b.press("Change my password")
	}
	change(password, d.use(newer), newer+"x")
	b.says("are not the same")
	b.accessible("password refused")
	change(d.use("not-the-Right-3"), newer, newer)
	b.says("Nothing was changed")
	change(password, newer, newer)
	b.says("Your password is changed", "Your second factors", "My phone")
	var sessions struct {
		Value []struct{ Address string }
	}
	d.read(t, &sessions, "session", "list")
	if len(sessions.Value) != 1 {
		t.Errorf("the sessions are %+v", sessions.Value)
	}
	for secret, want := range map[string]string{password: "PR50126", newer: ""} {
		answer, _, err := d.mustKnock(t, "imap", netip.Addr{}).signIn(holder, secret)
		check(t, err)
		if wrong := strings.Contains(answer, "AUTHENTICATIONFAILED"); wrong != (want != "") {
			t.Errorf("the mail server's door says %q", answer)
		}
	}
	if audit := d.do(t, "audit", "list"); !strings.Contains(audit, holder) {
		t.Errorf("the audit does not name who changed it:\n%s", audit)
	}

	b.open("/apppasswords")
	b.unfolded("app passwords")
	b.fill("#name", "scanner")
	b.fill("#networks", "my office")
	b.press("Make an app password")
	b.says("“Only from these networks”")
	b.accessible("app password refused")
	b.fill("#networks", "192.0.2.0/24 2001:db8::/32")
	b.fill("#senders", "@example.org")
	b.press("Make an app password")
	b.says("App password for scanner", "only from 192.0.2.0/24, 2001:db8::/32", "sends only as @example.org")
	d.use(b.content(".secret"))
	b.unfolded("app password made")
	b.open("/language/de?to=/apppasswords")
	b.unfolded("app passwords in German")
	b.open("/password")
	b.accessible("password in German")
	b.open("/language/en")
}
