package gate

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

var mailDoors = []protocol.Protocol{protocol.IMAP, protocol.POP3, protocol.Submission}

func asked(methods policy.Methods) Asked {
	return Asked{Principal: signin.Principal{Person: "mary", Address: "mary@example.org", Methods: methods, AuthTime: time.Now(), Grant: "oauth:1"},
		Protocols: mailDoors, Mechanism: AuthorizationCode, Client: "Thunderbird"}
}

func at(p protocol.Protocol, c policy.Controls) policy.Policy {
	return policy.Policy{ID: p.String() + string(rune('a'+c)), State: policy.Enabled, Grant: &policy.Grant{Controls: c},
		Conditions: policy.Conditions{Users: everybody, Applications: &policy.Applications{Include: []string{p.AppID()}}}}
}

func between(from, to string) location.Range {
	return location.Range{From: netip.MustParseAddr(from), To: netip.MustParseAddr(to)}
}

const two = policy.MethodPassword | policy.MethodSoftwareOath

// What is told of the doors that tokens would open: first that more could be
// proven, then that one of them is open, then why none is.
func TestGrantIsJudgedAtEveryDoorThatItOpens(t *testing.T) {
	for name, c := range map[string]struct {
		rules   []policy.Policy
		methods policy.Methods
		effect  policy.Effect
		code    signin.Code
		door    protocol.Protocol
	}{
		"no policy":                     {nil, policy.MethodPassword, policy.Allow, 0, protocol.IMAP},
		"two factors at IMAP, one had":  {[]policy.Policy{at(protocol.IMAP, policy.ControlMFA)}, policy.MethodPassword, policy.Interrupt, signin.MFARequired, protocol.IMAP},
		"two factors at POP3, one had":  {[]policy.Policy{at(protocol.POP3, policy.ControlMFA)}, policy.MethodPassword, policy.Interrupt, signin.MFARequired, protocol.POP3},
		"two factors, two had":          {[]policy.Policy{at(protocol.IMAP, policy.ControlMFA)}, two, policy.Allow, 0, protocol.IMAP},
		"POP3 is closed":                {[]policy.Policy{at(protocol.POP3, policy.ControlBlock)}, two, policy.Allow, 0, protocol.IMAP},
		"IMAP is closed":                {[]policy.Policy{at(protocol.IMAP, policy.ControlBlock)}, two, policy.Allow, 0, protocol.POP3},
		"all are closed":                {[]policy.Policy{at(protocol.IMAP, policy.ControlBlock), at(protocol.POP3, policy.ControlBlock), at(protocol.Submission, policy.ControlBlock)}, two, policy.Block, signin.BlockedByPolicy, protocol.IMAP},
		"closed, and two factors asked": {[]policy.Policy{at(protocol.IMAP, policy.ControlBlock), at(protocol.IMAP, policy.ControlMFA), at(protocol.POP3, policy.ControlBlock), at(protocol.Submission, policy.ControlBlock)}, policy.MethodPassword, policy.Block, signin.BlockedByPolicy, protocol.IMAP},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, g := open(policies(c.rules...))
				began := time.Now()
				out := g.Grant(t.Context(), attempt(), asked(c.methods))
				if out.Verdict.Effect != c.effect || out.Code != c.code || out.Facts.Protocol != c.door || out.Allowed() != (c.effect == policy.Allow) {
					t.Errorf("%v %v at %v: %+v", out.Verdict.Effect, out.Code, out.Facts.Protocol, out.Verdict)
				}
				if len(h.success)+len(h.refusal) != 1 {
					t.Fatalf("%d successes and %d refusals were written", len(h.success), len(h.refusal))
				}
				e := append(h.success, h.refusal...)[0]
				if e.Mechanism != "authorization_code" || !e.Interactive() || e.Grant != "oauth:1" || !strings.Contains(e.Detail, "Thunderbird") {
					t.Errorf("the event: %+v", e)
				}
				if !out.Allowed() && (out.Reply.Code != c.code || out.Reply.Text == "") {
					t.Errorf("told: %+v", out.Reply)
				}
				if time.Since(began) != 0 {
					t.Errorf("it took %s: nothing was guessed at", time.Since(began))
				}
			})
		})
	}
}

// A proof that has become too old interrupts a refresh: only the sign-in window helps.
func TestRefreshIsHeldToSignInFrequency(t *testing.T) {
	rule := policy.Policy{ID: "daily", State: policy.Enabled, Conditions: policy.Conditions{Users: everybody}, Session: policy.Session{Frequency: &policy.Frequency{Every: 24 * time.Hour}}}
	_, g := open(policies(rule))
	q := asked(two)
	q.Mechanism, q.Principal.AuthTime = RefreshToken, time.Now().Add(-23*time.Hour)
	if out := g.Grant(t.Context(), attempt(), q); !out.Allowed() {
		t.Errorf("after 23 h: %v", out.Code)
	}
	q.Principal.AuthTime = time.Now().Add(-25 * time.Hour)
	if out := g.Grant(t.Context(), attempt(), q); out.Verdict.Effect != policy.Interrupt || out.Code != signin.SignInTooOld {
		t.Errorf("after 25 h: %v, %v", out.Verdict.Effect, out.Code)
	}
}

func TestNobodyIsGivenTokensWhoIsGoneOrNotThemselves(t *testing.T) {
	_, g := open(policies())
	for address, want := range map[string]signin.Code{"gone@example.org": signin.UserDisabled, "old@example.org": signin.UserUnknown, "nobody@example.org": signin.UserUnknown} {
		q := asked(two)
		q.Principal.Address = address
		if address == "gone@example.org" {
			q.Principal.Person = "gone"
		}
		if out := g.Grant(t.Context(), attempt(), q); out.Allowed() || out.Code != want {
			t.Errorf("%s: %v", address, out.Code)
		}
	}
}

// A device code works where the program and the browser are together; elsewhere
// only where a policy has named the flow.
func TestDeviceCodeCountsOnlyNearby(t *testing.T) {
	named := func(c policy.Controls) policy.Policy {
		return policy.Policy{ID: "flow", State: policy.Enabled, Grant: &policy.Grant{Controls: c}, Conditions: policy.Conditions{Users: everybody, TransferMethods: policy.DeviceCodeFlow}}
	}
	office := location.Named{ID: "office", Trusted: true, Ranges: []location.Range{between("192.0.2.0", "192.0.2.255"), between("198.51.100.0", "198.51.100.255")}}
	reporting := named(policy.ControlMFA)
	reporting.State = policy.ReportOnly
	for name, c := range map[string]struct {
		src  policy.Source
		from string
		code signin.Code
	}{
		"the same network":                 {policy.Source{}, "192.0.2.200", 0},
		"elsewhere":                        {policy.Source{}, "198.51.100.9", signin.FlowNotAllowed},
		"one trusted location":             {policy.Source{Locations: []location.Named{office}}, "198.51.100.9", 0},
		"elsewhere, trusted here":          {policy.Source{Locations: []location.Named{office}}, "203.0.113.1", signin.FlowNotAllowed},
		"elsewhere, and a policy names it": {policy.Source{Policies: []policy.Policy{named(policy.ControlMFA)}}, "198.51.100.9", 0},
		"elsewhere, named in a report":     {policy.Source{Policies: []policy.Policy{reporting}}, "198.51.100.9", signin.FlowNotAllowed},
		"elsewhere, other policies apply":  {policy.Source{Policies: []policy.Policy{requireTwo()}}, "198.51.100.9", signin.FlowNotAllowed},
		"near, and a policy forbids it":    {policy.Source{Policies: []policy.Policy{named(policy.ControlBlock)}}, "192.0.2.200", signin.BlockedByPolicy},
		"nowhere":                          {policy.Source{}, "", signin.FlowNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			c.src.Version = 1
			_, g := open(snapshot(c.src))
			q := asked(two)
			q.Mechanism, q.Principal.Flow = DeviceCode, policy.DeviceCodeFlow
			if c.from != "" {
				q.From = netip.MustParseAddr(c.from)
			}
			out := g.Grant(t.Context(), attempt(), q)
			if out.Code != c.code || out.Allowed() != (c.code == 0) {
				t.Errorf("%v: %+v", out.Code, out.Verdict)
			}
			if name, ok := (&signin.Event{Detail: out.Detail}).ForClient(); !ok || name != "Thunderbird" {
				t.Errorf("the log says %q", out.Detail)
			}
		})
	}
}

func requireTwo() policy.Policy {
	return policy.Policy{ID: "two", State: policy.Enabled, Grant: &policy.Grant{Controls: policy.ControlMFA}, Conditions: policy.Conditions{Users: everybody}}
}

// The program's own place is judged too: a code read out at the office gives a
// program in a forbidden country nothing.
func TestDeviceCodeIsJudgedWhereTheProgramIs(t *testing.T) {
	away := location.Named{ID: "away", Ranges: []location.Range{between("192.0.2.200", "192.0.2.200")}}
	rule := policy.Policy{ID: "place", State: policy.Enabled, Grant: &policy.Grant{Controls: policy.ControlBlock},
		Conditions: policy.Conditions{Users: everybody, Locations: &policy.Locations{Include: []string{"away"}}}}
	_, g := open(snapshot(policy.Source{Version: 1, Policies: []policy.Policy{rule}, Locations: []location.Named{away}}))
	q := asked(two)
	q.Mechanism, q.Principal.Flow, q.From = DeviceCode, policy.DeviceCodeFlow, netip.MustParseAddr("192.0.2.200")
	if out := g.Grant(t.Context(), attempt(), q); out.Code != signin.BlockedByPolicy {
		t.Errorf("%v", out.Code)
	}
}

// What was used before, or has ended, stands in the person's log with its reason.
func TestWithholdingStandsInTheLog(t *testing.T) {
	h, g := open(policies())
	q := asked(two)
	q.Mechanism = RefreshToken
	out := g.Withhold(t.Context(), attempt(), q, signin.GrantReplayed, "shown again from 198.51.100.0/24")
	if out.Allowed() || len(h.success) != 0 || len(h.refusal) != 1 {
		t.Fatalf("%+v", out)
	}
	if e := h.refusal[0]; e.Code != signin.GrantReplayed || e.User() != "mary@example.org" || !strings.Contains(e.Detail, "198.51.100.0/24") || e.Grant != "oauth:1" {
		t.Errorf("%+v", e)
	}
	if out.Reply.Code != signin.GrantReplayed || !strings.Contains(out.Reply.Text, string(out.Reference)) {
		t.Errorf("told: %+v", out.Reply)
	}
}

// A sign-in with a token of ours names the program that it was given to.
func TestATokenNamesItsProgram(t *testing.T) {
	h, g := open(policies())
	h.client = `A "mail" program`
	g.TokenForm = func(b []byte) bool { return string(b) == "right" }
	for mechanism, kind := range map[string]policy.CredentialKind{"XOAUTH2": policy.CredentialBearer, "PLAIN": policy.CredentialPassword} {
		out := g.SignIn(t.Context(), attempt(), signin.NewCredential(kind, mechanism, "mary@example.org", "", []byte("right")))
		if !out.Allowed() {
			t.Fatal(out.Code)
		}
		e := h.success[len(h.success)-1]
		if name, ok := e.ForClient(); !ok || name != h.client || strings.Contains(e.Detail, "in the password's place") != (mechanism == "PLAIN") {
			t.Errorf("%s: %q", mechanism, e.Detail)
		}
	}
}
