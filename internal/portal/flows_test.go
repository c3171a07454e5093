package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/portreeve/portreeve/internal/apppassword"
	"github.com/portreeve/portreeve/internal/authn"
	"github.com/portreeve/portreeve/internal/factor"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// token is a security key.
type token struct {
	t testing.TB
	virtualwebauthn.Authenticator
	key virtualwebauthn.Credential
	at  virtualwebauthn.RelyingParty
}

func newToken(t testing.TB) *token {
	k := &token{t: t, Authenticator: virtualwebauthn.NewAuthenticator(), at: virtualwebauthn.RelyingParty{ID: rpID, Name: "x", Origin: site}}
	for len(k.key.ID) == 0 || len(k.key.Key.AttestationData()) < wholeKey { // it leaves the zeros out that coordinates begin with
		k.key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	return k
}

// wholeKey is the length of a COSE key on P-256 in bytes.
const wholeKey = 77

// make and sign answer the form of the page at hand.
func (k *token) make(b *browser, action string) *answer {
	k.t.Helper()
	f := b.form(action)
	o, err := virtualwebauthn.ParseAttestationOptions(f.options)
	must(k.t, err)
	k.Options.UserHandle = []byte(o.UserID)
	k.AddCredential(k.key)
	return b.submit(action, "response", virtualwebauthn.CreateAttestationResponse(k.at, k.Authenticator, k.key, *o))
}

func (k *token) sign(b *browser, action string) *answer {
	k.t.Helper()
	for _, f := range b.page.forms {
		if f.action == action && f.options != "" {
			o, err := virtualwebauthn.ParseAssertionOptions(f.options)
			must(k.t, err)
			return b.submit(action, "response", virtualwebauthn.CreateAssertionResponse(k.at, k.Authenticator, k.key, *o))
		}
	}
	k.t.Fatalf("%s asks for no key:\n%s", b.page.path, b.page.body)
	return nil
}

// pass gives a person a temporary access pass.
func (w *world) pass(t testing.TB, person string) string {
	t.Helper()
	text, _, err := w.factors.IssuePass(t.Context(), store.System, person, factor.PassOptions{})
	must(t, err)
	return text
}

func TestAPassSetsUpAnAppAndAKeyWhichThenSignsInAlone(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.get("/signin/pass")
	b.submit("/signin/pass", "address", "leela", "pass", w.pass(t, leela)).contains(t, "Your second factors", "You have none yet")
	b.submit("/security/app").contains(t, "Scan this picture")
	secret := between(b.page.body, `<span class="secret">`, `</span>`)
	phone := &app{t: t, secret: secret, at: time.Now().Add(-30 * time.Second)}
	b.submit("/security/app/confirm", "code", "000000", "name", "phone").contains(t, "That code was not right")
	b.submit("/security/app/confirm", "code", phone.code()).contains(t, "The app is set up", "phone")
	b.submit("/security/passkey", "name", "my key").contains(t, "Your browser now asks")
	k := newToken(t)
	k.make(b, "/security/passkey/answer").contains(t, "The passkey is set up", "my key")
	b.submit("/signout")
	b.get("/signin")
	b.submit("/signin/passkey").contains(t, "Follow what your browser shows")
	k.sign(b, "/signin/passkey/answer").contains(t, "Your mail", "leela@example.org")
	if v := w.visits.of(leela)[0]; v.factor.IsZero() || v.outcome.Facts.Credential != policy.CredentialPasskey {
		t.Errorf("signed in with %v, factor at %v", v.outcome.Facts.Credential, v.factor)
	}
}

// Thunderbird's window says nothing while it waits for a passkey: the page does.
func TestAPasskeyIsAskedForInThunderbird(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.agent = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Thunderbird/153.7.0"
	b.get("/signin")
	a := b.submit("/signin/passkey")
	a.contains(t, "Thunderbird may show nothing", "choose another way", "Back to signing in")
	if strings.Contains(a.body, "Follow what your browser shows") {
		t.Error("it says to follow what is not shown")
	}
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

func TestAPasswordAloneEnrolsNobody(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.signIn("leela", right)
	b.get("/security").contains(t, "From here you cannot set up your first second factor")
	token := b.form("/signout").fields.Get("token")
	for _, action := range []string{"/security/app", "/security/app/confirm", "/security/passkey", "/security/passkey/answer"} {
		if a := b.send("POST", action, url.Values{"token": {token}, "code": {"123456"}, "setup": {"x"}}, nil); a.status != http.StatusForbidden {
			t.Errorf("%s: %d", action, a.status)
		}
	}
	for _, action := range []string{"/apppasswords/new", "/apppasswords/apple"} {
		if a := b.send("POST", action, url.Values{"token": {token}, "name": {"x"}, "protocol": {"imap"}}, nil); a.status != http.StatusForbidden {
			t.Errorf("%s: %d", action, a.status)
		}
	}
	if w.factors.Has(leela) {
		t.Error("a factor was set up")
	}
}

func TestWhereAFactorIsAskedForAndNoneIsThereAPassIsTheWay(t *testing.T) {
	w := newWorld(t)
	w.policies(approvalNeeded)
	b := w.browser(t)
	b.signIn("leela", right).contains(t, "you have none yet", "temporary access pass")
	if w.sessions.Len() != 0 {
		t.Error("let in")
	}
}

// What a policy asks for can be set up on the way in, from a place that the
// person has used for long.
func TestAFirstFactorIsSetUpOnTheWayIn(t *testing.T) {
	w := newWorld(t)
	w.policies(approvalNeeded)
	w.Portal.MayEnrol = func(_ context.Context, f policy.Facts) error {
		return w.factors.MayEnrol(f, factor.EnrolFacts{Trusted: true})
	}
	b := w.browser(t)
	b.signIn("leela", right).contains(t, "Set up an authenticator app now")
	phone := &app{t: t, secret: between(b.page.body, `<span class="secret">`, `</span>`), at: time.Now()}
	b.submit("/signin/factor", "kind", "setup", "code", phone.code()).contains(t, "Your mail")
	if !w.factors.Has(leela) {
		t.Error("no factor is kept")
	}
}

// Whoever waits with a password that is changed meanwhile, or whose person is
// reset, gets no further with it: neither in, nor to a factor of their own.
func TestWhatWasTakenBackWhileAFactorIsAwaitedIsWorthNothing(t *testing.T) {
	w := newWorld(t)
	w.policies(approvalNeeded)
	w.Portal.MayEnrol = func(_ context.Context, f policy.Facts) error {
		return w.factors.MayEnrol(f, factor.EnrolFacts{Trusted: true})
	}
	mine := func(s *session.Session) bool { return s.Facts().Person == leela }

	thief := w.browser(t)
	thief.signIn("leela", right).contains(t, "Set up an authenticator app now")
	phone := &app{t: t, secret: between(thief.page.body, `<span class="secret">`, `</span>`), at: time.Now()}
	w.sessions.Matching(mine, signin.SessionPolicyChanged, "the password was changed")
	thief.submit("/signin/factor", "kind", "setup", "code", phone.code())
	if a := thief.get("/signin/factor"); a.path != "/signin" || w.factors.Has(leela) || w.sessions.Len() != 0 {
		t.Fatalf("at %s, a factor: %v, %d sessions", a.path, w.factors.Has(leela), w.sessions.Len())
	}

	owned := w.enrolled(t, leela)
	b := w.browser(t)
	b.signIn("leela", right)
	w.sessions.Matching(mine, signin.SessionPolicyChanged, "the password was changed")
	b.submit("/signin/factor", "kind", "code", "code", owned.code())
	if a := b.get("/signin/factor"); a.path != "/signin" || w.sessions.Len() != 0 {
		t.Errorf("at %s, %d sessions", a.path, w.sessions.Len())
	}
	owned.at = owned.at.Add(-30 * time.Second) // nobody looked at it
	b.signIn("leela", right)                   // with what is right now
	b.submit("/signin/factor", "kind", "code", "code", owned.code()).contains(t, "Your mail")
	w.sessions.Matching(func(s *session.Session) bool { return mine(s) && s != w.visits.of(leela)[0].session }, signin.SessionEnded, "not me")
	b.get("/confirm?next=/security")
	b.submit("/confirm", "kind", "code", "code", owned.code()).contains(t, "Security")
}

// A reset's order to end sessions comes some milliseconds after its commit; here
// it never does. What a thief asks for in between must not outlive it.
func TestNothingIsDoneBetweenAResetAndTheEndOfSessions(t *testing.T) {
	approver := func(w *world) *browser {
		phone := w.enrolled(t, leela)
		w.Portal.MayEnrol = func(_ context.Context, f policy.Facts) error {
			return w.factors.MayEnrol(f, factor.EnrolFacts{Trusted: true})
		}
		b := w.browser(t)
		b.signIn("leela", right)
		b.submit("/signin/factor", "kind", "code", "code", phone.code()).contains(t, "Your mail")
		return b
	}
	reset := func(w *world) {
		_, err := w.factors.Reset(t.Context(), store.System, leela)
		must(t, err)
	}
	t.Run("an app", func(t *testing.T) {
		w := newWorld(t)
		thief := approver(w)
		thief.get("/security")
		thief.submit("/security/app").contains(t, "Scan this picture")
		phone := &app{t: t, secret: between(thief.page.body, `<span class="secret">`, `</span>`), at: time.Now()}
		form := thief.form("/security/app/confirm", "code", phone.code())
		reset(w)
		thief.send("POST", "/security/app/confirm", form.fields, nil)
		if list, err := w.factors.List(t.Context(), leela); err != nil || len(list) != 1 || list[0].Kind != factor.KindPass {
			t.Errorf("after the reset there are %+v (%v)", list, err)
		}
		if a := thief.get("/security"); !strings.HasPrefix(a.path, "/signin") {
			t.Errorf("still signed in, at %s", a.path)
		}
	})
	t.Run("an app on the way in", func(t *testing.T) {
		w := newWorld(t)
		w.policies(approvalNeeded)
		w.Portal.MayEnrol = func(_ context.Context, f policy.Facts) error {
			return w.factors.MayEnrol(f, factor.EnrolFacts{Trusted: true})
		}
		thief := w.browser(t)
		thief.signIn("leela", right).contains(t, "Set up an authenticator app now")
		phone := &app{t: t, secret: between(thief.page.body, `<span class="secret">`, `</span>`), at: time.Now()}
		reset(w)
		thief.submit("/signin/factor", "kind", "setup", "code", phone.code())
		if w.factors.Has(leela) || len(w.visits.of(leela)) != 0 {
			t.Error("a thief has set up a factor")
		}
		w.policies()
		b := w.browser(t) // what is shown afterwards is good
		pass, err := w.factors.Reset(t.Context(), store.System, leela)
		must(t, err)
		b.get("/signin/pass")
		b.submit("/signin/pass", "address", "leela", "pass", pass).contains(t, "Your second factors")
		b.submit("/security/app").contains(t, "Scan this picture")
		phone = &app{t: t, secret: between(b.page.body, `<span class="secret">`, `</span>`), at: time.Now()}
		b.submit("/security/app/confirm", "code", phone.code()).contains(t, "The app is set up")
	})
	t.Run("a code on the way in", func(t *testing.T) {
		w := newWorld(t)
		phone := w.enrolled(t, leela)
		thief := w.browser(t)
		thief.signIn("leela", right)
		must(t, w.store.Change(t.Context(), store.System, "", func(tx *store.Tx) error {
			return tx.Revoke(store.Revocation{Grant: authn.Everything(leela, time.Now()), Person: leela})
		}))
		if a := thief.submit("/signin/factor", "kind", "code", "code", phone.code()); a.status != http.StatusForbidden {
			t.Errorf("told with %d", a.status)
		}
		if len(w.visits.of(leela)) != 0 {
			t.Error("somebody came in with a password that was taken back")
		}
	})
	for _, c := range []struct {
		page, action string
		fill         []string
	}{{page: "/security", action: "/security/recovery"}, {"/apppasswords", "/apppasswords/new", []string{"name", "thief"}}} {
		t.Run(c.action, func(t *testing.T) {
			w := newWorld(t)
			thief := approver(w)
			thief.get(c.page)
			f := thief.form(c.action, c.fill...)
			// What a reset or a cut commits, before anybody has heard of it.
			must(t, w.store.Change(t.Context(), store.System, "", func(tx *store.Tx) error {
				return tx.Revoke(store.Revocation{Grant: authn.Everything(leela, time.Now()), Person: leela})
			}))
			thief.send("POST", c.action, f.fields, nil)
			codes, err := w.store.RecoveryCodes(t.Context(), leela)
			must(t, err)
			passwords, err := w.store.AppPasswordsOf(t.Context(), leela)
			must(t, err)
			if codes.Left != 0 || len(passwords) != 0 {
				t.Errorf("%d recovery codes and %d app passwords were made", codes.Left, len(passwords))
			}
		})
	}
}

func TestABrowserIsRememberedButMakesNoChanges(t *testing.T) {
	w := newWorld(t)
	phone := w.enrolled(t, leela)
	b := w.browser(t)
	b.signIn("leela", right)
	b.submit("/signin/factor", "kind", "code", "code", phone.code(), "remember", "yes").contains(t, "Your mail")
	b.submit("/signout")
	b.signIn("leela", right).contains(t, "Your mail")
	b.get("/security").contains(t, "To make changes, confirm that it is you")
	other := w.browser(t)
	other.signIn("leela", right).contains(t, "Confirm that it is you")
	b.get("/confirm?next=/security")
	b.submit("/confirm", "kind", "code", "code", phone.code())
	b.submit("/security/browsers").contains(t, "Every browser is asked again")
	b.submit("/signout")
	b.signIn("leela", right).contains(t, "Confirm that it is you")
}

func TestRecoveryCodesAreShownOnceAndWorkOnce(t *testing.T) {
	w := newWorld(t)
	phone := w.enrolled(t, leela)
	b := w.browser(t)
	b.signIn("leela", right)
	b.submit("/signin/factor", "kind", "code", "code", phone.code())
	b.get("/security")
	b.submit("/security/recovery").contains(t, "Your recovery codes")
	code := between(between(b.page.body, `<ul class="codes">`, `</ul>`), "<li>", "</li>")
	if strings.Contains(b.get("/security").body, code) {
		t.Error("shown twice")
	}
	for _, want := range []string{"Your mail", "was not accepted"} {
		x := w.browser(t)
		x.signIn("leela", right)
		x.submit("/signin/factor", "kind", "recovery", "code", code).contains(t, want)
	}
}

func TestAConfirmationThatFailsTooOftenSignsOut(t *testing.T) {
	w := newWorld(t)
	b, _ := furnished(t, w)
	for range triesEach {
		b.get("/confirm?next=/security")
		if b.page.path == "/signin" {
			break
		}
		b.submit("/confirm", "kind", "code", "code", "000000")
	}
	if a := b.get("/"); a.path != "/signin" {
		t.Errorf("after %d wrong codes still at %s", triesEach, a.path)
	}
}

func TestThePasswordConfirmsWhereThereIsNoFactor(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.signIn("fry", right)
	b.get("/confirm?next=/programs")
	b.submit("/confirm", "kind", "password", "password", "wrong").contains(t, "was not accepted")
	b.submit("/confirm", "kind", "password", "password", right).contains(t, "You can make changes for 15 minutes", "Your programs")
}

func TestAnAppPasswordIsShownOnceAndWorksUntilItIsRevoked(t *testing.T) {
	w := newWorld(t)
	b, _ := furnished(t, w)
	b.get("/apppasswords")
	b.submit("/apppasswords/new", "name", "scanner").contains(t, "App password for scanner", "This is shown once", "mail.example.org")
	secret := between(b.page.body, `<span class="secret">`, `</span>`)
	if strings.Contains(b.get("/apppasswords").body, secret) || strings.Contains(w.faults.String(), secret) {
		t.Error("shown twice")
	}
	use := func() signin.Outcome {
		return w.gate.SignIn(t.Context(), signin.Attempt{At: time.Now(), Protocol: protocol.IMAP, Listener: "imap", Client: clientAt("192.0.2.50")},
			signin.NewCredential(policy.CredentialPassword, "PLAIN", "leela@example.org", "", []byte(secret)))
	}
	out := use()
	if !out.Allowed() {
		t.Fatalf("the app password opens nothing: %s %s", out.Code, out.Detail)
	}
	b.get("/apppasswords").contains(t, "scanner", "192.0.2.50")
	b.get("/signins").contains(t, "with an app password")

	b.get("/r/"+string(out.Reference)).contains(t, "Let in, with an app password")
	b.submit("/signins/not-me").contains(t, "It is closed", "The app password that was used is revoked")
	if out := use(); out.Code != signin.AppPasswordRevoked {
		t.Errorf("after it was disowned: %s", out.Code)
	}
	rows, err := w.store.Audits(t.Context(), store.AuditFilter{Kind: Disowned})
	must(t, err)
	if len(rows) != 1 || rows[0].Object != out.Attempt.ID.String() || rows[0].Name != "leela@example.org" {
		t.Errorf("the audit has %+v", rows)
	}
}

func TestAnAppleProfileHoldsAPasswordOfItsOwn(t *testing.T) {
	w := newWorld(t)
	b, _ := furnished(t, w)
	b.get("/apppasswords")
	a := b.post("/apppasswords/apple")
	if a.header.Get("Content-Type") != "application/x-apple-aspen-config" || !strings.Contains(a.body, "EmailTypeIMAP") || !strings.Contains(a.body, "leela@example.org") {
		t.Fatalf("%d %v\n%s", a.status, a.header, a.body)
	}
	list, err := w.passwords.List(t.Context(), leela)
	must(t, err)
	if len(list) != 1 || list[0].FirstUseBy.IsZero() || time.Until(list[0].FirstUseBy) > apppassword.ProfileLife {
		t.Errorf("made %+v", list)
	}
	if strings.Contains(a.body, "<script>") {
		t.Error("the display name is markup")
	}
}

// A program from another network is approved only by whoever reads what it shows.
func TestAProgramElsewhereNeedsItsReference(t *testing.T) {
	w := newWorld(t)
	b, _ := furnished(t, w)
	b.get("/approvals").contains(t, "fetchmail: reading mail (IMAP)", "198.51.100.9", "The reference that your program shows")
	b.submit("/approvals/allow", "reference", "0000-0000-0000").contains(t, "not the reference")
	requests, err := w.approvals.Requests(t.Context(), leela)
	must(t, err)
	b.submit("/approvals/allow", "reference", strings.ToLower(string(requests[0].Reference)), "days", "7").contains(t, "Approved")
	windows, err := w.approvals.Windows(t.Context(), leela)
	must(t, err)
	w2 := windows[len(windows)-1]
	if left := time.Until(w2.Expires); left > 7*24*time.Hour || left < 6*24*time.Hour {
		t.Errorf("the window lasts %v", left)
	}
	w.ask(t, "192.0.2.99")
	b.get("/approvals")
	if f := b.form("/approvals/allow"); f.fields.Has("reference") {
		t.Error("a program in this network is asked for its reference")
	}
	b.submit("/approvals/allow").contains(t, "Approved")
}

// What a token was issued for takes back all that the person had, this session
// included; the report is written all the same.
func TestAReportOfATokenIsWritten(t *testing.T) {
	w := newWorld(t)
	w.Portal.Revoke = func(ctx context.Context, who store.Actor, person, grant string) error {
		return w.store.Change(ctx, who, "", func(tx *store.Tx) error {
			return errors.Join(tx.Revoke(store.Revocation{Grant: grant, Person: person}), tx.Revoke(store.Revocation{Grant: authn.Everything(person, time.Now()), Person: person}))
		})
	}
	b := w.browser(t)
	b.signIn("leela", right).contains(t, "Your mail")
	id := store.NewID()
	_, err := w.events.Success(t.Context(), &signin.Event{ID: id, At: time.Now(), Last: time.Now(), Count: 1, Grant: "issuer:1",
		Facts: policy.Facts{Person: leela, Address: "leela@example.org", Protocol: protocol.IMAP, Credential: policy.CredentialBearer, Addr: clientAt("203.0.113.5").Addr()}})
	must(t, err)
	b.get("/signins")
	form := b.form("/signout").fields
	form.Set("reference", string(id.Reference()))
	if a := b.send("POST", "/signins/not-me", form, nil); a.status != http.StatusOK {
		t.Errorf("answered with %d:\n%s", a.status, a.body)
	}
	rows, err := w.store.Audits(t.Context(), store.AuditFilter{Kind: Disowned})
	if must(t, err); len(rows) != 1 || rows[0].Object != id.String() {
		t.Errorf("the audit has %+v", rows)
	}
}

func TestADeniedProgramMarksItsPlace(t *testing.T) {
	w := newWorld(t)
	b, _ := furnished(t, w)
	w.ask(t, "203.0.113.77")
	b.get("/approvals")
	var id string
	requests, err := w.approvals.Requests(t.Context(), leela)
	must(t, err)
	for _, r := range requests {
		if r.Addr.String() == "203.0.113.77" {
			id = r.ID
		}
	}
	f := b.form("/approvals/deny")
	f.fields.Set("id", id)
	b.follow(b.send("POST", f.action, f.fields, nil)).contains(t, "Stopped", "change it")
	if !w.approvals.Denied(leela, clientAt("203.0.113.1").Addr()) {
		t.Error("the place is not marked")
	}
	b.get("/programs").contains(t, "203.0.113.0/24")
}

func TestWindowsAndPlacesAreTakenBack(t *testing.T) {
	w := newWorld(t)
	b, _ := furnished(t, w)
	b.get("/programs").contains(t, "Thunderbird", "198.51.100.0/24", "233.252.0.0/24", "Chrome")
	b.submit("/programs/withdraw").contains(t, "Taken back")
	windows, err := w.approvals.Windows(t.Context(), leela)
	must(t, err)
	if len(windows) != 0 {
		t.Errorf("%d windows are left", len(windows))
	}
	b.submit("/programs/withdraw").contains(t, "Taken back")
	if w.approvals.Denied(leela, deniedNetwork.Addr()) {
		t.Error("the place is marked still")
	}
}

func TestAConnectionOfOnesOwnIsEnded(t *testing.T) {
	w := newWorld(t)
	b, other := w.browser(t), w.browser(t)
	b.signIn("fry", right)
	other.signIn("fry", right)
	b.get("/programs")
	b.submit("/programs/end").contains(t, "Disconnected")
	if a := other.get("/"); a.path != "/signin" {
		t.Error("the other browser is signed in still")
	}
	if a := b.get("/"); a.path != "/" {
		t.Error("this browser was signed out")
	}
}

func TestAReferenceTellsItsPersonTheReason(t *testing.T) {
	w := newWorld(t)
	w.policies(approvalNeeded)
	out := w.gate.SignIn(t.Context(), signin.Attempt{At: time.Now(), Protocol: protocol.IMAP, Listener: "imap", Client: clientAt("203.0.113.5"),
		Hints: signin.Hints{IMAPID: []signin.Pair{{Key: "name", Value: "Thunderbird"}}}}, signin.NewCredential(policy.CredentialPassword, "PLAIN", "leela@example.org", "", []byte(right)))
	w.policies()
	path := "/r/" + string(out.Reference)
	waitFor(t, func() bool {
		_, err := w.store.EventByReference(t.Context(), out.Reference)
		return err == nil
	})
	stranger := w.browser(t)
	page := stranger.get(path)
	page.contains(t, "Thunderbird", "OAuth2", "Sign in and see why", string(out.Reference))
	for _, private := range []string{"leela", "203.0.113.5", "PR50076", "password was right", "second factor"} {
		if strings.Contains(page.body, private) {
			t.Errorf("a stranger reads %q", private)
		}
	}
	b := w.browser(t)
	b.get(path)
	b.get("/signin?next=" + url.QueryEscape(path))
	b.submit("/signin", "address", "leela", "password", right).contains(t, "The password was right. Your organisation asks for more than a password", "203.0.113.5", "This program waits for you to approve it", "PR50076")
}

func waitFor(t testing.TB, ready func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

func TestTheLanguageIsTheBrowsersOrTheOneChosen(t *testing.T) {
	w := newWorld(t)
	for accept, want := range map[string]string{"de-AT,de;q=0.9": "Anmelden", "en": "Sign in", "fr": "Sign in", "": "Sign in", strings.Repeat("de,", 500): "Sign in", "x\x00": "Sign in"} {
		b := w.browser(t)
		b.lang = accept
		b.get("/signin").contains(t, "<h1>"+want+"</h1>")
	}
	b := w.browser(t)
	b.get("/language/de?to=/signin/pass").contains(t, "befristetem Zugangspass", `lang="de"`)
	b.get("/signin").contains(t, "Anmelden")
	for _, to := range []string{"//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/%09/evil.example", "/\t/evil.example"} {
		a := b.send("GET", "/language/en?to="+url.QueryEscape(to), nil, nil)
		if l := a.header.Get("Location"); strings.HasPrefix(l, "//") || strings.Contains(l, "\\") || strings.HasPrefix(l, "http") || strings.HasPrefix(l, "javascript") {
			t.Errorf("%q leads to %q", to, l)
		}
	}
	a := b.get("/signin?next=//evil.example")
	if strings.Contains(a.body, "evil.example") {
		t.Error("a sign-in leads to another site")
	}
}

// Who has shown a second factor says in which language mails to them are; who
// knows only the password does not.
func TestTheLanguageOfMailsIsThatOfTheirReader(t *testing.T) {
	w := newWorld(t)
	var spoken []string
	w.Portal.Speaks = func(_ context.Context, person, lang string) { spoken = append(spoken, person+" "+lang) }
	b := w.browser(t)
	b.signIn("leela", right)
	b.get("/language/de?to=/")
	if len(spoken) > 0 {
		t.Errorf("with a password alone: %q", spoken)
	}
	app := w.enrolled(t, leela)
	b = w.browser(t)
	b.signIn("leela", right)
	b.submit("/signin/factor", "kind", "code", "code", app.code())
	b.get("/language/de?to=/")
	if !slices.Equal(spoken, []string{leela + " en", leela + " de"}) {
		t.Errorf("%q", spoken)
	}
	b = w.browser(t)
	b.signIn("leela", right)
	b.submit("/signin/factor", "kind", "code", "code", app.code())
	spoken = nil
	a := b.send("GET", "/", nil, func(r *http.Request) {
		answer := httptest.NewRecorder()
		w.Portal.Public.Prefer(answer, "de") // what a program, or any page elsewhere by way of one, asks for
		r.AddCookie(answer.Result().Cookies()[0])
	})
	if a.contains(t, `lang="de"`); !slices.Equal(spoken, []string{leela + " en"}) {
		t.Errorf("a program chooses the language of mails: %q", spoken)
	}
}

func TestASessionIsWrittenDownFromItsBeginningToItsEnd(t *testing.T) {
	w := newWorld(t)
	j := &journal{}
	w.Portal.Journal = j
	b := w.browser(t)
	b.signIn("fry", right)
	b.submit("/signout")
	waitFor(t, func() bool { return len(j.list()) == 2 })
	l := j.list()
	if l[0].ID != l[1].ID || !l[0].Closed.IsZero() || l[1].Closed.IsZero() || l[1].Reason != "signed out" {
		t.Errorf("written down: %s", fmt.Sprint(l))
	}
}
