package whatif_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/location"
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
	p = &plain{before: switched(r, policytest.Source(seed, 1+r.IntN(12), people)), join: map[string][]string{}, leave: map[string][]string{},
		able: map[string]policy.Methods{}, granted: map[string]policy.Methods{}}
	if p.after = elsewhere(r, policytest.Changed(seed, p.before, people)); seed%2 == 1 { // what shuts doors one way opens them the other
		p.before, p.after = p.after, p.before
	}
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

// elsewhere changes what is not a policy: a location's ranges or countries, and switches.
func elsewhere(r *rand.Rand, src policy.Source) policy.Source {
	src.Locations = slices.Clone(src.Locations)
	for i := range src.Locations {
		l := &src.Locations[i]
		switch {
		case r.IntN(4) > 0:
		case len(l.Ranges) > 0:
			half := l.Ranges[0].From.As4()
			half[2] = 31
			l.Ranges = []location.Range{{From: netip.AddrFrom4(half), To: l.Ranges[0].To}}
		case len(l.Countries) > 0:
			l.Countries = l.Countries[1:]
		}
	}
	return switched(r, src)
}

// switched has switches said by somebody, and passwords refused on some protocols.
func switched(r *rand.Rand, src policy.Source) policy.Source {
	group := policytest.Facts(3, 12)[r.IntN(12)].Groups[0]
	for _, h := range []policy.Holder{{Kind: policy.HeldByOrganization}, {Kind: policy.HeldByDomain, ID: "example.org"},
		{Kind: policy.HeldByGroup, ID: group}, {Kind: policy.HeldByMailbox, ID: policytest.Person(r.IntN(12))}} {
		if r.IntN(2) == 0 {
			doors := needs[protocol.All()[r.IntN(len(protocol.All()))]]
			on := r.IntN(2) == 0
			for _, name := range doors {
				src.SetSwitch(h, name, &on)
			}
		}
	}
	if r.IntN(4) == 0 {
		src.AuthenticationPolicies = []policy.AuthenticationPolicy{{ID: "none", Name: "none", AllowBasicAuth: map[string]bool{"Imap": false, "Smtp": false}}, {ID: "some", Name: "some", AllowBasicAuth: map[string]bool{"Pop": false}}}
		src.Organization.DefaultAuthenticationPolicy = "none"
		src.Mailboxes = maps.Clone(src.Mailboxes)
		if src.Mailboxes == nil {
			src.Mailboxes = map[string]policy.Settings{}
		}
		own := src.Mailboxes[policytest.Person(1)]
		own.AuthenticationPolicy = "some"
		src.Mailboxes[policytest.Person(1)] = own
	}
	return src
}

// recorded makes an event of facts: most were proven, some lack something,
// some were refused unseen, some were never proven.
func recorded(r *rand.Rand, f policy.Facts, p *plain) signin.Event {
	e := signin.Event{Count: 1 + int64(r.IntN(3))}
	switch r.IntN(5) {
	case 0, 1, 2: // as mail programs are
		f.Credential, f.Device, f.Methods = policy.CredentialPassword, nil, policy.MethodPassword
		f.Protocol = protocol.All()[r.IntN(4)]
	case 3:
		f.Protocol, f.Credential, f.Methods = []protocol.Protocol{protocol.Portal, protocol.Webmail}[r.IntN(2)], policy.CredentialPassword, policy.MethodPassword
	}
	if r.IntN(6) == 0 { // somebody else's mailbox
		other := policytest.Facts(3, 12)[r.IntN(12)]
		f.Mailbox, f.MailboxGroups = other.Person, slices.Sorted(slices.Values(other.Groups))
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

// plainly counts a log without the package under test.
type plainly struct {
	signIns  whatif.Counts
	people   map[string]whatif.Counts
	programs map[string]whatif.Counts
}

func newPlainly() *plainly {
	return &plainly{people: map[string]whatif.Counts{}, programs: map[string]whatif.Counts{}}
}

func (n *plainly) count(e *signin.Event, b whatif.Bucket) {
	n.signIns[b] += e.Count
	if id := e.Facts.Person; id != "" {
		c := n.people[id]
		c[b] += e.Count
		n.people[id] = c
	}
	c := n.programs[e.Facts.Program]
	c[b] += e.Count
	n.programs[e.Facts.Program] = c
}

func (n *plainly) same(t *testing.T, what string, tally *whatif.Tally) {
	t.Helper()
	var people whatif.Counts
	for id, want := range n.people {
		if got, _ := tally.Of(id); got != want {
			t.Fatalf("%s: of %s %v, event by event %v", what, id, got, want)
		}
		for b, c := range want {
			people[b] += min(c, 1)
		}
	}
	if tally.SignIns != n.signIns || tally.People() != people || tally.Everybody() != len(n.people) || !maps.Equal(tally.Programs(), n.programs) {
		t.Fatalf("%s: %v, %v, %v, event by event %v, %v, %v", what, tally.SignIns, tally.People(), tally.Programs(), n.signIns, people, n.programs)
	}
}

// TestReplayAgreesWithThePlainJudge holds every answer, and the counts, to the
// plain judge run event by event, over random logs and changes.
func TestReplayAgreesWithThePlainJudge(t *testing.T) {
	seeds := uint64(120)
	if testing.Short() {
		seeds = 100
	}
	var seen [whatif.Buckets]int
	for seed := range seeds {
		c, p, log := drawn(seed)
		judge, tally, want := whatif.NewJudge(c), whatif.NewTally(), newPlainly()
		for i := range log {
			e := &log[i]
			plain := p.bucket(e)
			a := judge.Answer(e)
			if a.Bucket != plain {
				t.Fatalf("seed %d, sign-in %d: %s, event by event %s\n%+v\nbefore %+v\nafter %+v", seed, i, a.Bucket, plain, e.Facts, a.Before, a.After)
			}
			seen[plain]++
			want.count(e, plain)
			tally.Count(e, &a, e.Count)
		}
		want.same(t, fmt.Sprint("seed ", seed), tally)
	}
	for b, n := range seen {
		if n == 0 {
			t.Errorf("no sign-in was %s: the test shows nothing of it", whatif.Bucket(b))
		}
	}
	t.Log(seen)
}

// TestAPreviewIsExactWhereItSaysSo holds counting by classes to the plain judge
// too, wherever it does not say that it is rough.
func TestAPreviewIsExactWhereItSaysSo(t *testing.T) {
	exact, unlike := 0, 0
	for seed := range uint64(100) {
		c, p, once := drawn(seed)
		if len(whatif.Rough(c)) > 0 {
			continue
		}
		log := repeated(rand.New(rand.NewPCG(seed, 12)), once[:len(once)/2], p)
		kinds := map[string]*signin.Event{}
		for i := range log {
			kinds[nameOf(&log[i])] = &log[i]
		}
		classes, want := whatif.NewClasses(), newPlainly()
		collect := classes.Collect(func(name []byte, e *signin.Event) error { *e = *kinds[string(name)]; return nil })
		first, last := log[0].At, log[0].At
		for i := range log {
			e := &log[i]
			k, err := collect.Kind([]byte(nameOf(e)))
			if err != nil {
				t.Fatal(err)
			}
			from := collect.Place(e.Facts.Addr)
			collect.Count(k, &from, row{e})
			want.count(e, p.bucket(e))
			if e.At.Before(first) {
				first = e.At
			}
			if e.At.After(last) {
				last = e.At
			}
		}
		collect.Done()
		exact++
		if want.signIns[whatif.Unchanged] != sum(want.signIns) {
			unlike++
		}
		want.same(t, fmt.Sprint("seed ", seed), classes.Replay(c, first, last))
		if none := classes.Replay(c, last.AddDate(0, 0, 1), time.Time{}); sum(none.SignIns) != 0 {
			t.Fatalf("seed %d: %v after the last", seed, none.SignIns)
		}
	}
	if exact < 10 || unlike < 5 {
		t.Errorf("%d exact previews, %d of them with a change: the test shows little", exact, unlike)
	}
}

func sum(c whatif.Counts) (n int64) {
	for _, x := range c {
		n += x
	}
	return n
}
