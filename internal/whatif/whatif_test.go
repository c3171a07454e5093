package whatif_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/whatif"
)

// drawn makes a random log, a random change and what is known of people today.
func drawn(seed uint64) (c *whatif.Change, p *plain, log []signin.Event) {
	const people = 12
	r := rand.New(rand.NewPCG(seed, 3))
	p = &plain{before: policytest.Source(seed, 1+r.IntN(12), people), join: map[string][]string{}, leave: map[string][]string{},
		able: map[string]policy.Methods{}, granted: map[string]policy.Methods{}}
	p.after = policytest.Changed(seed, p.before, people)
	facts := policytest.Facts(seed, people)
	for i := range facts {
		f := &facts[i]
		switch r.IntN(4) {
		case 0:
			p.able[f.Person] = policy.MethodSoftwareOath
		case 1:
			p.able[f.Person] = policy.MethodFIDO2
		case 2:
			p.granted[f.Person] = policy.MethodApprovalWindow
		}
		if r.IntN(3) == 0 {
			p.leave[f.Person] = f.Groups[:1]
		}
		if g := facts[r.IntN(people)].Groups; r.IntN(3) == 0 {
			p.join[f.Person] = g[:1]
		}
		log = append(log, recorded(r, *f, p))
	}
	for _, src := range []*policy.Source{&p.before, &p.after} {
		for i := range src.Locations {
			for _, x := range src.Locations[i].Ranges {
				p.addresses = append(p.addresses, x.From, x.To.Next())
			}
		}
	}
	p.addresses = append(p.addresses, netip.MustParseAddr("203.0.113.1"))
	before, _ := policy.Compile(p.before)
	after, _ := policy.Compile(p.after)
	c = &whatif.Change{Before: whatif.Side{Rules: before}, After: whatif.Side{Rules: after, Join: p.join, Leave: p.leave},
		Able:    func(id string) policy.Methods { return p.able[id] },
		Granted: func(e *signin.Event) policy.Methods { return p.granted[e.Facts.Person] }}
	return c, p, log
}

// recorded makes an event of facts: most were proven, some lack something,
// some were refused unseen, some were never proven.
func recorded(r *rand.Rand, f policy.Facts, p *plain) signin.Event {
	e := signin.Event{Count: 1 + int64(r.IntN(3))}
	if r.IntN(3) > 0 { // as mail programs are
		f.Credential, f.Device, f.Methods = policy.CredentialPassword, nil, policy.MethodPassword
		f.Protocol = protocol.All()[r.IntN(4)]
	} else if r.IntN(3) == 0 {
		f.Protocol = []protocol.Protocol{protocol.Portal, protocol.Webmail}[r.IntN(2)]
	}
	switch r.IntN(12) {
	case 0:
		f.Protocol = protocol.Unknown
	case 1:
		f.Credential = policy.CredentialUnknown
	case 2:
		f.Addr = netip.Addr{}
	case 3:
		e.Observed, f.Methods = true, 0
	case 4, 5:
		f.Proven, f.Methods, f.AuthTime, f.Device, e.Code = false, 0, time.Time{}, nil, signin.BlockedByPolicy
		e.Verdict.Stage = policy.StageEarlyBlock
	case 6:
		f.Proven, f.Methods, f.AuthTime, f.Device, e.Code = false, 0, time.Time{}, nil, signin.WrongCredentials
	}
	e.At, e.Facts = f.At, f
	return e
}

// TestReplayAgreesWithThePlainJudge holds every answer, and the counts, to the
// plain judge run event by event, over random logs and changes.
func TestReplayAgreesWithThePlainJudge(t *testing.T) {
	seeds := uint64(200)
	if testing.Short() {
		seeds = 60
	}
	var seen [whatif.Buckets]int
	for seed := range seeds {
		c, p, log := drawn(seed)
		judge, tally := whatif.NewJudge(c), whatif.NewTally()
		var want whatif.Counts
		for i := range log {
			e := &log[i]
			plain := p.bucket(e)
			a := judge.Answer(e)
			if a.Bucket != plain {
				t.Fatalf("seed %d, sign-in %d: %s, event by event %s\n%+v\nbefore %+v\nafter %+v", seed, i, a.Bucket, plain, e.Facts, a.Before, a.After)
			}
			want[plain] += e.Count
			seen[plain]++
			tally.Count(e, &a, e.Count)
		}
		if tally.SignIns != want {
			t.Fatalf("seed %d: counted %v, event by event %v", seed, tally.SignIns, want)
		}
	}
	for b, n := range seen {
		if n == 0 {
			t.Errorf("no sign-in was %s: the test shows nothing of it", whatif.Bucket(b))
		}
	}
	t.Log(seen)
}
