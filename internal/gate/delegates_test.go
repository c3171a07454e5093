package gate

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/authn"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/lockout"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// rights are who may open whose mailbox: "mary>sales".
type rights map[string]time.Time

func (r rights) MayOpen(person, mailbox string, p protocol.Protocol, _ time.Time) (time.Time, bool) {
	until, may := r[person+">"+mailbox]
	return until, may && p == protocol.IMAP
}

func (r rights) Shared(mailbox string) bool {
	for k := range r {
		if strings.HasSuffix(k, ">"+mailbox) {
			return true
		}
	}
	return false
}

// office is a house with a shared mailbox. Its verifier takes the secret "right"
// from whoever is named, and "of-anna" for a token of anna's.
type office struct {
	*house
	knocks []lockout.Key
	asked  []string
	until  time.Time // of who is proven
}

func (h *office) Check(k lockout.Key) lockout.Decision {
	h.knocks = append(h.knocks, k)
	return h.decision
}

func (h *office) Verify(_ context.Context, _ signin.Attempt, p directory.Person, _ bool, c signin.Credential) (signin.Principal, error) {
	h.asked = append(h.asked, c.Authcid+">"+c.Name())
	who := p
	if c.Authzid != "" {
		who = h.people[c.Authcid]
	}
	switch shown := string(c.Secret()); {
	case strings.HasPrefix(shown, "of-"):
		who = h.people[strings.TrimPrefix(shown, "of-")+"@example.org"]
	case shown != "right" || who.ID == "":
		return signin.Principal{}, &authn.Refusal{Code: signin.WrongCredentials}
	}
	if who.Disabled {
		return signin.Principal{}, &authn.Refusal{Code: signin.UserDisabled}
	}
	return signin.Principal{Person: who.ID, Address: who.Address, Methods: policy.MethodPassword, Until: h.until}, nil
}

func openOffice(r rights, p ...policy.Policy) (*office, *Gate) {
	s := snapshot(policy.Source{Version: 1, Policies: p, Mailboxes: map[string]policy.Settings{"closed": closedToIMAP()}})
	inner, g := open(s)
	h := &office{house: inner}
	for _, local := range []string{"anna", "sales", "closed", "leaver"} {
		h.people[local+"@example.org"] = directory.Person{ID: local, Address: local + "@example.org", Groups: []string{"g-" + local}, Backend: "at-" + local, Disabled: local == "sales" || local == "leaver"}
	}
	g.Guard, g.Verifier, g.Delegates = h, h, r
	return h, g
}

func closedToIMAP() policy.Settings {
	var s policy.Settings
	off := false
	s.Set("ImapEnabled", &off)
	return s
}

func asDelegate(person, mailbox, secret string) signin.Credential {
	return signin.NewCredential(policy.CredentialPassword, "PLAIN", person, mailbox, []byte(secret))
}

var anna = rights{"anna>sales": {}, "anna>closed": {}, "leaver>sales": {}}

// Whoever opens another's mailbox is judged as themselves, whether they say so
// by an authorization identity or by the name they type.
func TestADelegateIsJudgedAsThemselves(t *testing.T) {
	for _, c := range []signin.Credential{asDelegate("anna@example.org", "sales@example.org", "right"), password(`anna@example.org\sales@example.org`, "right"),
		token("sales@example.org", "of-anna"), token(`anna@example.org\sales@example.org`, "of-anna")} {
		h, g := openOffice(anna)
		o := g.SignIn(t.Context(), attempt(), c)
		f := &o.Facts
		if !o.Allowed() || f.Person != "anna" || !slices.Equal(f.Groups, []string{"g-anna"}) || f.Mailbox != "sales" || !slices.Equal(f.MailboxGroups, []string{"g-sales"}) ||
			f.Address != "sales@example.org" || o.Actor != "anna@example.org" || o.Principal.Person != "anna" || o.Backend != "at-sales" {
			t.Errorf("%s: %v %s, %+v", c.Name(), o.Code, o.Detail, f)
			continue
		}
		e := h.success[0]
		if e.Actor != "anna@example.org" || e.User() != "anna@example.org" || e.Backend != "at-sales" || !strings.Contains(e.Typed, "sales@example.org") {
			t.Errorf("recorded %+v", e)
		}
		if c.Kind == policy.CredentialPassword && h.knocks[0].Person != "anna" {
			t.Errorf("the guard counts %+v", h.knocks[0])
		}
	}
	// A policy for the person holds, one for the mailbox's own does not.
	for who, allowed := range map[string]bool{"anna": false, "sales": true} {
		block := policy.Policy{ID: "block", State: policy.Enabled, Grant: &policy.Grant{Controls: policy.ControlBlock},
			Conditions: policy.Conditions{Users: &policy.Users{Include: policy.People{Users: []string{who}}}}}
		for _, c := range []signin.Credential{asDelegate("anna@example.org", "sales@example.org", "right"), token("sales@example.org", "of-anna")} {
			_, g := openOffice(anna, block)
			if o := g.SignIn(t.Context(), attempt(), c); o.Allowed() != allowed {
				t.Errorf("a policy against %s: %v by %v", who, o.Code, c.Kind)
			}
		}
	}
	// The switches are the mailbox's.
	h, g := openOffice(anna)
	if o := g.SignIn(t.Context(), attempt(), asDelegate("anna@example.org", "closed@example.org", "right")); o.Code != signin.SwitchedOff || len(h.asked) > 0 {
		t.Errorf("a mailbox without IMAP: %v, asked %v", o.Code, h.asked)
	}
}

func TestWhoMayNotOpenAMailbox(t *testing.T) {
	for _, c := range []struct {
		name string
		cred signin.Credential
		p    protocol.Protocol
		code signin.Code
	}{
		{"no right", asDelegate("mary@example.org", "sales@example.org", "right"), protocol.IMAP, signin.IdentityOfAnother},
		{"no right, by token", token("sales@example.org", "of-mary"), protocol.IMAP, signin.IdentityOfAnother},
		{"another protocol", asDelegate("anna@example.org", "sales@example.org", "right"), protocol.POP3, signin.IdentityOfAnother},
		{"disabled", asDelegate("leaver@example.org", "sales@example.org", "right"), protocol.IMAP, signin.UserDisabled},
		{"the mailbox itself, disabled", password("sales@example.org", "right"), protocol.IMAP, signin.UserDisabled},
		{"no such mailbox", asDelegate("anna@example.org", "none@example.org", "right"), protocol.IMAP, signin.IdentityOfAnother},
		{"wrong password", asDelegate("anna@example.org", "sales@example.org", "wrong"), protocol.IMAP, signin.WrongCredentials},
		{"nobody", asDelegate("none@example.org", "sales@example.org", "right"), protocol.IMAP, signin.WrongCredentials},
		{"a name that is none", asDelegate("a\x00", "sales@example.org", "right"), protocol.IMAP, signin.CredentialMalformed},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, g := openOffice(anna)
			a := attempt()
			a.Protocol = c.p
			o := g.SignIn(t.Context(), a, c.cred)
			if o.Allowed() || o.Code != c.code {
				t.Errorf("%s: %v %s", c.name, o.Code, o.Detail)
			}
			if may := c.name == "wrong password" || c.name == "disabled"; !may && o.Facts.Mailbox != "" {
				t.Errorf("%s: the mailbox is in the facts: %+v", c.name, o.Facts)
			}
			if len(h.success) > 0 {
				t.Errorf("%s: recorded as a success", c.name)
			}
		})
	}
}

// Neither words nor time tell whether a mailbox exists, or a right to it, or the
// person who is named beside it.
func TestNamingAMailboxTellsNothing(t *testing.T) {
	type told struct {
		tone signin.Tone
		code signin.Code
		took time.Duration
	}
	answers := map[told][]string{}
	for _, person := range []string{"anna", "mary", "leaver", "none"} {
		for _, mailbox := range []string{"sales", "closed", "old", "none"} {
			for _, shown := range []string{"wrong", "right"} {
				if person == "anna" && (mailbox == "sales" && shown == "right") || person == mailbox {
					continue
				}
				synctest.Test(t, func(t *testing.T) {
					h, g := openOffice(anna)
					start := time.Now()
					o := g.SignIn(t.Context(), attempt(), asDelegate(person+"@example.org", mailbox+"@example.org", shown))
					k := told{o.Reply.Tone, o.Reply.Code, time.Since(start)}
					answers[k] = append(answers[k], person+">"+mailbox+" "+shown)
					if want := ""; h.knocks[0].Person != want && person == "none" || person == "none" && h.knocks[0].Name != "none@example.org" {
						t.Errorf("a stranger's guesses are counted by %+v", h.knocks[0])
					}
				})
			}
		}
	}
	if len(answers) != 1 {
		t.Errorf("told apart: %v", answers)
	}
}

func TestAMailServerThatLendsNoMailboxIsSaid(t *testing.T) {
	h, g := openOffice(anna)
	h.house.known = true // where the person has signed in before, the reason may be told
	g.Lends = func(mailbox directory.Person) bool { return mailbox.Backend != "at-sales" }
	o := g.SignIn(t.Context(), attempt(), asDelegate("anna@example.org", "sales@example.org", "right"))
	if o.Allowed() || o.Code != signin.NotLent || !strings.Contains(o.Reply.Text, "PR1031") {
		t.Errorf("%v, told %q", o.Code, o.Reply.Text)
	}
	if o = g.SignIn(t.Context(), attempt(), password("anna@example.org", "right")); !o.Allowed() {
		t.Errorf("her own mailbox: %v", o.Code)
	}
}

func TestARightTakenBackWhileSigningIn(t *testing.T) {
	r := rights{"anna>sales": {}}
	h, g := openOffice(r)
	o := g.SignIn(t.Context(), attempt(), asDelegate("anna@example.org", "sales@example.org", "right"))
	if again := g.Rejudge(t.Context(), o); !again.Allowed() || again.Actor != o.Actor {
		t.Fatalf("%v %s", again.Code, again.Detail)
	}
	end := time.Now().Add(time.Hour)
	r["anna>sales"] = end
	if again := g.Rejudge(t.Context(), o); !again.Principal.Until.Equal(end) {
		t.Errorf("shortened: until %v", again.Principal.Until)
	}
	for what, change := range map[string]func(){
		"taken back":       func() { delete(r, "anna>sales") },
		"mailbox deleted":  func() { delete(h.people, "sales@example.org") },
		"delegate deleted": func() { delete(h.people, "anna@example.org") },
		"directory away":   func() { h.away = true },
	} {
		r["anna>sales"], h.away = time.Time{}, false
		h.people["anna@example.org"] = directory.Person{ID: "anna", Address: "anna@example.org"}
		h.people["sales@example.org"] = directory.Person{ID: "sales", Address: "sales@example.org"}
		change()
		if again := g.Rejudge(t.Context(), o); again.Allowed() {
			t.Errorf("%s: still allowed", what)
		}
	}
}

// window is an adopted one, which ends by no date.
type window struct{ until time.Time }

func (w window) Open(approval.Knock) (approval.Pass, bool) {
	return approval.Pass{Methods: policy.MethodKnownProgram, Grant: "window:1", Until: w.until}, true
}
func (window) Ask(approval.Knock)             {}
func (window) Denied(string, netip.Addr) bool { return false }

func TestAWindowOutlivesNoRight(t *testing.T) {
	now := time.Now()
	soon, late := now.Add(time.Hour), now.Add(2*time.Hour)
	for _, c := range []struct{ right, window, want time.Time }{{soon, time.Time{}, soon}, {soon, late, soon}, {late, soon, soon}, {time.Time{}, soon, soon}, {time.Time{}, time.Time{}, time.Time{}}} {
		h, g := openOffice(rights{"anna>sales": c.right})
		h.until, g.Windows = c.right, window{c.window}
		o := g.SignIn(t.Context(), attempt(), asDelegate("anna@example.org", "sales@example.org", "right"))
		if !o.Allowed() || o.Principal.Grant != "window:1" || !o.Principal.Until.Equal(c.want) {
			t.Errorf("right until %v, window until %v: %v until %v", c.right, c.window, o.Code, o.Principal.Until)
		}
	}
}

func TestNoDelegatesAtThePortal(t *testing.T) {
	h, g := openOffice(anna)
	a := attempt()
	a.Protocol = protocol.Portal
	o := g.SignIn(t.Context(), a, password(`anna@example.org\sales@example.org`, "right"))
	if o.Allowed() || o.Facts.Mailbox != "" {
		t.Errorf("%v, asked %v", o.Facts, h.asked)
	}
}

func TestWithoutDelegatesNobodyOpensAnothersMailbox(t *testing.T) {
	h, g := openOffice(nil)
	g.Delegates = nil
	for _, c := range []signin.Credential{asDelegate("anna@example.org", "sales@example.org", "right"), token("old@example.org", "of-anna")} {
		if o := g.SignIn(t.Context(), attempt(), c); o.Allowed() || o.Code != signin.IdentityOfAnother {
			t.Errorf("%v %s; asked %v", o.Code, o.Detail, h.asked)
		}
	}
	h.away = true
	if o := g.SignIn(t.Context(), attempt(), asDelegate("anna@example.org", "sales@example.org", "right")); o.Code != signin.DirectoryAway {
		t.Errorf("the directory away: %v", o.Code)
	}
}
