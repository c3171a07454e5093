package gate

import (
	"context"
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/lockout"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// Mechanisms of tokens handed out, in OAuth's words (RFC 6749, RFC 8628).
const (
	AuthorizationCode = signin.AuthorizationCode
	DeviceCode        = signin.DeviceCode
	RefreshToken      = "refresh_token"
	ClientCredentials = signin.ClientCredentials
)

// Asked is a program's request for tokens, for somebody who is proven already:
// by a session in front of a page, by a refresh token, by a service's own secret.
type Asked struct {
	Principal signin.Principal
	Key       string // model of the passkey among the methods
	// Protocols are the doors that the scopes open; none are asked for by who
	// only wants to know who somebody is.
	Protocols []protocol.Protocol
	Mechanism string
	Client    string // the program by name, for the log
	// Since is from when on nothing may have been taken back; zero is now.
	Since       time.Time
	Correlation signin.ID
	// From is where the program is whose tokens somebody asks for in a browser
	// elsewhere (the device grant).
	From netip.Addr
}

// Grant judges handing out tokens, which is a sign-in like any other: under the
// policies of every door that they would open, as the person is now. Where one of
// them wants a second factor or a newer proof, and no more than that, the outcome
// is an interruption; where at least one lets pass, the tokens are for it, and
// the doors themselves refuse the rest. Nothing was guessed at, so a refusal
// waits for nothing and says why.
func (g *Gate) Grant(ctx context.Context, a signin.Attempt, q Asked) signin.Outcome {
	t := g.asked(ctx, &a, &q)
	return t.finish(ctx)
}

// Still judges once more what was granted a moment ago, when its program comes
// for the tokens: somebody may have been disabled, or a policy changed, meanwhile.
// The sign-in is in the log already, so that only a refusal is written down.
func (g *Gate) Still(ctx context.Context, a signin.Attempt, q Asked) signin.Outcome {
	t := g.asked(ctx, &a, &q)
	if t.out.Allowed() {
		return t.out
	}
	return t.finish(ctx)
}

// asked is a request for tokens, judged.
func (g *Gate) asked(ctx context.Context, a *signin.Attempt, q *Asked) *telling {
	t := &telling{g: g, s: g.snapshot.Load(), started: time.Now(), open: true}
	t.asks(a, q)
	if t.gone(ctx) || t.outdated() { // the person, as they are now, and what they showed
		return t
	}
	t.judgeDoors(q)
	if t.out.Facts.Flow != 0 && t.out.Verdict.Effect != policy.Block && !t.near(q.From) {
		t.out.Verdict.Effect, t.out.Verdict.Stage = policy.Block, policy.StageConditionalAccess
		t.refuse(signin.StepEvaluate, signin.FlowNotAllowed, signin.ForClient(q.Client, "it is at "+q.From.String()))
	}
	return t
}

// Withhold records that no tokens are handed out for a reason that no policy
// has: what was shown had been used, has ended, or is bound to another place. The
// person whose it was finds it in their sign-ins.
func (g *Gate) Withhold(ctx context.Context, a signin.Attempt, q Asked, code signin.Code, detail string) (out signin.Outcome) {
	t := &telling{g: g, s: g.snapshot.Load(), started: time.Now(), open: true}
	t.asks(&a, &q)
	t.out.Facts.Proven = false
	t.refuse(signin.StepVerify, code, signin.ForClient(q.Client, detail))
	return t.finish(ctx)
}

// asks makes a telling of a request.
func (t *telling) asks(a *signin.Attempt, q *Asked) {
	if a.ID.IsZero() {
		a.ID = NewID(a.At)
	}
	if len(q.Protocols) == 0 {
		q.Protocols = []protocol.Protocol{protocol.Portal}
	}
	a.Protocol = q.Protocols[0]
	p := &q.Principal
	t.out = signin.Outcome{Attempt: *a, Typed: p.Address, Mechanism: q.Mechanism, Correlation: q.Correlation, Since: q.Since, Principal: *p,
		Detail: signin.ForClient(q.Client, ""), Verdict: policy.Verdict{Version: t.s.Version()}}
	f := t.g.facts(*a, policy.CredentialBearer, q.Mechanism)
	f.Person, f.Address, f.Domain = p.Person, p.Address, domainOf(p.Address)
	f.Proven, f.Methods, f.AuthTime, f.Flow, f.Key = true, p.Methods, p.AuthTime, p.Flow, q.Key
	t.out.Facts = f
	t.knock = lockout.Key{}
}

// judgeDoors judges under each door and keeps what tells most: an interruption
// that can be mended, else a door that lets pass, else the first refusal.
func (t *telling) judgeDoors(q *Asked) {
	var kept signin.Outcome
	for i, p := range q.Protocols {
		t.out.Attempt.Protocol, t.out.Facts.Protocol = p, p
		t.out.Applied = policy.Bits{}
		t.verdict(q)
		if i == 0 || rank(&t.out) > rank(&kept) {
			kept = t.out
		}
	}
	t.out = kept
	result := "allow"
	if t.out.Code != signin.OK {
		result = t.out.Code.String()
	}
	t.step(signin.StepEvaluate, result)
}

// verdict judges one door. Who asks in a browser elsewhere is judged for where
// the program is too, since the tokens go there.
func (t *telling) verdict(q *Asked) {
	o := &t.out
	o.Verdict = policy.Judge(t.s, &o.Facts, &o.Applied)
	if o.Verdict.Allowed() && q.From.IsValid() && q.From.Unmap() != o.Facts.Addr {
		there := o.Facts
		t.g.placed(&there, q.From.Unmap())
		if v := policy.Judge(t.s, &there, nil); !v.Allowed() {
			o.Verdict = v
		}
	}
	o.Code = signin.Code(o.Verdict.Code)
	if o.Verdict.Allowed() {
		return
	}
	if o.Code == signin.OK {
		o.Code = signin.BlockedByPolicy
	}
	if o.Verdict.Effect = policy.Block; policy.Mendable(t.s, &o.Facts) {
		o.Verdict.Effect = policy.Interrupt
	}
}

// placed puts where somebody is into the facts.
func (g *Gate) placed(f *policy.Facts, addr netip.Addr) {
	f.Addr, f.Country, f.ASN = addr, "", 0
	if g.Places != nil {
		place := g.Places.Lookup(addr)
		f.Country, f.ASN = place.Country, place.ASN
	}
	f.KnownNetwork = g.Log.KnownNetwork(f.Person, addr)
}

func rank(o *signin.Outcome) int {
	switch {
	case o.Verdict.Effect == policy.Interrupt:
		return 2
	case o.Allowed():
		return 1
	}
	return 0
}

// near says that a token may go from a browser to a program somewhere else: both
// are in one network or one trusted location, or a policy that names the flow has
// let it pass. A code that is read out to a thief far away gives them nothing.
func (t *telling) near(program netip.Addr) bool {
	f := &t.out.Facts
	if !program.IsValid() {
		return false
	}
	program = program.Unmap()
	if network.Of(program) == network.Of(f.Addr) {
		return true
	}
	there := *f
	t.g.placed(&there, program)
	return t.s.ShareTrusted(f, &there) || t.out.Allowed() && t.s.FlowNamed(&t.out.Applied, f.Flow)
}

// plainly is what is told of a refusal to somebody who is proven.
func (g *Gate) plainly(o *signin.Outcome) signin.Reply {
	if trouble(o.Code) {
		return g.say(signin.Trouble, o.Code, o.Reference)
	}
	return g.say(signin.Uniform, o.Code, o.Reference)
}
