package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/geoip"
	"github.com/portreeve/portreeve/internal/lockout"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/test/organisation"
)

// judging is a gate whose world is the made-up one: every password is right,
// and nothing is written.
type judging struct {
	*gate.Gate
	people map[string]directory.Person
	place  geoip.Place // of the sign-in that is being judged
	over   context.Context
}

func newGate(ctx context.Context, db *store.Store, windows *approval.Service, world *organisation.World, ids []string) (*judging, error) {
	src := policy.Source{Version: 1, Zone: time.LoadLocation}
	docs, err := db.Strengths(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		s, err := graph.Strength(d.JSON)
		if err != nil {
			return nil, err
		}
		src.Strengths = append(src.Strengths, s)
	}
	if docs, err = db.Documents(ctx, store.Policy); err != nil {
		return nil, err
	}
	for _, d := range docs {
		p, err := graph.Policy(d.JSON)
		if err != nil {
			return nil, err
		}
		src.Policies = append(src.Policies, p)
	}
	snap, warnings := policy.Compile(src)
	if len(src.Policies) == 0 || len(warnings) > 0 {
		return nil, fmt.Errorf("%d policies, %v", len(src.Policies), warnings)
	}
	j := &judging{people: map[string]directory.Person{}}
	for i, p := range world.People {
		j.people[p.Address] = directory.Person{ID: ids[i], Address: p.Address}
	}
	var end context.CancelFunc
	j.over, end = context.WithCancel(ctx)
	end() // nobody waits for a refusal's floor
	j.Gate = gate.New(gate.Options{Names: j, People: j, Guard: j, Verifier: j, Log: j, Places: places{j}, Windows: windows,
		Fingerprint: func([]byte) secret.Print { return secret.Print{} }}, snap)
	return j, nil
}

func (j *judging) admits(spec *organisation.Spec, world *organisation.World, s *organisation.SignIn) bool {
	j.place = geoip.Place{Country: s.Place.Country, ASN: s.Place.ASN, Owner: s.Place.Owner}
	c := signin.NewCredential(policy.CredentialPassword, "PLAIN", world.People[s.Person].Address, "", []byte("right"))
	out := j.SignIn(j.over, attempt(spec, s), c)
	return out.Allowed()
}

// count says how many of those would be let in an hour after the second month begins.
func (j *judging) count(spec *organisation.Spec, world *organisation.World, all []organisation.SignIn) (n int) {
	for _, s := range all {
		s.At = spec.Now.Add(time.Hour)
		if j.admits(spec, world, &s) {
			n++
		}
	}
	return n
}

// alone says which of the sampled sign-ins are refused if the second month begins
// with them: where a person's other programs have moved to is not known yet.
func (j *judging) alone(spec *organisation.Spec, world *organisation.World) (out []int) {
	for _, n := range world.Sampled(spec.Seed, spec.Sample) {
		s := world.Second[n]
		s.At = spec.Now.Add(time.Hour)
		if !j.admits(spec, world, &s) {
			out = append(out, n)
		}
	}
	return out
}

func (j *judging) Canonical(_, typed string) (string, error) { return typed, nil }

func (j *judging) Delegated(_, _ string) (person, mailbox string, ok bool) { return "", "", false }

func (j *judging) Lookup(_ context.Context, address string) (directory.Person, bool, error) {
	p, ok := j.people[address]
	return p, ok, nil
}

func (j *judging) Check(lockout.Key) lockout.Decision   { return lockout.Pass }
func (j *judging) Note(lockout.Key, lockout.Result)     {}
func (j *judging) Release(signin.ID)                    {}
func (j *judging) KnownNetwork(string, netip.Addr) bool { return false }

func (j *judging) Verify(_ context.Context, a signin.Attempt, p directory.Person, _ bool, _ signin.Credential) (signin.Principal, error) {
	return signin.Principal{Person: p.ID, Address: p.Address, Methods: policy.MethodPassword, AuthTime: a.At}, nil
}

func (j *judging) Success(_ context.Context, e *signin.Event) (signin.Reference, error) {
	return e.ID.Reference(), nil
}
func (j *judging) Refusal(e *signin.Event) signin.Reference { return e.ID.Reference() }

// places answers for the sign-in that is being judged, wherever it is from.
type places struct{ *judging }

func (p places) Lookup(netip.Addr) geoip.Place { return p.place }
