package policy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
)

// crowded are sources of policies over few people, groups and places, so that
// many are alike: some are copies of one another with something taken away.
func crowded(seed uint64) policy.Source {
	const people = 6
	src := policytest.Source(seed, 12, people)
	r := rand.New(rand.NewPCG(seed, 7))
	src.Strengths = append(src.Strengths, policy.Strength{ID: "key-a", Combinations: []policy.Combination{{Methods: policy.MethodFIDO2, Keys: []string{"a"}}}},
		policy.Strength{ID: "key-ab", Combinations: []policy.Combination{{Methods: policy.MethodFIDO2, Keys: []string{"a", "b"}}}})
	few := func(list []string, kind string, n int) []string {
		for i := range list {
			list[i] = fmt.Sprint(kind, r.IntN(n))
		}
		return list
	}
	for i := range src.Policies {
		u := src.Policies[i].Conditions.Users
		u.Include.Groups, u.Exclude.Groups = few(u.Include.Groups, "group-", 3), few(u.Exclude.Groups, "group-", 3)
		for _, x := range slices.Concat(u.Exclude.Groups, u.Exclude.Users) {
			if r.IntN(3) == 0 {
				src.Policies[i].Exclusions = append(src.Policies[i].Exclusions, policy.Exclusion{ID: x, Expires: policytest.At.Add(time.Duration(r.IntN(240)-48) * time.Hour)})
			}
		}
	}
	for range 12 {
		p := src.Policies[r.IntN(len(src.Policies))]
		p.ID, p.DisplayName = fmt.Sprint("copy-", len(src.Policies)), fmt.Sprint("Copy ", len(src.Policies))
		users := *p.Conditions.Users
		p.Conditions.Users = &users
		for range r.IntN(3) {
			change(r, &p)
		}
		src.Policies = append(src.Policies, p)
	}
	return src
}

// change takes a condition away, or puts one in.
func change(r *rand.Rand, p *policy.Policy) {
	c, yes, share := &p.Conditions, r.IntN(2) == 0, r.IntN(100)
	switch r.IntN(24) {
	case 0:
		c.Users.Include = policy.People{All: true}
	case 1:
		c.Users.Exclude, p.Exclusions = policy.People{}, nil
	case 2:
		c.Locations = nil
	case 3:
		c.Locations = &policy.Locations{Include: []string{fmt.Sprint("net-", r.IntN(5)), fmt.Sprint("land-", r.IntN(3))}, Exclude: []string{fmt.Sprint("net-", r.IntN(5))}}
	case 4:
		c.ClientAppTypes = []policy.ClientAppTypes{0, policy.ClientAppOther, policy.ClientAppBrowser}[r.IntN(3)]
	case 5:
		c.Applications = &policy.Applications{Include: []string{"All"}, Exclude: []string{"imap"}}
	case 6:
		c.Platforms = nil
	case 7:
		c.DeviceFilter = nil
	case 8:
		c.Portreeve = policy.Own{}
	case 9:
		c.Portreeve.Share = &share
	case 10:
		c.Portreeve.NewClient = &yes
	case 11:
		c.Portreeve.Programs = &policy.Words{Include: []string{"outlook"}, Exclude: []string{[]string{"outlook", "k-9"}[r.IntN(2)]}}
	case 12:
		p.State = policy.State(r.IntN(3))
	case 13:
		p.Grant, p.Session = &policy.Grant{Any: true, Controls: policy.ControlBlock}, policy.Session{}
	case 14:
		p.Grant = &policy.Grant{Any: yes, Controls: policy.ControlMFA, Strength: &policy.Strength{ID: []string{policy.StrengthMFA, policy.StrengthPhishingResistant, "bound", "key-a", "key-ab"}[r.IntN(5)]}}
	case 20:
		c.Users.Exclude.Guests = []policy.Guests{{Types: policy.B2BCollaborationGuest, Everywhere: yes, Domains: []string{"example.org"}}}
	case 21:
		c.Users.Include = policy.People{Guests: []policy.Guests{{Types: policy.AllGuests, Everywhere: yes, Domains: []string{"example.net"}}}}
	case 22, 23:
		p.Grant, p.Session = &policy.Grant{Strength: &policy.Strength{ID: []string{"key-a", "key-ab"}[r.IntN(2)]}}, policy.Session{}
	case 18, 19:
		p.Exclusions = slices.Clone(p.Exclusions)
		for i := range p.Exclusions {
			p.Exclusions[i].Expires = policytest.At.Add(time.Duration(r.IntN(240)-48) * time.Hour)
		}
	case 16, 17:
		begin := policytest.At.Add(time.Duration(r.IntN(240)-48) * time.Hour)
		c.Portreeve.Period = []*policy.Period{{Start: begin}, {End: begin}, {Start: begin, End: begin.Add(time.Duration(r.IntN(72)) * time.Hour)}}[r.IntN(3)]
	case 15:
		p.Session.Frequency = &policy.Frequency{Every: time.Duration(1+r.IntN(24)) * time.Hour, EveryTime: yes}
	}
}

// crowd are sign-ins of these few people, in every way there is.
func crowd(seed uint64, n int) []policy.Facts {
	all := policytest.Facts(seed, n)
	r := rand.New(rand.NewPCG(seed, 8))
	for i := range all {
		f := &all[i]
		f.Person, f.Groups = policytest.Person(r.IntN(6)), nil
		for g := range 3 {
			if r.IntN(2) == 0 {
				f.Groups = append(f.Groups, fmt.Sprint("group-", g))
			}
		}
		f.Methods |= policy.Methods(r.Uint64()) & (policy.MethodFIDO2 | policy.MethodSoftwareOath | policy.MethodBoundAppPassword | policy.MethodApprovalWindow)
		if r.IntN(3) == 0 {
			f.Addr = policytest.Addr(fmt.Sprintf("%d.%d.1.1", 20+r.IntN(6), r.IntN(256)))
		}
		f.Key = []string{"", "a", "b"}[r.IntN(3)]
		if r.IntN(4) == 0 {
			f.Guest, f.Domain = policy.B2BCollaborationGuest, []string{"example.org", "example.net"}[r.IntN(2)]
		}
		f.Flow = policy.TransferMethods(r.IntN(4))
	}
	return all
}

// What is called never-applying applies to nothing, and without all that is
// called shadowed every sign-in comes to the same end.
func TestWhatIsProvenOfPoliciesHolds(t *testing.T) {
	never, shadowed := 0, 0
	for seed := range uint64(200) {
		src := crowded(seed)
		s, _ := policy.Compile(src)
		bare := src
		bare.Policies = nil
		gone := map[int]bool{}
		for i, p := range src.Policies {
			if _, is := s.Never(i, policytest.At); is {
				gone[i] = true
				never++
			}
			if by, is := s.Shadowed(i, policytest.At); is {
				shadowed++
				if src.Policies[by].State != policy.Enabled || by == i {
					t.Fatalf("seed %d: policy %d is shadowed by %d, which is not in force", seed, i, by)
				}
				continue
			}
			bare.Policies = append(bare.Policies, p)
		}
		if len(bare.Policies) > 0 && !slices.ContainsFunc(bare.Policies, func(p policy.Policy) bool { return p.State == policy.Enabled }) {
			t.Logf("seed %d: nothing in force", seed)
		}
		full := src
		full.Policies = slices.Clone(src.Policies)
		for i := range full.Policies { // what only reports would decide nothing either
			if _, is := s.Shadowed(i, policytest.At); is {
				full.Policies[i].State = policy.Enabled
			}
		}
		a, _ := policy.Compile(full)
		b, _ := policy.Compile(bare)
		facts := crowd(seed, 400)
		var bits policy.Bits
		for k := range facts {
			f := &facts[k]
			va, vb := policy.Judge(a, f, nil), policy.Judge(b, f, nil)
			if va.Effect != vb.Effect || !va.Until.Equal(vb.Until) {
				t.Fatalf("seed %d: without what is shadowed %+v becomes %+v\n%+v", seed, va, vb, f)
			}
			policy.Evaluate(s, f, &bits)
			for i := range gone {
				if bits.Applied[i/64]>>(i%64)&1 != 0 {
					t.Fatalf("seed %d: policy %d never applies, and applies to\n%+v", seed, i, f)
				}
			}
		}
	}
	if never < 20 || shadowed < 100 {
		t.Errorf("the rules made up are too tame: %d never apply, %d are shadowed", never, shadowed)
	}
	t.Logf("%d never apply, %d are shadowed", never, shadowed)
}
