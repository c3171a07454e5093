package approval

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// diary writes sign-ins into the log: one a day, so many days ago, at an hour.
type diary struct {
	t *testing.T
	s *Service
}

func (d diary) daily(k Knock, from, to, hour int) {
	d.t.Helper()
	if err := d.s.Store.Write(d.t.Context(), func(tx *store.Tx) error { return written(tx, k, from, to, hour) }); err != nil {
		d.t.Fatal(err)
	}
}

func written(tx *store.Tx, k Knock, from, to, hour int) error {
	today := time.Now().UTC().Truncate(day)
	for ago := from; ago > to; ago-- {
		at := today.Add(time.Duration(hour)*time.Hour - time.Duration(ago)*day)
		e := &signin.Event{ID: store.NewID(), At: at, Last: at, Count: 1, Source: "gate", NetOwner: k.Owner, TLS: signin.TLS{JA4: k.JA4}, Methods: policy.MethodPassword}
		e.Facts = policy.Facts{At: at, Person: k.Person, Address: k.Person + "@example.org", Protocol: k.Protocol, Credential: policy.CredentialPassword,
			Addr: k.Addr, Country: k.Country, ASN: k.ASN, Program: k.Program, Proven: true, Methods: policy.MethodPassword}
		if err := tx.PutEvent(e); err != nil {
			return err
		}
	}
	return nil
}

func (d diary) adopt(o AdoptOptions) Report {
	d.t.Helper()
	rep, err := d.s.Adopt(d.t.Context(), tester, o)
	if err != nil {
		d.t.Fatal(err)
	}
	return rep
}

func (d diary) person(id string) {
	d.t.Helper()
	err := d.s.Store.Change(d.t.Context(), tester, "", func(tx *store.Tx) error {
		return tx.AddPerson(&store.Person{ID: id, Address: id + "@example.org", SecretKind: store.SecretBackend})
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func at(addr string) netip.Addr { return netip.MustParseAddr(addr) }

func TestWhatIsUsedOnThreeDaysIsAdoptedAndNothingElse(t *testing.T) {
	d := diary{t, open(t, Options{})}
	used := knock()
	twice := with(func(k *Knock) { k.Program, k.JA4 = "thunderbird", helloGo })
	d.daily(used, 10, 7, 9)
	d.daily(twice, 10, 8, 9)
	rep := d.adopt(AdoptOptions{DryRun: true})
	if all, err := d.s.Windows(t.Context(), ""); err != nil || len(all) != 0 {
		t.Fatalf("a dry run made %d windows, %v", len(all), err)
	}
	if rep.SignIns != 5 || rep.Pass != 3 || rep.People != 1 || len(rep.Left) != 1 || rep.Left[0].SignIns != 2 || rep.Left[0].Do == "" {
		t.Errorf("%+v", rep)
	}
	d.adopt(AdoptOptions{})
	pass, ok := d.s.Open(used)
	if !ok || pass.Methods != policy.MethodKnownProgram || !pass.Until.IsZero() {
		t.Errorf("what was used: %v, %+v", ok, pass)
	}
	if _, ok := d.s.Open(twice); ok {
		t.Error("what was used on two days is known")
	}
	if _, ok := d.s.Open(with(func(k *Knock) { k.Protocol, k.Program = protocol.Submission, "" })); !ok {
		t.Error("the program may not send from where it fetches")
	}
	if _, ok := d.s.Open(with(func(k *Knock) { k.Protocol = protocol.Sieve })); ok {
		t.Error("a protocol that was never used is open")
	}
	if _, ok := d.s.Open(with(func(k *Knock) { k.At = time.Now().Add(46 * day) })); ok {
		t.Error("known after 45 days without use")
	}
	if rep := d.adopt(AdoptOptions{}); len(rep.Windows) != 0 {
		t.Errorf("adopting again makes %d windows more", len(rep.Windows))
	}
}

func TestPlacesGrowByThree(t *testing.T) {
	network := func(pool, net int) netip.Addr { return at(fmt.Sprintf("100.%d.%d.9", pool, net)) }
	for _, c := range []struct {
		what       string
		nets       [][2]int // pool and network of each day
		widen      string
		hello      string
		pool, wide bool // whether another network of the pool is open, and another pool
	}{
		{"one network", [][2]int{{1, 1}, {1, 1}, {1, 1}}, "", helloOld, false, false},
		{"two networks", [][2]int{{1, 1}, {1, 2}, {1, 1}, {1, 2}}, "", helloOld, false, false},
		{"two networks, each for days", [][2]int{{1, 1}, {1, 1}, {1, 1}, {1, 2}, {1, 2}, {1, 2}}, "", helloOld, true, false},
		{"three networks of an owner, one pool of them for days", [][2]int{{1, 1}, {1, 1}, {1, 1}, {2, 2}, {2, 3}}, "", helloOld, true, false},
		{"three networks of a pool", [][2]int{{1, 1}, {1, 2}, {1, 3}}, "", helloOld, true, false},
		{"three pools of an owner", [][2]int{{1, 1}, {2, 2}, {3, 3}}, "", helloOld, true, true},
		{"three pools, but no wider than a pool", [][2]int{{1, 1}, {1, 2}, {1, 3}, {2, 2}, {3, 3}}, WidenPool, helloOld, true, false},
		{"three pools, but never wider", [][2]int{{1, 1}, {1, 2}, {1, 3}, {2, 2}, {3, 3}}, WidenNothing, helloOld, false, false},
		{"three pools without a TLS hello, as in an imported log", [][2]int{{1, 1}, {1, 2}, {1, 3}, {2, 2}, {3, 3}}, "", "", false, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := diary{t, open(t, Options{})}
			for i, n := range c.nets {
				d.daily(with(func(k *Knock) { k.Addr, k.JA4 = network(n[0], n[1]), c.hello }), 20-i, 19-i, 9)
			}
			d.adopt(AdoptOptions{Widen: c.widen})
			for _, x := range []struct {
				what string
				want bool
				k    Knock
			}{
				{"another network of the pool", c.pool, with(func(k *Knock) { k.Addr, k.JA4 = network(1, 77), c.hello })},
				{"another pool", c.wide, with(func(k *Knock) { k.Addr, k.JA4 = network(9, 1), c.hello })},
				{"another owner", false, with(func(k *Knock) { k.Addr, k.JA4, k.ASN = network(1, 77), c.hello, 1 })},
				{"another country", false, with(func(k *Knock) { k.Addr, k.JA4, k.Country = network(1, 77), c.hello, "FR" })},
				{"another program there", false, with(func(k *Knock) { k.Addr, k.JA4, k.Program = network(1, 77), c.hello, "thunderbird" })},
				{"another TLS library there", false, with(func(k *Knock) { k.Addr, k.JA4 = network(1, 77), helloGo })},
			} {
				if _, got := d.s.Open(x.k); got != x.want {
					t.Errorf("%s: open is %v, want %v", x.what, got, x.want)
				}
			}
		})
	}
}

// roamer is a telephone at three network owners, in an organisation whose other
// people's telephones roam at the last of them, and at a fourth.
func roamer(t *testing.T, others int) diary {
	d := diary{t, open(t, Options{})}
	for i, asn := range []uint32{3320, 6805, 3209} {
		d.daily(with(func(k *Knock) { k.Addr, k.ASN = at(fmt.Sprintf("100.%d.1.1", i)), asn }), 20-i, 19-i, 9)
	}
	for n := range others {
		d.person(fmt.Sprintf("person%d", n))
		for i := range 3 {
			d.daily(with(func(k *Knock) {
				k.Person, k.Addr, k.ASN = fmt.Sprintf("person%d", n), at(fmt.Sprintf("101.%d.1.%d", i, n)), 8881
			}), 20-i, 19-i, 9)
		}
	}
	return d
}

func TestWhatIsCarriedAboutIsKnownWhereTheOrganisationsPeopleAre(t *testing.T) {
	fourth := with(func(k *Knock) { k.Addr, k.ASN = at("101.7.7.7"), 8881 })
	for _, c := range []struct {
		what   string
		others int
		widen  string
		want   bool
	}{
		{"five people are there", 5, "", true},
		{"four people are there", 4, "", false},
		{"no wider than an owner", 5, WidenOwner, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := roamer(t, c.others)
			rep := d.adopt(AdoptOptions{Widen: c.widen})
			if len(rep.Suspicious) > 0 {
				t.Errorf("suspicious: %+v", rep.Suspicious)
			}
			if all := rep.Reach.Network + rep.Reach.Part + rep.Reach.Owner + rep.Reach.Country; all != len(rep.Windows) || (rep.Reach.Country > 0) != (c.widen == "") || rep.Reach.Owner == 0 {
				t.Errorf("of %d windows: %+v", len(rep.Windows), rep.Reach)
			}
			if _, ok := d.s.Open(fourth); ok != c.want {
				t.Errorf("open at a fourth owner: %v", ok)
			}
			for what, k := range map[string]Knock{
				"at an owner where nobody is": with(func(k *Knock) { k.Addr, k.ASN = at("102.7.7.7"), 24940 }),
				"abroad":                      with(func(k *Knock) { k.Addr, k.ASN, k.Country = at("101.7.7.7"), 8881, "FR" }),
				"with another TLS library":    with(func(k *Knock) { k.Addr, k.ASN, k.JA4 = at("101.7.7.7"), 8881, helloGo }),
				"with a hello nobody has":     with(func(k *Knock) { k.Addr, k.ASN, k.JA4 = at("101.7.7.7"), 8881, helloNew }),
				"over another protocol":       with(func(k *Knock) { k.Addr, k.ASN, k.Protocol = at("101.7.7.7"), 8881, protocol.Sieve }),
			} {
				if _, ok := d.s.Open(k); ok {
					t.Errorf("open %s", what)
				}
			}
			if c.want {
				for k, want := range map[*Knock]string{
					new(with(func(k *Knock) { k.Addr, k.ASN, k.JA4 = at("101.7.7.7"), 8881, helloNew })):                     "the program was updated, or its window has run out",
					new(with(func(k *Knock) { k.Addr, k.ASN, k.Program, k.JA4 = at("104.7.7.7"), 8881, "python", helloGo })): "a program and a place that are not known",
				} {
					if what, _ := d.s.Advice(*k); what != want {
						t.Errorf("%s from %s: %s, want %s", k.Program, k.Addr, what, want)
					}
				}
				if d.s.index.learn("person0", nil, nil); d.s.index.find(&fourth) != nil {
					t.Error("open although only four people are there by now")
				}
			}
		})
	}
}

func TestAnUpdateThatManyHaveIsFollowed(t *testing.T) {
	d := diary{t, open(t, Options{})}
	for i := range 3 {
		d.daily(with(func(k *Knock) { k.Addr = at(fmt.Sprintf("100.%d.1.1", i)) }), 20-i, 19-i, 9)
	}
	for n := range enoughPeople {
		d.person(fmt.Sprintf("person%d", n))
		d.daily(with(func(k *Knock) { k.Person, k.Addr = fmt.Sprintf("person%d", n), at(fmt.Sprintf("103.1.%d.1", n)) }), 20, 10, 9)
	}
	d.adopt(AdoptOptions{})
	updated := with(func(k *Knock) { k.Addr, k.JA4 = at("100.9.1.1"), helloNew })
	for n := range enoughPeople {
		if _, ok := d.s.Open(updated); ok {
			t.Fatalf("a version that %d people have is let in at all of the owner's networks", n)
		}
		if _, ok := d.s.Open(with(func(k *Knock) {
			k.Person, k.Addr, k.JA4 = fmt.Sprintf("person%d", n), at(fmt.Sprintf("103.1.%d.1", n)), helloNew
		})); !ok {
			t.Fatal("the update is refused at home")
		}
	}
	if _, ok := d.s.Open(updated); !ok {
		t.Error("a version that everybody has by now is refused")
	}
}

func TestWhoMovesHouseMovesWithEverything(t *testing.T) {
	d := diary{t, open(t, Options{})}
	computer := with(func(k *Knock) { k.Program, k.JA4 = "thunderbird", helloGo })
	d.daily(knock(), 20, 10, 9)
	d.daily(computer, 20, 10, 20)
	for i := range 2 { // the telephone is known in more networks of this part
		d.daily(with(func(k *Knock) { k.Addr = at(fmt.Sprintf("192.0.%d.1", 7+i)) }), 9-i, 8-i, 9)
	}
	d.adopt(AdoptOptions{})
	moved := func(change func(*Knock)) Knock {
		k := computer
		k.Addr = at("192.0.77.5")
		change(&k)
		return k
	}
	same := func(*Knock) {}
	if _, ok := d.s.Open(moved(same)); ok {
		t.Fatal("the computer is let in where it never was")
	}
	if _, ok := d.s.Open(with(func(k *Knock) { k.Addr = at("192.0.77.9") })); !ok {
		t.Fatal("the telephone is refused")
	}
	for what, k := range map[string]Knock{
		"in the network next to it": moved(func(k *Knock) { k.Addr = at("192.0.78.5") }),
		"with another hello":        moved(func(k *Knock) { k.JA4 = helloPython }),
		"under another name":        moved(func(k *Knock) { k.Program = "evolution" }),
		"at another owner":          moved(func(k *Knock) { k.Owner = "Hosting" }),
		"as somebody else":          moved(func(k *Knock) { k.Person = "bob" }),
		"eight days later":          moved(func(k *Knock) { k.At = time.Now().Add(8 * day) }),
	} {
		if _, ok := d.s.Open(k); ok {
			t.Errorf("the computer is let in %s", what)
		}
	}
	if _, ok := d.s.Open(moved(same)); !ok {
		t.Error("the computer is refused where the telephone is let in")
	}
	approved := moved(func(k *Knock) { k.Person, k.Addr = "bob", at("198.51.100.1") })
	r := ask(t, d.s, approved)
	if _, err := d.s.Approve(t.Context(), tester, "bob", r.ID, Approver{Addr: approved.Addr, MultiFactor: true}); err != nil {
		t.Fatal(err)
	}
	d.s.index.household.seen(&Knock{Person: "bob", Addr: at("192.0.77.9"), JA4: helloOld, At: time.Now()})
	if _, ok := d.s.Open(moved(func(k *Knock) { k.Person = "bob" })); ok {
		t.Error("what was approved for one network moves to another")
	}
}

func TestAnUpdateIsFollowedFromAPlaceThatIsPinnedTightly(t *testing.T) {
	d := diary{t, open(t, Options{})}
	d.daily(knock(), 20, 10, 20)
	for i, addr := range []string{"100.1.1.1", "100.2.1.1", "100.3.1.1"} {
		d.daily(with(func(k *Knock) { k.Addr = at(addr) }), 9-i, 8-i, 9)
	}
	d.adopt(AdoptOptions{})
	abroad := with(func(k *Knock) { k.Addr, k.JA4 = at("100.9.1.1"), helloNew })
	if _, ok := d.s.Open(abroad); ok {
		t.Error("a hello that was never seen is let in at all of the owner's networks")
	}
	if _, ok := d.s.Open(with(func(k *Knock) { k.JA4 = helloNew })); !ok {
		t.Fatal("the update is refused at home")
	}
	if _, ok := d.s.Open(abroad); !ok {
		t.Error("the update is refused on the way after it was seen at home")
	}
	if err := d.s.writeUses(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := open(t, Options{Store: d.s.Store}).Open(abroad); !ok {
		t.Error("the update is refused after a restart")
	}
}

// company gives the organisation a usual country and usual hours.
func (d diary) company() {
	d.daily(with(func(k *Knock) { k.Person = "bob" }), 29, 0, 9)
	for _, hour := range []int{8, 12, 16, 20} {
		d.daily(knock(), 29, 0, hour)
	}
}

func TestWhatLooksLikeSomebodyElseIsNamedAndLeftOut(t *testing.T) {
	thief := func(change func(*Knock)) Knock {
		return with(func(k *Knock) {
			k.Addr, k.Country, k.ASN, k.Owner, k.Program, k.JA4 = at("203.0.113.5"), "RO", 9009, "Hosting", "python", helloPython
			change(k)
		})
	}
	for _, c := range []struct {
		what   string
		named  bool
		reason string
		k      Knock
		from   int
		hour   int
	}{
		{"a script abroad", true, "from RO", thief(func(*Knock) {}), 20, 3},
		{"the own program abroad while it is at home", true, "where its owner stays", thief(func(k *Knock) { k.Program, k.JA4 = "k-9", helloOld }), 20, 12},
		{"travel", false, "", thief(func(k *Knock) { k.Program, k.JA4, k.ASN = "k-9", helloOld, 8708 }), 4, 10},
		{"a new telephone at home", false, "", thief(func(k *Knock) { k.Addr, k.Country, k.ASN = knock().Addr, "DE", 3320 }), 6, 12},
		{"a computer at another provider in the country", false, "", thief(func(k *Knock) { k.Country, k.ASN = "DE", 3209 }), 29, 19},
		{"the own program abroad, on the days on which it is at home", true, "where they stay", thief(func(k *Knock) { k.Program, k.JA4 = "k-9", helloOld }), 29, 14},
		{"a script at night at the own provider", true, "hardly anybody", thief(func(k *Knock) { k.Country, k.ASN = "DE", 3320 }), 18, 3},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := diary{t, open(t, Options{})}
			d.company()
			d.daily(c.k, c.from, 0, c.hour)
			rep := d.adopt(AdoptOptions{DryRun: true})
			if (len(rep.Suspicious) == 1) != c.named || len(rep.Suspicious) > 1 {
				t.Fatalf("suspicious: %+v", rep.Suspicious)
			}
			d.adopt(AdoptOptions{})
			if _, ok := d.s.Open(c.k); ok == c.named {
				t.Errorf("adopted: %v", ok)
			}
			if !c.named {
				return
			}
			if why := strings.Join(rep.Suspicious[0].Reasons, "; "); !strings.Contains(why, c.reason) {
				t.Errorf("the reasons are %s", why)
			}
			if !slices.ContainsFunc(rep.Left, func(l Left) bool { return strings.Contains(l.Do, "--include") }) {
				t.Errorf("left: %+v", rep.Left)
			}
			d.adopt(AdoptOptions{Include: []string{rep.Suspicious[0].ID}})
			if _, ok := d.s.Open(c.k); !ok {
				t.Error("not adopted although an administrator said so")
			}
		})
	}
}

func TestWhoLooksEveryNightDoesMostAndIsNamedAllTheSame(t *testing.T) {
	d := diary{t, open(t, Options{})}
	for _, hour := range []int{8, 12, 16, 20} {
		d.daily(with(func(k *Knock) { k.Person = "bob" }), 29, 0, hour)
	}
	d.daily(knock(), 29, 19, 9)
	script := with(func(k *Knock) { k.Addr, k.Program, k.JA4 = at("203.0.113.5"), "python", helloPython })
	d.daily(script, 18, 0, 3)
	if rep := d.adopt(AdoptOptions{}); len(rep.Suspicious) != 1 || rep.Suspicious[0].Program != "python" {
		t.Errorf("suspicious: %+v", rep.Suspicious)
	}
	if _, ok := d.s.Open(script); ok {
		t.Error("adopted")
	}
}

func TestOneSourceInSeveralAccountsIsNamed(t *testing.T) {
	d := diary{t, open(t, Options{})}
	d.company()
	for _, who := range []string{"mary", "bob"} {
		d.daily(with(func(k *Knock) {
			k.Person, k.Addr, k.ASN, k.Owner, k.Program, k.JA4 = who, at("203.0.113.5"), 24940, "Hosting at home", "go", helloGo
		}), 15, 0, 14)
	}
	rep := d.adopt(AdoptOptions{DryRun: true})
	if len(rep.Suspicious) != 2 || !strings.Contains(strings.Join(rep.Suspicious[0].Reasons, ";"), "accounts of 2 people") {
		t.Errorf("%+v", rep.Suspicious)
	}
}

func TestExclusionsGroupsAndOptions(t *testing.T) {
	d := diary{t, open(t, Options{})}
	d.daily(knock(), 10, 0, 9)
	d.daily(with(func(k *Knock) { k.Person = "bob" }), 10, 0, 9)
	for _, exclude := range []string{"mary", "mary@example.org", "192.0.2.0/24", "192.0.2.7", "K-9"} {
		rep := d.adopt(AdoptOptions{DryRun: true, Exclude: []string{exclude}})
		if slices.ContainsFunc(rep.Windows, func(w Window) bool { return w.Person == "mary" }) {
			t.Errorf("--exclude %s adopts", exclude)
		}
	}
	err := d.s.Store.Change(t.Context(), tester, "", func(tx *store.Tx) error {
		g := store.Group{Name: "Staff"}
		if err := tx.AddGroup(&g); err != nil {
			return err
		}
		return tx.AddMember(store.Member{Group: "Staff", Member: "bob"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if rep := d.adopt(AdoptOptions{Group: "staff"}); rep.People != 1 || slices.ContainsFunc(rep.Windows, func(w Window) bool { return w.Person != "bob" }) {
		t.Errorf("the group: %+v", rep)
	}
	if _, err := d.s.Adopt(t.Context(), tester, AdoptOptions{Group: "nobody"}); !errors.Is(err, ErrOptions) {
		t.Errorf("no such group: %v", err)
	}
	for _, o := range []AdoptOptions{{Seen: time.Hour}, {Seen: 200 * day}, {Days: 31}, {Days: -1}, {Widen: "world"}, {Include: []string{"nothing"}}} {
		if _, err := d.s.Adopt(t.Context(), tester, o); !errors.Is(err, ErrOptions) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestTheThirdApprovalHoldsForMore(t *testing.T) {
	s := open(t, Options{})
	for i, c := range []struct {
		addr string
		want string
	}{
		{"100.1.1.1", "100.1.1.0/24"}, {"100.1.2.1", "100.1.2.0/24"}, {"100.1.3.1", "100.1.0.0/16"},
	} {
		k := with(func(k *Knock) { k.Addr = at(c.addr) })
		r := ask(t, s, k)
		w, err := s.Approve(t.Context(), tester, "mary", r.ID, Approver{Addr: k.Addr, MultiFactor: true})
		if err != nil {
			t.Fatal(err)
		}
		if w.Network.String() != c.want {
			t.Errorf("approval %d holds for %s, want %s", i+1, w.Network, c.want)
		}
	}
	if _, ok := s.Open(with(func(k *Knock) { k.Addr, k.ASN = at("100.1.9.1"), 1 })); ok {
		t.Error("open at another owner")
	}
	if _, ok := s.Open(with(func(k *Knock) { k.Addr = at("100.1.9.1") })); !ok {
		t.Error("not open in the rest of the part")
	}
}
