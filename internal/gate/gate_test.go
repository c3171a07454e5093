package gate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portreeve/portreeve/internal/authn"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/lockout"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
)

const floor = 500 * time.Millisecond

// house is a gate with small parts of known behaviour, which note what they were asked.
type house struct {
	mu       sync.Mutex // over what is noted
	people   map[string]directory.Person
	away     bool
	decision lockout.Decision
	noted    []lockout.Result
	verified []string
	refuse   error
	released []signin.ID
	success  []*signin.Event
	refusal  []*signin.Event
	full     error
	known    bool
	slow     time.Duration
	client   string // whom a bearer token was given to
}

func note[T any](h *house, list *[]T, x T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*list = append(*list, x)
}

func (h *house) Canonical(_, typed string) (string, error) {
	if strings.ContainsAny(typed, "\r\n\x00") {
		return "", errors.New("a control character")
	}
	return strings.ToLower(typed), nil
}

func (h *house) Delegated(_, typed string) (person, mailbox string, ok bool) {
	return strings.Cut(typed, `\`)
}

func (h *house) Lookup(_ context.Context, address string) (directory.Person, bool, error) {
	if h.away {
		return directory.Person{}, false, errors.New("directory away")
	}
	p, ok := h.people[address]
	return p, ok, nil
}

func (h *house) Check(lockout.Key) lockout.Decision            { return h.decision }
func (h *house) Note(_ lockout.Key, r lockout.Result)          { note(h, &h.noted, r) }
func (h *house) Release(id signin.ID)                          { note(h, &h.released, id) }
func (h *house) KnownNetwork(person string, _ netip.Addr) bool { return h.known && person != "" }

func (h *house) Verify(_ context.Context, _ signin.Attempt, p directory.Person, _ bool, c signin.Credential) (signin.Principal, error) {
	note(h, &h.verified, c.Name())
	time.Sleep(h.slow)
	if h.refuse != nil {
		return signin.Principal{}, h.refuse
	}
	if string(c.Secret()) != "right" {
		return signin.Principal{}, &authn.Refusal{Code: signin.WrongCredentials}
	}
	m := policy.MethodPassword
	if c.Kind == policy.CredentialBearer {
		m |= policy.MethodSoftwareOath
		return signin.Principal{Person: p.ID, Address: p.Address, Methods: m, AuthTime: time.Now(), Client: h.client}, nil
	}
	return signin.Principal{Person: p.ID, Address: p.Address, Methods: m, AuthTime: time.Now(), Held: true}, nil
}

func (h *house) Success(_ context.Context, e *signin.Event) (signin.Reference, error) {
	if h.full != nil {
		return "", h.full
	}
	note(h, &h.success, e)
	return e.ID.Reference(), nil
}

func (h *house) Refusal(e *signin.Event) signin.Reference {
	note(h, &h.refusal, e)
	return e.ID.Reference()
}

// Some policies.
func policies(p ...policy.Policy) *policy.Snapshot {
	return snapshot(policy.Source{Version: 1, Policies: p})
}

func snapshot(src policy.Source) *policy.Snapshot {
	s, _ := policy.Compile(src)
	return s
}

var everybody = &policy.Users{Include: policy.People{All: true}}

func blockPasswords(exempt ...string) policy.Policy {
	users := *everybody
	users.Exclude.Users = exempt
	return policy.Policy{ID: "block", State: policy.Enabled, Grant: &policy.Grant{Controls: policy.ControlBlock},
		Conditions: policy.Conditions{Users: &users, ClientAppTypes: policy.ClientAppOther}}
}

func requireMFA() policy.Policy {
	granted := &policy.Strength{ID: "granted", Combinations: []policy.Combination{{Methods: policy.MethodPassword | policy.MethodApprovalWindow}, {Methods: policy.MethodFIDO2}}}
	return policy.Policy{ID: "mfa", State: policy.Enabled, Grant: &policy.Grant{Controls: policy.ControlStrength, Strength: granted}, Conditions: policy.Conditions{Users: everybody}}
}

func open(s *policy.Snapshot) (*house, *Gate) {
	h := &house{decision: lockout.Pass, people: map[string]directory.Person{
		"mary@example.org": {ID: "mary", Address: "mary@example.org"},
		"old@example.org":  {ID: "old", Address: "old@example.org"},
		"gone@example.org": {ID: "gone", Address: "gone@example.org", Disabled: true},
	}}
	g := New(Options{Names: h, People: h, Guard: h, Verifier: h, Log: h, Fingerprint: func(b []byte) secret.Print { return secret.Print{} },
		Words: Words{DefaultFloor: floor}}, s)
	return h, g
}

func attempt() signin.Attempt {
	return signin.Attempt{At: time.Now(), Protocol: protocol.IMAP, Listener: "imap", Client: netip.MustParseAddrPort("192.0.2.7:1000")}
}

func password(name, secret string) signin.Credential {
	return signin.NewCredential(policy.CredentialPassword, "PLAIN", name, "", []byte(secret))
}

func token(name, secret string) signin.Credential {
	return signin.NewCredential(policy.CredentialBearer, "XOAUTH2", name, "", []byte(secret))
}

func steps(o signin.Outcome) (names []signin.StepName) {
	for _, s := range o.Steps {
		names = append(names, s.Name)
	}
	return names
}

func TestASignInIsToldInOneOrder(t *testing.T) {
	h, g := open(policies())
	o := g.SignIn(t.Context(), attempt(), password("Mary@Example.org", "right"))
	if !o.Allowed() || o.Facts.Person != "mary" || o.Facts.Address != "mary@example.org" || o.Typed != "Mary@Example.org" {
		t.Fatalf("outcome %+v", o)
	}
	want := []signin.StepName{signin.StepWho, signin.StepGuard, signin.StepPreauth, signin.StepVerify, signin.StepEvaluate}
	if !slices.Equal(steps(o), want) {
		t.Errorf("steps %v, want %v", steps(o), want)
	}
	if len(h.success) != 1 || len(h.refusal) != 0 || o.Reference != h.success[0].ID.Reference() {
		t.Errorf("recorded %d successes and %d refusals", len(h.success), len(h.refusal))
	}
	if !slices.Equal(h.noted, []lockout.Result{lockout.Unjudged}) {
		t.Errorf("the guard was told %v", h.noted)
	}
}

func TestAPasswordThatCannotMatterIsNeverLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(policies(blockPasswords()))
		o := g.SignIn(t.Context(), attempt(), password("mary@example.org", "right"))
		if o.Allowed() || o.Code != signin.BlockedByPolicy || o.Verdict.Stage != policy.StageEarlyBlock {
			t.Fatalf("outcome %v at %v", o.Code, o.Verdict.Stage)
		}
		if len(h.verified) != 0 {
			t.Error("the password was looked at")
		}
		if o.Reply.Tone != signin.Early || !strings.HasPrefix(o.Reply.Text, "PR53003 ") {
			t.Errorf("told %+v", o.Reply)
		}
		if o = g.SignIn(t.Context(), attempt(), token("mary@example.org", "right")); !o.Allowed() {
			t.Errorf("a token is refused with %v", o.Code)
		}
	})
}

// What a refusal says and how long it takes must be what nobody in particular
// would get: here, four people on whom policy and password differ.
func TestRefusalsAreNoListOfTheExempt(t *testing.T) {
	for name, s := range map[string]*policy.Snapshot{
		"everybody blocked but one": policies(blockPasswords("old")),
		"nobody blocked":            policies(),
		"second factor asked":       policies(requireMFA()),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []string
				for _, c := range []signin.Credential{password("mary@example.org", "wrong"), password("old@example.org", "wrong"),
					password("nobody@example.org", "wrong"), password("gone@example.org", "right")} {
					h, g := open(s)
					h.slow = 100 * time.Millisecond
					if c.Name() == "nobody@example.org" {
						h.slow = 0
					}
					began := time.Now()
					o := g.SignIn(t.Context(), attempt(), c)
					if o.Allowed() {
						t.Fatalf("%s was let in", c.Name())
					}
					words, _, _ := strings.Cut(o.Reply.Text, " Ref ")
					told = append(told, fmt.Sprint(o.Reply.Tone, o.Reply.Code, words, time.Since(began)))
				}
				if len(slices.Compact(told)) != 1 {
					t.Errorf("refusals differ:\n%s", strings.Join(told, "\n"))
				}
			})
		})
	}
}

func TestARightPasswordThatPolicyRefusesReadsLikeAWrongOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(policies(requireMFA()))
		began := time.Now()
		right := g.SignIn(t.Context(), attempt(), password("mary@example.org", "right"))
		took := time.Since(began)
		if right.Code != signin.MFARequired || !slices.Equal(h.noted, []lockout.Result{lockout.Unjudged}) {
			t.Errorf("code %v, the guard was told %v", right.Code, h.noted)
		}
		if len(h.released) != 1 {
			t.Error("the backend login that checked the password is still held")
		}
		if right.Reply.Code != signin.WrongCredentials || right.Reply.Tone != signin.Uniform || took != floor {
			t.Errorf("told %+v after %v", right.Reply, took)
		}
	})
}

func TestTheReasonIsNamedWhereThePersonIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(policies(blockPasswords("old")))
		h.known = true
		o := g.SignIn(t.Context(), attempt(), password("mary@example.org", "x"))
		if o.Reply.Code != signin.BlockedByPolicy || o.Reply.Tone != signin.Early {
			t.Errorf("told %+v", o.Reply)
		}
		if o = g.SignIn(t.Context(), attempt(), password("old@example.org", "wrong")); o.Reply.Code != signin.WrongCredentials || o.Reply.Tone != signin.Uniform {
			t.Errorf("the exempt with a wrong password are told %+v", o.Reply)
		}
		h.decision = lockout.Wait
		if o = g.SignIn(t.Context(), attempt(), password("mary@example.org", "x")); o.Reply.Code != signin.BlockedByPolicy || o.Reply.Tone != signin.Early {
			t.Errorf("the blocked who wait are told %+v", o.Reply)
		}
		h, g = open(policies(requireMFA()))
		h.known = true
		if o = g.SignIn(t.Context(), attempt(), password("mary@example.org", "right")); o.Reply.Code != signin.MFARequired {
			t.Errorf("told %+v", o.Reply)
		}
	})
}

func TestOurOwnTroubleIsNeverAWrongPassword(t *testing.T) {
	for name, c := range map[string]struct {
		make func(*house)
		want signin.Code
	}{
		"log cannot be written": {func(h *house) { h.full = errors.New("disk full") }, signin.LogUnavailable},
		"directory away":        {func(h *house) { h.away = true }, signin.DirectoryAway},
		"backend away":          {func(h *house) { h.refuse = &authn.Trouble{Code: signin.BackendAway, Err: errors.New("down")} }, signin.BackendAway},
		"something unknown":     {func(h *house) { h.refuse = errors.New("?") }, signin.InternalFault},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, g := open(policies())
				c.make(h)
				o := g.SignIn(t.Context(), attempt(), password("mary@example.org", "right"))
				if o.Allowed() || o.Code != c.want || o.Reply.Tone != signin.Trouble {
					t.Errorf("code %v, told %+v", o.Code, o.Reply)
				}
				if slices.Contains(h.noted, lockout.WrongSecret) {
					t.Error("it counts as a guess")
				}
			})
		})
	}
}

// Where nobody in particular is refused before the password is looked at, only
// the exempt can meet trouble behind that.
func TestTroubleIsNoListOfTheExempt(t *testing.T) {
	for _, code := range []signin.Code{signin.Busy, signin.BackendAway} {
		synctest.Test(t, func(t *testing.T) {
			tell := func(name string, s *policy.Snapshot, known bool) signin.Reply {
				h, g := open(s)
				h.known, h.refuse = known, &authn.Trouble{Code: code, Err: errors.New("trouble")}
				return g.SignIn(t.Context(), attempt(), password(name, "x")).Reply
			}
			closed := policies(blockPasswords("old"))
			exempt, other := tell("old@example.org", closed, false), tell("mary@example.org", closed, false)
			if exempt.Tone != other.Tone || exempt.Code != other.Code {
				t.Errorf("the exempt are told %+v, others %+v", exempt, other)
			}
			if r := tell("old@example.org", closed, true); r.Tone != signin.Trouble || r.Code != code {
				t.Errorf("where they are known the exempt are told %+v", r)
			}
			if r := tell("old@example.org", policies(), false); r.Tone != signin.Trouble || r.Code != code {
				t.Errorf("where nobody is refused early they are told %+v", r)
			}
		})
	}
}

func TestNoDoorOpensWithoutARecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(policies())
		h.full = errors.New("disk full")
		o := g.SignIn(t.Context(), attempt(), password("mary@example.org", "right"))
		if o.Allowed() || len(h.released) != 1 {
			t.Errorf("allowed %v, released %d", o.Allowed(), len(h.released))
		}
	})
}

func TestWhoKnocksTooOftenWaitsUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for decision, want := range map[lockout.Decision]signin.Code{lockout.Wait: signin.Throttled, lockout.Wrong: signin.WrongCredentials} {
			h, g := open(policies())
			h.decision = decision
			o := g.SignIn(t.Context(), attempt(), password("mary@example.org", "right"))
			if o.Code != want || len(h.verified) != 0 || o.Reply.Code != signin.WrongCredentials || len(h.noted) != 0 {
				t.Errorf("%v: code %v, verified %v, told %+v, noted %v", decision, o.Code, h.verified, o.Reply, h.noted)
			}
		}
	})
}

// Who shows the right password and is asked for more has guessed nothing, however
// often; who shows a wrong one beside is counted as ever.
func TestWhoIsAskedForMoreHasGuessedNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(policies(policy.Policy{ID: "mfa", State: policy.Enabled, Grant: &policy.Grant{Controls: policy.ControlMFA}, Conditions: policy.Conditions{Users: everybody}}))
		prints := secret.NewPrints()
		g.Guard, g.Fingerprint = lockout.New(lockout.Options{}), func(b []byte) secret.Print { return prints.Of(b) }
		a := attempt()
		a.Protocol = protocol.Portal
		for i := range 100 {
			if o := g.SignIn(t.Context(), a, password("mary@example.org", "right")); o.Code != signin.MFARequired || len(h.verified) != i+1 {
				t.Fatalf("the %dth was %v", i, o.Code)
			}
		}
		for _, e := range h.refusal {
			if e.Ending() != signin.EndInterrupted {
				t.Fatalf("in the log it %s", e.Ending())
			}
		}
		waited := false
		for i := range 100 {
			o := g.SignIn(t.Context(), a, password("mary@example.org", fmt.Sprint("wrong", i)))
			waited = waited || o.Code == signin.Throttled
		}
		if !waited {
			t.Error("a hundred wrong passwords were all looked at")
		}
	})
}

// A webmail host that says nothing of its browsers is not who guesses.
func TestAForwardersOwnAddressIsMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		webmail := netip.MustParseAddrPort("192.0.2.80:2000")
		for _, c := range []struct {
			forwarder string
			client    netip.AddrPort
			want      bool
		}{{"", webmail, false}, {"roundcube", webmail, true}, {"roundcube", netip.MustParseAddrPort("198.51.100.7:3000"), false}} {
			h, g := open(policies())
			a := attempt()
			a.Forwarder, a.Peer, a.Client = c.forwarder, webmail, c.client
			g.SignIn(t.Context(), a, password("mary@example.org", "wrong"))
			if got := h.refusal[0].Unnamed; got != c.want {
				t.Errorf("forwarder %q with %v: marked %v, want %v", c.forwarder, c.client, got, c.want)
			}
		}
	})
}

func TestAChangeIsJudgedWithoutVerifyingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(policies())
		first := g.SignIn(t.Context(), attempt(), password("mary@example.org", "right"))
		g.SetPolicy(snapshot(policy.Source{Version: 2, Policies: []policy.Policy{blockPasswords()}}))
		second := g.Rejudge(t.Context(), first)
		if second.Allowed() || second.Attempt.ID == first.Attempt.ID || len(h.verified) != 1 {
			t.Errorf("allowed %v, verified %d times", second.Allowed(), len(h.verified))
		}
		if len(h.success) != 1 || len(h.refusal) != 1 {
			t.Errorf("%d successes and %d refusals were recorded", len(h.success), len(h.refusal))
		}
	})
}

func TestAPersonWhoChangedMeanwhileIsJudgedAsTheyAreNow(t *testing.T) {
	for _, c := range []struct {
		now  *directory.Person // nil: deleted
		code signin.Code
	}{
		{nil, signin.UserUnknown},
		{&directory.Person{ID: "another", Address: "mary@example.org"}, signin.UserUnknown},
		{&directory.Person{ID: "mary", Address: "mary@example.org", Disabled: true}, signin.UserDisabled},
		{&directory.Person{ID: "mary", Address: "mary@example.org", Groups: []string{"barred"}}, signin.BlockedByPolicy},
		{&directory.Person{ID: "mary", Address: "mary@example.org", Groups: []string{"staff"}}, signin.OK},
	} {
		synctest.Test(t, func(t *testing.T) {
			barred := policy.Policy{ID: "barred", State: policy.Enabled, Grant: &policy.Grant{Controls: policy.ControlBlock},
				Conditions: policy.Conditions{Users: &policy.Users{Include: policy.People{Groups: []string{"barred"}}}}}
			h, g := open(policies(barred))
			first := g.SignIn(t.Context(), attempt(), password("mary@example.org", "right"))
			if !first.Allowed() {
				t.Fatalf("refused with %v", first.Code)
			}
			if delete(h.people, "mary@example.org"); c.now != nil {
				h.people["mary@example.org"] = *c.now
			}
			second := g.Rejudge(t.Context(), first)
			if second.Code != c.code || second.Allowed() != (c.code == signin.OK) || len(h.verified) != 1 {
				t.Errorf("%+v: code %v, allowed %v, verified %d times", c.now, second.Code, second.Allowed(), len(h.verified))
			}
		})
	}
}

func TestAnObservedSignInIsNeverRefused(t *testing.T) {
	h, g := open(policies(blockPasswords()))
	if _, err := g.Observe(t.Context(), attempt(), "mary@example.org", "PLAIN", policy.CredentialPassword, "dovecot", true); err != nil {
		t.Fatal(err)
	}
	e := h.success[0]
	if !e.Observed || !e.Succeeded() || e.Verdict.Allowed() || len(h.verified) != 0 || len(h.noted) != 0 {
		t.Errorf("event %+v", e)
	}
}

func TestRepliesAreShortAndPlain(t *testing.T) {
	g := &Gate{Options: Options{Words: Words{HelpURL: "https://door.example.org"}}}
	for _, m := range signin.Meanings() {
		if m.User == "" {
			continue
		}
		r := g.say(signin.Early, m.Code, "7K4Q-9ZMD-2XWT")
		if len(r.Text) > maxReply || !strings.HasPrefix(r.Text, m.Code.String()) || !strings.HasSuffix(r.Text, "/r/7K4Q-9ZMD-2XWT") {
			t.Errorf("%q", r.Text)
		}
		for _, c := range r.Text {
			if c < ' ' || c > '~' {
				t.Errorf("%q holds %q", r.Text, c)
			}
		}
		if !strings.Contains(r.Text, m.User) {
			t.Errorf("%v is cut short: %q", m.Code, r.Text)
		}
	}
}

func TestSecretsAreNeverRecorded(t *testing.T) {
	h, g := open(policies())
	g.SignIn(t.Context(), attempt(), password("mary@example.org", "hunter2"))
	g.SignIn(t.Context(), attempt(), password("mary@example.org", "right"))
	for _, e := range append(h.success, h.refusal...) {
		if s := fmt.Sprintf("%+v", *e); strings.Contains(s, "hunter2") || strings.Contains(s, "right") {
			t.Errorf("event %s", s)
		}
	}
}
