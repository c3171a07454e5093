package gate

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/portreeve/portreeve/internal/authn"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/lockout"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// telling is one sign-in while it is being decided.
type telling struct {
	g       *Gate
	s       *policy.Snapshot
	cred    signin.Credential
	person  directory.Person // who signs in
	known   bool
	mailbox directory.Person // whose mailbox is meant; the person's own unless they are a delegate
	exists  bool             // somebody has the mailbox
	named   bool             // who signs in was named beside the mailbox
	knock   lockout.Key
	crowd   int32 // credentials under way when this one began or ended, itself included
	passed  bool  // the guard let it through and has not been told yet what it came to
	out     signin.Outcome
	started time.Time
	// open says that the person is proven by what nobody can guess: a refusal's
	// words and time have nothing to hide.
	open bool
}

func begin(g *Gate, s *policy.Snapshot, a signin.Attempt, c signin.Credential) *telling {
	if a.ID.IsZero() {
		a.ID = NewID(a.At)
	}
	if c.Kind == policy.CredentialPassword && g.AppPassword != nil && g.AppPassword(c.Secret()) {
		c.Kind = policy.CredentialAppPassword // known by its form, to everybody: it tells nothing
	}
	var detail string
	if c.Kind == policy.CredentialPassword && g.TokenForm != nil && g.TokenForm(c.Secret()) {
		c.Kind, detail = policy.CredentialBearer, "a token in the password's place"
	}
	return &telling{g: g, s: s, cred: c, started: time.Now(), out: signin.Outcome{
		Attempt: a, Typed: typed(c), Mechanism: c.Mechanism, Correlation: a.Correlation, Detail: detail,
		Verdict: policy.Verdict{Version: s.Version()},
	}}
}

// NewID names an event or a connection; crypto/rand.Read never fails on the systems we run on.
func NewID(t time.Time) signin.ID {
	var random [10]byte
	_, _ = rand.Read(random[:])
	return signin.NewID(t.UnixMilli(), random)
}

// step notes what a step came to and how long it took since the last.
func (t *telling) step(name signin.StepName, result string) {
	now := time.Now()
	t.out.Steps = append(t.out.Steps, signin.Step{Name: name, Result: result, Took: now.Sub(t.started)})
	t.started = now
}

// refuse ends the telling with a code.
func (t *telling) refuse(step signin.StepName, code signin.Code, detail string) bool {
	t.out.Code, t.out.Detail = code, detail
	t.step(step, code.String())
	return true
}

// fault ends the telling with our own trouble.
func (t *telling) fault(step signin.StepName, code signin.Code, err error) bool {
	if t.g.Fault != nil {
		t.g.Fault(t.out.Attempt, step, err)
	}
	return t.refuse(step, code, err.Error())
}

// unnamed settles who is meant and gathers the facts. A name that resolves to
// nobody goes on as the stranger.
func (t *telling) unnamed(ctx context.Context) bool {
	a := t.out.Attempt
	t.out.Facts = t.g.facts(a, t.cred.Kind, t.cred.Mechanism)
	t.split()
	address, err := t.g.Names.Canonical(a.Listener, t.cred.Name())
	if err != nil {
		return t.refuse(signin.StepWho, signin.CredentialMalformed, err.Error())
	}
	t.out.Facts.Address, t.out.Facts.Domain = address, domainOf(address)
	t.mailbox, t.exists, err = t.g.People.Lookup(ctx, address)
	if err != nil {
		return t.fault(signin.StepWho, signin.DirectoryAway, err)
	}
	t.person, t.known, t.out.Backend = t.mailbox, t.exists, t.mailbox.Backend
	if t.actsForAnother(ctx) {
		return true
	}
	t.is(t.person, t.known)
	t.knock = t.g.knock(&t.out, t.cred)
	t.step(signin.StepWho, who(t.known))
	return false
}

func who(known bool) string {
	if known {
		return "known"
	}
	return "stranger"
}

// is puts a person into the facts.
func (t *telling) is(p directory.Person, known bool) {
	f := &t.out.Facts
	if !known {
		return
	}
	f.Person, f.Groups, f.Roles, f.Guest = p.ID, p.Groups, p.Roles, p.Guest
	f.KnownNetwork = t.g.Log.KnownNetwork(p.ID, f.Addr)
}

// passedNobody says that a forwarder passed nobody on: the address is its own.
func passedNobody(a *signin.Attempt) bool {
	return a.Forwarder != "" && a.Peer.Addr() == a.Client.Addr()
}

// knock is what the guard counts by.
func (g *Gate) knock(o *signin.Outcome, c signin.Credential) lockout.Key {
	f, a := &o.Facts, &o.Attempt
	k := lockout.Key{Person: f.Person, Addr: f.Addr, Familiar: f.KnownNetwork,
		Forwarder:   passedNobody(a),
		Unguessable: unguessable(c.Kind),
		Secret:      g.Fingerprint(c.Secret())}
	if f.Person == "" {
		k.Name = f.Address
	}
	return k
}

// unguessable kinds of credential are too long to be found by trying.
func unguessable(k policy.CredentialKind) bool {
	switch k {
	case policy.CredentialBearer, policy.CredentialCertificate, policy.CredentialAppPassword, policy.CredentialPasskey:
		return true
	}
	return false
}

func (t *telling) throttled() bool {
	switch t.g.Guard.Check(t.knock) {
	case lockout.Pass:
		t.passed = true
		t.step(signin.StepGuard, "pass")
		return false
	case lockout.Wrong:
		return t.refuse(signin.StepGuard, signin.WrongCredentials, "known to be wrong")
	}
	return t.refuse(signin.StepGuard, signin.Throttled, "too many distinct wrong secrets")
}

// note tells the guard, once, what a knock that it let through came to.
func (t *telling) note(r lockout.Result) {
	if t.passed {
		t.g.Guard.Note(t.knock, r)
		t.passed = false
	}
}

func (t *telling) refusedEarly() bool {
	if t.unsaid() {
		t.step(signin.StepPreauth, "later")
		return false
	}
	t.out.Verdict = policy.Preauth(t.s, &t.out.Facts)
	if !t.out.Verdict.Allowed() {
		policy.Foresee(t.s, &t.out.Facts, &t.out.Applied)
		return t.refuse(signin.StepPreauth, signin.Code(t.out.Verdict.Code), "")
	}
	t.step(signin.StepPreauth, "pass")
	return false
}

// unproven verifies the credential.
func (t *telling) unproven(ctx context.Context) bool {
	if t.known && t.person.Disabled && !t.unsaid() {
		return t.refuse(signin.StepVerify, signin.UserDisabled, "")
	}
	t.crowd = t.g.underWay.Add(1)
	p, err := t.g.Verifier.Verify(ctx, t.out.Attempt, t.mailbox, t.exists, t.cred)
	t.crowd = max(t.crowd, t.g.underWay.Add(-1)+1) // who came meanwhile made it slow, too
	if err != nil {
		return t.disproven(err)
	}
	t.out.Principal = p
	return t.appeared(ctx, p)
}

// disproven ends the telling with what a verifier says. Only a wrong secret
// counts with the guard: a right one that policy refuses never does, nor does
// our own trouble.
func (t *telling) disproven(err error) bool {
	var refusal *authn.Refusal
	if !errors.As(err, &refusal) {
		return t.fault(signin.StepVerify, authn.TroubleCode(err), err)
	}
	if refusal.WrongSecret() {
		t.note(lockout.WrongSecret)
	}
	return t.refuse(signin.StepVerify, refusal.Code, refusal.Detail)
}

// appeared puts what was proven into the facts. Somebody whom the backend
// knew and we did not has become a person by now; and whose a token is, only the
// token says.
func (t *telling) appeared(ctx context.Context, p signin.Principal) bool {
	if !t.known || p.Person != t.person.ID || p.Issuer != "" && t.out.Facts.Protocol == protocol.Portal { // a provider may have said more of them
		person, known, err := t.g.People.Lookup(ctx, p.Address)
		if err != nil {
			return t.fault(signin.StepVerify, signin.DirectoryAway, err)
		}
		if !known || person.ID != p.Person {
			return t.refuse(signin.StepVerify, signin.UserUnknown, "proven, but nobody here has this name")
		}
		if t.person, t.known = person, true; !t.exists {
			t.mailbox, t.exists, t.out.Backend = person, true, person.Backend
		}
		t.is(person, true)
	}
	f := &t.out.Facts
	f.Proven, f.Methods, f.AuthTime, f.Flow, f.Device, f.Key = true, p.Methods, p.AuthTime, p.Flow, p.Device, p.Key
	t.byKey(ctx, p.Methods, t.cred.Secret())
	if p.Client != "" {
		t.out.Detail = signin.ForClient(p.Client, t.out.Detail)
	}
	if t.locked() {
		return true
	}
	t.step(signin.StepVerify, "proven")
	return false
}

// again makes ready for another proof of the same person.
func (t *telling) again(a signin.Attempt, mechanism string) {
	if a.ID.IsZero() {
		a.ID = NewID(a.At)
	}
	a.Correlation = t.out.Correlation
	o := &t.out
	if o.Since.IsZero() {
		o.Since = o.Attempt.At
	}
	o.Attempt, o.Mechanism = a, mechanism
	here, f := t.g.facts(a, o.Facts.Credential, mechanism), &o.Facts // the second proof may come from elsewhere
	f.At, f.Mechanism, f.Addr, f.ViaWebmail, f.Country, f.ASN = here.At, mechanism, here.Addr, here.ViaWebmail, here.Country, here.ASN
	f.Platform, f.Program, f.ProgramVersion, f.ProgramConfidence = here.Platform, here.Program, here.ProgramVersion, here.ProgramConfidence
	o.Verdict, o.Code, o.Detail, o.Reference, o.Reply = policy.Verdict{Version: t.s.Version()}, 0, "", "", signin.Reply{}
	o.Steps, o.Applied = nil, policy.Bits{}
}

// unconfirmed verifies a second proof. Without a first one there is nothing to confirm.
func (t *telling) unconfirmed(ctx context.Context, prove Proof, shown []byte) bool {
	if !t.out.Facts.Proven {
		return t.refuse(signin.StepVerify, signin.InternalFault, "a second proof without a first")
	}
	methods, err := prove(ctx)
	if err != nil {
		return t.disproven(err)
	}
	f, p := &t.out.Facts, &t.out.Principal
	f.Methods |= methods
	t.byKey(ctx, methods, shown)
	f.AuthTime = t.out.Attempt.At
	p.Methods, p.AuthTime = f.Methods, f.AuthTime
	t.step(signin.StepVerify, "confirmed")
	return false
}

// byKey puts the model of the passkey that proved somebody into the facts.
func (t *telling) byKey(ctx context.Context, proven policy.Methods, shown []byte) {
	local := t.out.Attempt.Protocol == protocol.Portal // a token's method says nothing of a key of ours
	if proven&policy.MethodFIDO2 != 0 && local && t.g.KeyModel != nil {
		t.out.Facts.Key = t.g.KeyModel(ctx, shown)
	}
}

// gone looks at somebody proven once more, who may have changed meanwhile.
func (t *telling) gone(ctx context.Context) bool {
	p, known, err := t.g.People.Lookup(ctx, cmp.Or(t.out.Actor, t.out.Facts.Address))
	switch {
	case err != nil:
		return t.fault(signin.StepWho, signin.DirectoryAway, err)
	case !known || p.ID != t.out.Facts.Person:
		return t.refuse(signin.StepWho, signin.UserUnknown, "deleted while signing in")
	case p.Disabled:
		return t.refuse(signin.StepWho, signin.UserDisabled, "disabled while signing in")
	}
	t.person, t.known = p, true
	t.is(p, true)
	return t.out.Facts.Mailbox != "" && t.closed(ctx)
}

// outdated refuses a second proof where the first was taken back meanwhile (a
// new password, a reset): before the second is looked at, which may set up a factor.
func (t *telling) outdated() bool {
	if t.g.Outdated == nil || !t.g.Outdated(&t.out) {
		return false
	}
	return t.refuse(signin.StepWho, signin.SessionPolicyChanged, "what was shown first was taken back while signing in")
}

func (t *telling) judge() {
	t.out.Verdict = policy.Judge(t.s, &t.out.Facts, &t.out.Applied)
	t.out.Code = signin.Code(t.out.Verdict.Code)
	result := "allow"
	if !t.out.Verdict.Allowed() {
		result = t.out.Code.String()
		if t.out.Code == signin.OK {
			t.out.Code = signin.BlockedByPolicy
		}
	} else if t.halfway() {
		t.out.Verdict.Effect, t.out.Verdict.Stage = policy.Interrupt, policy.StageConditionalAccess
		t.out.Code, t.out.Verdict.Code = signin.FactorNeeded, int(signin.FactorNeeded)
		result = t.out.Code.String()
	}
	t.step(signin.StepEvaluate, result)
}

// finish records the outcome, once, and gives it the words that may be told.
func (t *telling) finish(ctx context.Context) signin.Outcome {
	t.note(lockout.Unjudged)
	if t.out.Allowed() {
		ref, err := t.g.Log.Success(ctx, t.event())
		if err == nil {
			t.out.Reference = ref
			return t.out
		}
		t.fault(signin.StepRecord, signin.LogUnavailable, err)
	}
	if t.out.Principal.Held {
		t.g.Verifier.Release(t.out.Attempt.ID)
	}
	t.out.Reference = t.g.Log.Refusal(t.event())
	if t.open {
		t.out.Reply = t.g.plainly(&t.out)
		return t.out
	}
	t.ask()
	t.out.Reply = t.g.reply(t.s, &t.out)
	t.learnFloor()
	wait(ctx, t.out.Attempt.At.Add(t.g.Floor(t.out.Attempt.Listener)))
	return t.out
}

// wait returns at the given time, or when ctx ends: every refused credential
// leaves at the same distance from when it was read.
func wait(ctx context.Context, until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// facts gathers what is known of an attempt before the person is.
func (g *Gate) facts(a signin.Attempt, kind policy.CredentialKind, mechanism string) policy.Facts {
	f := policy.Facts{At: a.At, Protocol: a.Protocol, Credential: kind, Mechanism: mechanism,
		Addr: a.Client.Addr().Unmap(), ViaWebmail: a.Forwarder != ""}
	if g.Places != nil {
		place := g.Places.Lookup(f.Addr)
		f.Country, f.ASN = place.Country, place.ASN
	}
	Recognised(&f, a.Hints, a.TLS.JA4)
	return f
}

// Recognised puts the program that the hints point to into the facts.
func Recognised(f *policy.Facts, h signin.Hints, ja4 string) {
	p := h.Program(ja4)
	f.Program, f.ProgramVersion, f.ProgramConfidence = p.Family, p.Version, p.Confidence
	f.Platform, _ = policy.ParsePlatform(p.Platform)
}
