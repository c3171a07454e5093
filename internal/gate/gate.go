// Package gate tells the story of one sign-in, in one order, for every
// protocol: somebody knocks, is named, shows something, is known, is judged,
// is recorded, and is let in or not. Each step is a call into a lower package;
// the gate has no rule and no protocol's words of its own.
//
// Three promises are kept here and nowhere else: what can be refused without
// the secret is refused before anybody looks at it; an allowed sign-in is told
// to nobody before its record is durable; and a refusal's words and time say
// nothing about the person that nobody in particular would not get as well.
package gate

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/geoip"
	"github.com/portreeve/portreeve/internal/lockout"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
)

// Names makes one canonical address of whatever was typed at a listener. An
// error means that no name can be made of it (control characters and the like).
type Names interface {
	Canonical(listener, typed string) (address string, err error)
	// Delegated cuts a spelling that names both who signs in and whose mailbox
	// is meant; ok is false where it names one.
	Delegated(listener, typed string) (person, mailbox string, ok bool)
}

// People finds a person by canonical address.
type People interface {
	Lookup(ctx context.Context, address string) (directory.Person, bool, error)
}

// Guard slows guessers. After a Pass it must be told what the knock came to.
type Guard interface {
	Check(lockout.Key) lockout.Decision
	Note(lockout.Key, lockout.Result)
}

// Authenticator verifies one credential. A *authn.Refusal says why not; any
// other error is our own trouble.
type Authenticator interface {
	Verify(ctx context.Context, a signin.Attempt, p directory.Person, known bool, c signin.Credential) (signin.Principal, error)
	// Release gives up what a verification held for an attempt that is refused after all.
	Release(id signin.ID)
}

// Recorder writes events down. Success returns once the event is durable.
type Recorder interface {
	Success(ctx context.Context, e *signin.Event) (signin.Reference, error)
	Refusal(e *signin.Event) signin.Reference
	KnownNetwork(person string, addr netip.Addr) bool
}

// Places says where an address is.
type Places interface {
	Lookup(netip.Addr) geoip.Place
}

// Options are the gate's parts. All but Places must be set.
type Options struct {
	Names  Names
	People People
	Guard  Guard
	// Fingerprint tells secrets apart for the guard without keeping them.
	Fingerprint func(secret []byte) secret.Print
	Verifier    Authenticator
	Log         Recorder
	Places      Places
	Words       Words
	// Delegates may be nil: then nobody opens another's mailbox.
	Delegates Delegates
	// Lends says that a mailbox's mail server lets us in for somebody whose
	// password is not the mailbox's; nil: each does.
	Lends func(mailbox directory.Person) bool
	// Windows may be nil: then nothing is granted beforehand.
	Windows Windows
	// AppPassword says that a secret has the form of our app passwords; nil: none has.
	AppPassword func(secret []byte) bool
	// TokenForm says that a secret has the form of our access tokens, which are
	// then taken in a password's place; nil: none is.
	TokenForm func(secret []byte) bool
	// Enrolled says that a person has a second factor; nil: nobody has.
	Enrolled func(person string) bool
	// KeyModel names the model of the passkey whose answer was shown and right,
	// empty if it is not known; nil: none is.
	KeyModel func(ctx context.Context, shown []byte) string
	// Outdated says that what somebody showed was taken back since; nil: nothing is.
	Outdated func(*signin.Outcome) bool
	// Fault is told of our own trouble, for the operator's log; it may be nil.
	Fault func(a signin.Attempt, step signin.StepName, err error)
	// Slow is told that a wrong password took longer than a listener's floor,
	// which has been raised; it may be nil.
	Slow func(listener string, took, floor time.Duration)
}

// Gate decides sign-ins. It is safe for concurrent use.
type Gate struct {
	Options
	snapshot atomic.Pointer[policy.Snapshot]
	floors   floors
	underWay atomic.Int32 // credentials being verified
}

// New makes a gate that judges by s.
func New(o Options, s *policy.Snapshot) *Gate {
	g := &Gate{Options: o}
	g.snapshot.Store(s)
	return g
}

// SetPolicy puts a new snapshot in force for every sign-in that begins after it.
func (g *Gate) SetPolicy(s *policy.Snapshot) { g.snapshot.Store(s) }

// Snapshot is the snapshot in force.
func (g *Gate) Snapshot() *policy.Snapshot { return g.snapshot.Load() }

// SignIn decides one attempt and records it once. A refusal returns no
// earlier than the listener's floor after a.At.
func (g *Gate) SignIn(ctx context.Context, a signin.Attempt, c signin.Credential) (out signin.Outcome) {
	s := g.snapshot.Load()
	t := begin(g, s, a, c)
	defer func() { out = t.finish(ctx) }() // an allowed outcome that cannot be written becomes a temporary refusal

	if t.unnamed(ctx) { // who is meant
		return
	}
	if t.denied() { // from where its owner said it was not them
		return
	}
	if t.throttled() { // who knocks too often waits
		return
	}
	if t.refusedEarly() { // switches, authentication policies, and whatever would be blocked for any secret
		return
	}
	if t.unproven(ctx) { // the credential, and only now
		return
	}
	t.granted() // what the person allowed this program beforehand
	t.judge()   // conditional access with everything known
	return
}

// Rejudge judges an allowed outcome again under the snapshot now in force, and
// the person as they are now, with the principal already proven: a one-time
// secret is never verified twice. It writes an event of its own.
func (g *Gate) Rejudge(ctx context.Context, o signin.Outcome) signin.Outcome {
	t := &telling{g: g, s: g.snapshot.Load(), out: o, started: time.Now()}
	t.out.Attempt.ID = NewID(time.Now())
	t.out.Correlation = o.Correlation
	t.out.Steps, t.out.Applied = nil, policy.Bits{}
	t.out.Facts.At = time.Now()
	if !t.gone(ctx) {
		t.judge()
	}
	return t.finish(ctx)
}

// Proof verifies a second proof of somebody already known, such as a code. Its
// errors are as Authenticator's.
type Proof func(ctx context.Context) (policy.Methods, error)

// TOTP is the mechanism of a code from an app: six digits, the one second proof
// that can be found by trying.
const TOTP = "totp"

// Continue adds a second proof to a sign-in that was proven before and then
// interrupted, and judges it again, as an event of its own under the same
// correlation. shown is what was shown, for the guard; a second factor can be
// guessed at, too.
func (g *Gate) Continue(ctx context.Context, first signin.Outcome, a signin.Attempt, mechanism string, shown []byte, prove Proof) (out signin.Outcome) {
	t := &telling{g: g, s: g.snapshot.Load(), out: first, started: time.Now()}
	t.again(a, mechanism)
	defer func() { out = t.finish(ctx) }()

	if t.gone(ctx) || t.outdated() { // the person, as they are now, and what they showed first
		return
	}
	kind := policy.CredentialPasskey // or a recovery code: too long to be found by trying
	if mechanism == TOTP {
		kind = policy.CredentialPassword
	}
	t.knock = g.knock(&t.out, signin.NewCredential(kind, mechanism, t.out.Typed, "", shown))
	if t.throttled() {
		return
	}
	if t.unconfirmed(ctx, prove, shown) {
		return
	}
	t.judge()
	return
}
