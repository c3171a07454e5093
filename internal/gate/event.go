package gate

import (
	"context"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// event is the record of what was decided. It holds the facts judged and
// nothing of the secret.
func (t *telling) event() *signin.Event {
	o := &t.out
	a := &o.Attempt
	e := &signin.Event{ID: a.ID, At: a.At, Last: a.At, Count: 1, Correlation: o.Correlation, Source: "gate",
		Typed: o.Typed, Actor: o.Actor, Mechanism: o.Mechanism, Facts: o.Facts, Verdict: o.Verdict, Applied: o.Applied,
		Code: o.Code, Detail: o.Detail, Steps: o.Steps, Listener: a.Listener, Client: a.Client.String(),
		Forwarder: a.Forwarder, Unnamed: passedNobody(a), TLS: a.TLS, Hints: a.Hints, Backend: o.Backend, Methods: o.Principal.Methods, Grant: o.Principal.Grant}
	if t.g.Places != nil {
		e.NetOwner = t.g.Places.Lookup(o.Facts.Addr).Owner
	}
	return e
}

// Observe records a sign-in that another server decided and only reported.
// It is judged as if every policy were report-only: the verdict is written
// down and nothing is refused.
func (g *Gate) Observe(ctx context.Context, a signin.Attempt, typed, mechanism string, kind policy.CredentialKind, source string, allowed bool) (signin.Reference, error) {
	s := g.snapshot.Load()
	t := begin(g, s, a, signin.NewCredential(kind, mechanism, typed, "", nil))
	if !t.unnamed(ctx) && allowed {
		f := &t.out.Facts
		f.Proven, f.AuthTime = true, a.At
		if kind == policy.CredentialPassword {
			f.Methods = policy.MethodPassword
		}
		t.granted()
	}
	t.out.Verdict = policy.Judge(s, &t.out.Facts, &t.out.Applied)
	e := t.event()
	e.Source, e.Observed = source, true
	if allowed {
		e.Code = signin.OK
		return g.Log.Success(ctx, e)
	}
	e.Code = signin.ObservedRefusal
	return g.Log.Refusal(e), nil
}

// Imagine gathers the facts of a sign-in that never happened, for What-If.
func (g *Gate) Imagine(ctx context.Context, a signin.Attempt, typed string, kind policy.CredentialKind) (policy.Facts, error) {
	t := begin(g, g.snapshot.Load(), a, signin.NewCredential(kind, "", typed, "", nil))
	if t.unnamed(ctx) {
		return t.out.Facts, &ImpossibleName{Typed: typed, Why: t.out.Detail}
	}
	if t.named && t.out.Facts.Mailbox == "" {
		return t.out.Facts, &ImpossibleName{Typed: typed, Why: "it names two, and the first may not open the second's mailbox over " + a.Protocol.String()}
	}
	return t.out.Facts, nil
}

// ReplyTo is the exact reply that a client would get for an imagined refusal.
func (g *Gate) ReplyTo(o *signin.Outcome) signin.Reply { return g.reply(g.snapshot.Load(), o) }

// ImpossibleName says that no canonical name can be made of what was typed.
type ImpossibleName struct{ Typed, Why string }

func (e *ImpossibleName) Error() string { return "no name can be made of what was typed: " + e.Why }
