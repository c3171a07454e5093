package portal

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/authn"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/upstream"
)

const better = "seven purple elevators"

// told are the notices to people.
type told struct {
	mu   sync.Mutex
	list []string
}

func (o *told) tell(person, sentence string, names ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, person+": "+sentence+" "+strings.Join(names, " "))
}

// settles has the portal told, and what hangs on a password ended, as the server does.
func (w *world) settles() *told {
	o := &told{}
	w.Portal.Tell = o.tell
	w.Portal.Settle = func(context.Context) error {
		w.sessions.Matching(func(s *session.Session) bool {
			return s.Facts().Credential == policy.CredentialPassword && s.Facts().Person != "" && s.Facts().Person != leela
		}, signin.SessionPolicyChanged, "the password was changed")
		return nil
	}
	return o
}

// opens says whether a mail program comes in with a password.
func (w *world) opens(t testing.TB, person, password string) bool {
	t.Helper()
	out := w.gate.SignIn(t.Context(), signin.Attempt{At: time.Now(), Protocol: protocol.IMAP, Listener: "imap", Client: clientAt("192.0.2.50")},
		signin.NewCredential(policy.CredentialPassword, "PLAIN", person, "", []byte(password)))
	return out.Allowed()
}

func TestAPasswordIsChangedByWhoeverShowsTheOneUntilNow(t *testing.T) {
	w := newWorld(t)
	notices := w.settles()
	b, other, hers := w.browser(t), w.browser(t), w.browser(t)
	hers.signIn("leela", right)
	other.signIn("fry", right)
	b.signIn("fry", right)
	before := cookie(b, "__Host-session")
	b.get("/security").contains(t, "Change your password")
	b.get("/password").contains(t, "Your password", "At least 8 characters")
	b.submit("/password", "old", right, "new", better, "again", better).contains(t, "Your password is changed", "fry@example.org")

	if now := cookie(b, "__Host-session"); now == before || now == "" {
		t.Error("the browser has the session that it had")
	}
	thief := w.browser(t)
	u, _ := url.Parse(site)
	thief.jar.SetCookies(u, []*http.Cookie{{Name: "__Host-session", Value: before, Secure: true, Path: "/"}})
	if a := thief.get("/"); a.path != "/signin" {
		t.Error("the session from before is open still")
	}
	if a := b.get("/programs"); a.path != "/programs" {
		t.Errorf("the browser that changed it is at %s", a.path)
	}
	if a := other.get("/"); a.path != "/signin" {
		t.Errorf("another browser of theirs is at %s", a.path)
	}
	if a := hers.get("/"); a.path != "/" {
		t.Error("somebody else was signed out")
	}
	if w.opens(t, "fry@example.org", right) || !w.opens(t, "fry@example.org", better) {
		t.Error("the password until now opens mail, or the new one does not")
	}
	if len(notices.list) != 1 || !strings.Contains(notices.list[0], "notice.password") || !strings.Contains(notices.list[0], homeAddr) {
		t.Errorf("told: %q", notices.list)
	}
	rows, err := w.store.Audits(t.Context(), store.AuditFilter{Kind: "person"})
	must(t, err)
	found := 0
	for _, r := range rows {
		if r.Object == fry && r.Action == "update" {
			found++
			if who := r.Actor.Name; who != "fry@example.org" || !strings.Contains(string(r.After), `"secretChanged":true`) || strings.Contains(string(r.After), "argon2id$") {
				t.Errorf("the audit says %+v", r)
			}
		}
	}
	if found != 1 {
		t.Errorf("the audit has %d rows of it", found)
	}
	p, err := w.store.Person(t.Context(), fry)
	must(t, err)
	if m, err := secret.Verify(string(p.Hash), []byte(better)); err != nil || !m.OK || m.Rehash || p.SecretKind != store.SecretArgon2id {
		t.Errorf("kept as %s: %+v, %v", p.SecretKind, m, err)
	}
}

// Whoever has a second factor has confirmed with it lately; their session stays
// one of two factors, and confirmed as long as it was.
func TestASecondFactorIsAskedForBeforeAPasswordIsChanged(t *testing.T) {
	w := newWorld(t)
	w.settles()
	b, phone := furnished(t, w)
	b.get("/password")
	change := b.form("/password", "old", right, "new", better, "again", better)
	w.visits.of(leela)[0].factor = time.Now().Add(-freshFor - time.Second)
	if a := b.send("POST", change.action, change.fields, nil); a.header.Get("Location") != "/confirm?next=%2Fpassword" {
		t.Errorf("without a confirmation: %d %s", a.status, a.header.Get("Location"))
	}
	for _, f := range b.get("/password").forms {
		if f.action == "/password" {
			t.Error("it is offered without a confirmation")
		}
	}
	b.page.contains(t, "To make changes, confirm that it is you")
	b.get("/confirm?next=/password")
	b.submit("/confirm", "kind", "code", "code", phone.code()).contains(t, "Your password until now")
	proven := w.visits.of(leela)[0].factor
	b.submit("/password", "old", right, "new", better, "again", better).contains(t, "Your password is changed")
	v := w.visits.of(leela)
	if len(v) != 1 || v[0].factor.IsZero() || v[0].factor.After(proven.Add(time.Millisecond)) {
		t.Errorf("%d sessions, confirmed at %v and before at %v", len(v), v[0].factor, proven)
	}
}

func TestWhatIsNoPasswordIsRefusedBeforeAnybodyLooks(t *testing.T) {
	w := newWorld(t)
	w.settles()
	b := w.browser(t)
	b.signIn("fry", right)
	for name, c := range map[string]struct{ old, next, again, want string }{
		"nothing":         {"", better, better, "Type your password until now"},
		"short":           {right, "1234567", "1234567", "too short: it needs at least 8"},
		"seven letters":   {right, "ÄÖÜäöüß", "ÄÖÜäöüß", "too short"},
		"long":            {right, strings.Repeat("x", secret.MaxPassword+1), "", "too long: it can have 1024"},
		"a line's end":    {right, "two\nlines\x00", "two\nlines\x00", "cannot be typed everywhere"},
		"no UTF-8":        {right, "12345678\xff", "12345678\xff", "cannot be typed everywhere"},
		"the address":     {right, "FRY@example.org", "FRY@example.org", "must not be your name"},
		"the same":        {right, right, right, "is the one until now"},
		"typed otherwise": {right, better, better + "x", "are not the same"},
	} {
		b.get("/password")
		a := b.post("/password", "old", c.old, "new", c.next, "again", c.again)
		a.contains(t, c.want)
		if a.status != http.StatusUnprocessableEntity || strings.Contains(a.body, better) || strings.Contains(a.body, right) {
			t.Errorf("%s: %d, or the page repeats a password", name, a.status)
		}
	}
	p, err := w.store.Person(t.Context(), fry)
	must(t, err)
	if p.Version != 1 {
		t.Error("the person was changed")
	}
}

// The form is no way to guess: wrong ones count at the guard, from the same
// budget as at a sign-in, and too many end the session.
func TestAPasswordIsNotGuessedWhereItIsChanged(t *testing.T) {
	w := newWorld(t)
	w.settles()
	b := w.browser(t)
	b.signIn("fry", right)
	tries := 0
	for ; tries < 2*triesEach; tries++ {
		if b.get("/password").path != "/password" {
			break
		}
		b.submit("/password", "old", "wrong "+strings.Repeat("x", tries), "new", better, "again", better)
	}
	if tries != triesEach {
		t.Errorf("%d tries", tries)
	}
	refused, _, err := w.store.Events(t.Context(), store.EventFilter{User: fry}, store.Cursor{}, 50)
	must(t, err)
	waitFor(t, func() bool {
		n := 0
		refused, _, err = w.store.Events(t.Context(), store.EventFilter{User: fry}, store.Cursor{}, 50)
		for i := range refused {
			if refused[i].Code == signin.WrongCredentials || refused[i].Code == signin.Throttled {
				n += int(refused[i].Count)
			}
		}
		return err == nil && n >= triesEach
	})
	if !w.opens(t, "fry@example.org", right) {
		t.Error("the owner is locked out elsewhere")
	}
}

// Wherever the password is kept elsewhere, the page says so and offers nothing.
func TestAPasswordThatIsElsewhereIsChangedThere(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.signIn("fry", right)
	b.get("/password")
	change := b.form("/password", "old", right, "new", better, "again", better)
	must(t, w.store.Change(t.Context(), store.System, "", func(tx *store.Tx) error {
		p, err := tx.Person(fry)
		if err == nil {
			p.SecretKind, p.Hash = store.SecretBackend, ""
			err = tx.PutPerson(&p)
		}
		return err
	}))
	elsewhere := func(want ...string) {
		t.Helper()
		a := b.get("/password")
		a.contains(t, want...)
		for _, f := range a.forms {
			if f.action == "/password" {
				t.Error("a form is offered")
			}
		}
	}
	elsewhere("it is kept elsewhere", "Ask whoever looks after your mail")
	w.Portal.Password = "https://id.example.org/password"
	elsewhere("it is kept elsewhere", "https://id.example.org/password")
	w.Portal.Upstream = provider{label: "Planet Express"}
	elsewhere("You sign in at Planet Express", "https://id.example.org/password")
	if a := b.send("POST", change.action, change.fields, nil); a.status != http.StatusForbidden {
		t.Errorf("a form from before: %d", a.status)
	}
	p, err := w.store.Person(t.Context(), fry)
	must(t, err)
	if p.Hash != "" || p.SecretKind != store.SecretBackend {
		t.Errorf("the person has a password of kind %s", p.SecretKind)
	}
}

// A mail server that is shown people's own passwords would not take a new one
// that it was not told.
func TestAPasswordThatTheMailServerIsShownIsNotChangedHere(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.signIn("fry", right)
	w.Portal.Backends = mailServer{"bender"}
	b.get("/password")
	change := b.form("/password", "old", right, "new", better, "again", better)
	w.Portal.Backends = mailServer{"fry@example.org"}
	b.get("/password").contains(t, "it is kept elsewhere")
	if a := b.send("POST", change.action, change.fields, nil); a.status != http.StatusForbidden || !w.opens(t, "fry@example.org", right) {
		t.Errorf("changed: %d", a.status)
	}
}

// mailServer is shown the own password of one person.
type mailServer struct{ whose string }

func (s mailServer) OwnPasswordOnly(address, _ string) (string, bool) {
	return "main", address == s.whose
}

// provider is one that everybody signs in at.
type provider struct{ label string }

func (p provider) Offers() []upstream.Offer            { return []upstream.Offer{{Name: "corp", Label: p.label}} }
func (p provider) For(string) (string, bool)           { return "corp", true }
func (p provider) Handler(upstream.Pages) http.Handler { return http.NotFoundHandler() }

// A password that an administrator sets in the same breath is not overwritten.
func TestAPasswordChangedMeanwhileStays(t *testing.T) {
	w := newWorld(t)
	w.settles()
	b := w.browser(t)
	b.signIn("fry", right)
	b.get("/password")
	w.Portal.People = &interposed{People: w.store, before: func() {
		must(t, w.store.Change(t.Context(), store.System, "", func(tx *store.Tx) error {
			p, err := tx.Person(fry)
			if err == nil {
				p.Hash = store.Hash(secret.Hash([]byte("by an administrator")))
				err = tx.PutPerson(&p)
			}
			return err
		}))
	}}
	b.submit("/password", "old", right, "new", better, "again", better).contains(t, "changed by somebody else")
	if w.opens(t, "fry@example.org", better) || !w.opens(t, "fry@example.org", "by an administrator") {
		t.Error("the administrator's is not the one that counts")
	}
}

// What others take back while a password is being changed stays taken back: the
// browser does not outlive it by its person's own change.
func TestAChangeOfPasswordOutlivesNothingElse(t *testing.T) {
	for name, meanwhile := range map[string]func(*store.Tx) error{
		"everything is revoked": func(tx *store.Tx) error {
			return tx.Revoke(store.Revocation{Grant: authn.Everything(fry, time.Now()), Person: fry})
		},
		"an administrator sets another password": func(tx *store.Tx) error {
			p, err := tx.Person(fry)
			if err == nil {
				p.Hash = store.Hash(secret.Hash([]byte("by an administrator")))
				err = tx.PutPerson(&p)
			}
			return err
		},
		"they are deleted": func(tx *store.Tx) error { return tx.DeletePerson(fry) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser(t)
			b.signIn("fry", right)
			b.get("/password")
			w.Portal.Settle = func(context.Context) error {
				return w.store.Change(t.Context(), store.System, "", meanwhile)
			}
			b.submit("/password", "old", right, "new", better, "again", better)
			if a := b.get("/"); a.path != "/signin" || w.sessions.Len() != 0 {
				t.Errorf("at %s, with %d sessions", a.path, w.sessions.Len())
			}
		})
	}
}

// interposed is the people, with something done before a change.
type interposed struct {
	People
	before func()
}

func (i *interposed) Change(ctx context.Context, who store.Actor, reason string, do func(*store.Tx) error) error {
	i.before()
	return i.People.Change(ctx, who, reason, do)
}
