package approval

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// staff is an organisation of people in one country, with telephones and
// computers in two owners' networks.
func staff(t *testing.T) diary {
	d := diary{t, open(t, Options{})}
	person := func(n int) string { return fmt.Sprintf("person%d", n) }
	err := d.s.Store.Change(t.Context(), tester, "", func(tx *store.Tx) error {
		for n := range manyPeople {
			if err := tx.AddPerson(&store.Person{ID: person(n), Address: person(n) + "@example.org", SecretKind: store.SecretBackend}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = d.s.Store.Write(t.Context(), func(tx *store.Tx) error {
		for n := range manyPeople {
			phone := with(func(k *Knock) { k.Person, k.Addr = person(n), at(fmt.Sprintf("192.0.2.%d", n)) })
			computer := with(func(k *Knock) {
				k.Person, k.Program, k.JA4, k.Addr, k.ASN = person(n), "thunderbird", helloGo, at(fmt.Sprintf("198.51.%d.1", n)), 3209
			})
			if err := cmp.Or(written(tx, phone, 29, 20, 8+n%10), written(tx, computer, 29, 20, 9+n%10)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// script is what no owner has.
func script(change func(*Knock)) Knock {
	return with(func(k *Knock) {
		k.Addr, k.Country, k.ASN, k.Owner, k.Program, k.JA4 = at("203.0.113.5"), "RO", 9009, "Hosting", "python", helloPython
		change(k)
	})
}

func TestThievesOfAMonthAreNamedAndPeopleAreNot(t *testing.T) {
	const odd = "t13d1011h1_0123456789ab_0123456789ab"
	home := func(d diary) { // mary's telephone and computer
		d.daily(knock(), 29, 0, 9)
		d.daily(with(func(k *Knock) { k.Program, k.JA4 = "thunderbird", helloGo }), 29, 0, 19)
	}
	hoster := func(n int) Knock {
		return script(func(k *Knock) { k.Country, k.ASN, k.Addr = "DE", 24940+uint32(n), at(fmt.Sprintf("203.%d.113.5", n)) })
	}
	for _, c := range []struct {
		what  string
		named int
		do    func(d diary)
	}{
		{"a script at two who rent out machines in the country, at night", 2, func(d diary) {
			home(d)
			d.daily(hoster(0), 20, 0, 3)
			d.daily(hoster(1), 20, 0, 2)
		}},
		{"two scripts at one, at night", 2, func(d diary) {
			home(d)
			d.daily(hoster(0), 20, 0, 3)
			d.daily(with(func(k *Knock) { *k = hoster(0); k.Program, k.JA4 = "go", odd }), 20, 0, 2)
		}},
		{"a script by day, all month", 1, func(d diary) { home(d); d.daily(hoster(0), 29, 0, 14) }},
		{"an account that nobody else uses, in the country", 1, func(d diary) { d.daily(hoster(0), 29, 0, 14) }},
		{"an odd program, all month, at an owner where others are", 0, func(d diary) {
			home(d)
			d.daily(with(func(k *Knock) { k.Program, k.JA4, k.ASN, k.Addr = "alpine", odd, 3209, at("198.52.1.1") }), 29, 0, 14)
		}},
		{"a script by day, of late", 1, func(d diary) { home(d); d.daily(hoster(0), 18, 0, 14) }},
		{"two scripts abroad", 2, func(d diary) {
			home(d)
			d.daily(script(func(*Knock) {}), 20, 0, 3)
			d.daily(script(func(k *Knock) { k.Program, k.JA4 = "go", odd }), 20, 0, 4)
		}},
		{"an account that nobody else uses", 1, func(d diary) { d.daily(script(func(*Knock) {}), 20, 0, 14) }},
		{"such an account, from two networks", 2, func(d diary) {
			d.daily(script(func(*Knock) {}), 20, 0, 14)
			d.daily(script(func(k *Knock) { k.ASN, k.Addr = 1, at("203.0.114.5") }), 20, 0, 15)
		}},
		{"somebody who lives abroad, with a program as others have", 0, func(d diary) {
			d.daily(with(func(k *Knock) { k.Country, k.ASN = "AT", 8447 }), 29, 0, 3)
		}},
		{"a script in the organisation's country, and the owner abroad", 1, func(d diary) {
			for hour, k := range []Knock{knock(), with(func(k *Knock) { k.Program, k.JA4 = "thunderbird", helloGo })} {
				k.Country, k.ASN = "AT", 8447
				d.daily(k, 29, 0, 9+hour)
			}
			d.daily(hoster(0), 29, 0, 14)
		}},
		{"somebody who lives abroad, with an odd program that sends", 0, func(d diary) {
			d.daily(script(func(*Knock) {}), 20, 0, 14)
			d.daily(script(func(k *Knock) { k.Program, k.Protocol = "", protocol.Submission }), 20, 0, 14)
		}},
		{"a new computer with an odd program at home", 0, func(d diary) {
			home(d)
			d.daily(with(func(k *Knock) { k.Program, k.JA4 = "alpine", odd }), 10, 0, 14)
		}},
		{"a telephone that is never in the computer's networks, and abroad for days", 0, func(d diary) {
			d.daily(with(func(k *Knock) { k.Program, k.JA4 = "thunderbird", helloGo }), 29, 0, 19)
			for i, asn := range []uint32{6805, 3209} {
				phone := with(func(k *Knock) { k.ASN, k.Addr = asn, at(fmt.Sprintf("100.%d.1.1", i)) })
				d.daily(phone, 29, 6, 9+i)
				d.daily(with(func(k *Knock) { *k = phone; k.Program, k.Protocol = "", protocol.Submission }), 20, 15, 9)
			}
			d.daily(with(func(k *Knock) { k.Country, k.ASN, k.Addr = "IT", 3269, at("101.1.1.1") }), 4, 0, 9)
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := staff(t)
			c.do(d)
			rep := d.adopt(AdoptOptions{DryRun: true})
			if len(rep.Suspicious) != c.named || slices.ContainsFunc(rep.Suspicious, func(s Suspect) bool { return s.Person != "mary" || s.Owner != "Hosting" }) {
				t.Errorf("%d are named, not %d: %+v", len(rep.Suspicious), c.named, rep.Suspicious)
			}
		})
	}
}

func TestWhoSignsInMoreOftenThanEverybodyTurnsNothingRound(t *testing.T) {
	d := diary{t, open(t, Options{})}
	d.company()
	thief := script(func(*Knock) {})
	for hour := range 24 {
		d.daily(thief, 28, 0, hour)
	}
	rep := d.adopt(AdoptOptions{})
	if len(rep.Suspicious) != 1 || rep.Suspicious[0].Country != "RO" || !strings.Contains(strings.Join(rep.Suspicious[0].Reasons, ";"), "this person is in DE") {
		t.Errorf("suspicious: %+v", rep.Suspicious)
	}
	if _, ok := d.s.Open(knock()); !ok {
		t.Error("the owner is not adopted")
	}
	if _, ok := d.s.Open(thief); ok {
		t.Error("the thief is adopted")
	}
}

func TestNightIsWhenPeopleSleepNotWhenScriptsDo(t *testing.T) {
	p := &past{from: time.Now().Add(-30 * day).UTC().Truncate(day), people: map[string]*person{}, devices: map[netip.Prefix][]library{}}
	p.to = p.from.Add(30 * day)
	for d := range 30 {
		add := func(who string, k Knock, hour, minute int) {
			k.Person, k.At = who, p.from.Add(time.Duration(d)*day+time.Duration(hour)*time.Hour+time.Duration(minute)*time.Minute)
			p.add(&k, &signin.Event{})
		}
		for minute := range 60 { // in two accounts, each minute of an hour at night
			add("mary", script(func(*Knock) {}), 3, minute)
			add("bob", script(func(*Knock) {}), 3, minute)
		}
		for hour := 7; hour < 20; hour++ {
			add("mary", knock(), hour, 0)
		}
	}
	p.usual, p.pools = p.majority(), p.churn()
	if mary := p.people["mary"]; !p.nightly(mary, mary.habits[0]) {
		t.Error("what is done at three o'clock is not done at night, since another script does the same")
	}
}

func TestAnotherHelloEachTimeFillsNothing(t *testing.T) {
	p := &past{from: time.Now().Add(-30 * day).UTC().Truncate(day), people: map[string]*person{}, devices: map[netip.Prefix][]library{}}
	p.to = p.from.Add(30 * day)
	for d := range 30 {
		for n := range 100 {
			k := knock()
			k.At = p.from.Add(time.Duration(d)*day + time.Duration(n)*time.Minute)
			k.JA4 = fmt.Sprintf("t13d1516h2_%012x_%012x", d, n)
			p.add(&k, &signin.Event{})
		}
		k := knock()
		k.At = p.from.Add(time.Duration(d)*day + 12*time.Hour)
		p.add(&k, &signin.Event{})
	}
	who := p.people["mary"]
	if len(who.habits) > maxHabits || len(who.latest) > maxHabits || p.signIns != 30*101 {
		t.Errorf("%d habits and %d sightings of %d sign-ins", len(who.habits), len(who.latest), p.signIns)
	}
	if !slices.ContainsFunc(who.habits, func(h *habit) bool { return h.JA4 == helloOld && h.days.count() == 30 }) {
		t.Error("the owner's habit gave way")
	}
}

func TestWhatIsNoJA4IsNotFollowed(t *testing.T) {
	x := &index{idle: 45 * day}
	w := Window{ID: "1", Person: "mary", Kind: store.AdoptedWindow, Protocols: []protocol.Protocol{protocol.IMAP}, JA4: "abc", ASN: 3320, Country: "DE", Created: time.Now()}
	tight := Window{ID: "2", Person: "mary", Kind: store.AdoptedWindow, Protocols: w.Protocols, JA4: "def", Network: netip.MustParsePrefix("198.51.100.0/24"), Created: time.Now()}
	x.learn("", []Window{w, tight}, nil)
	k := with(func(k *Knock) { k.JA4 = "def" })
	if x.find(&k) != nil {
		t.Error("two hellos of which nothing is known are taken for one library's")
	}
}

func TestHellosAreLearntOnlyWherePlacesAreTight(t *testing.T) {
	x := &index{idle: 45 * day}
	var all []Window
	for n := range enoughPeople + 1 {
		w := Window{ID: fmt.Sprint(n), Person: fmt.Sprintf("person%d", n), Kind: store.AdoptedWindow, Protocols: []protocol.Protocol{protocol.IMAP}, Program: "k-9", JA4: helloNew,
			ASN: 3320, Country: "DE", Created: time.Now().Add(-day)}
		if n == enoughPeople {
			w.JA4 = helloOld
		}
		all = append(all, w)
	}
	x.learn("", all, nil)
	for n := range enoughPeople {
		k := with(func(k *Knock) { k.Person, k.JA4 = all[n].Person, helloNew })
		w := x.find(&k)
		if w == nil {
			t.Fatal("the owner is refused")
		}
		x.use(w, &k)
		x.learn(k.Person, all[n:n+1], nil)
	}
	k := with(func(k *Knock) { k.Person, k.JA4 = all[enoughPeople].Person, helloNew })
	if x.find(&k) != nil {
		t.Error("a version is let in that was seen at nobody's own place")
	}
}

// mover is somebody with three programs, of which the telephone is known in a
// part of an owner's networks.
func mover(t *testing.T) (d diary, phone, computer, tablet Knock) {
	d = diary{t, open(t, Options{})}
	computer = with(func(k *Knock) { k.Program, k.JA4 = "thunderbird", helloGo })
	tablet = with(func(k *Knock) { k.Program, k.JA4 = "evolution", helloPython })
	for i, k := range []Knock{knock(), computer, tablet} {
		d.daily(k, 20, 10, 9+i)
	}
	for i := range 2 {
		d.daily(with(func(k *Knock) { k.Addr = at(fmt.Sprintf("192.0.%d.1", 7+i)) }), 9-i, 8-i, 9)
	}
	d.adopt(AdoptOptions{})
	phone = knock()
	for _, k := range []*Knock{&phone, &computer, &tablet} {
		k.Addr, k.At = at("192.0.77.5"), time.Now()
	}
	return d, phone, computer, tablet
}

func TestProgramsDoNotKeepEachOtherWhereTheTelephoneNoLongerIs(t *testing.T) {
	d, phone, computer, tablet := mover(t)
	opens := func(k Knock, days int) bool {
		k.At = k.At.Add(time.Duration(days) * day)
		_, ok := d.s.Open(k)
		return ok
	}
	if !opens(phone, 0) || !opens(computer, 6) || !opens(tablet, 6) {
		t.Fatal("who moves does not move with everything")
	}
	if opens(computer, 12) || opens(tablet, 12) {
		t.Error("at home where no program was let in by a window of its own for a week")
	}
}

func TestWhatIsTakenBackTakesItsNetworksAlong(t *testing.T) {
	d, phone, computer, _ := mover(t)
	pass, ok := d.s.Open(phone)
	if _, moved := d.s.Open(computer); !ok || !moved {
		t.Fatal("who moves does not move with everything")
	}
	if err := d.s.Withdraw(t.Context(), tester, strings.TrimPrefix(pass.Grant, store.GrantOfWindow(""))); err != nil {
		t.Fatal(err)
	}
	if _, ok := d.s.Open(computer); ok {
		t.Error("at home where only a window that was taken back let somebody in")
	}
	d.s.index.learn("mary", nil, nil)
	if n := len(d.s.index.household.where); n > 0 {
		t.Errorf("the networks of %d people are kept who are gone", n)
	}
}

func TestWhatWasNotUsedForTooLongIsNotAdopted(t *testing.T) {
	d := diary{t, open(t, Options{})}
	d.daily(knock(), 60, 50, 9)
	rep := d.adopt(AdoptOptions{Seen: 70 * day})
	if _, ok := d.s.Open(knock()); ok || len(rep.Windows) > 0 || rep.Pass > 0 {
		t.Errorf("unused for fifty days and open: %v; %d windows, %d sign-ins foreseen", ok, len(rep.Windows), rep.Pass)
	}
}

func TestSignInsAndReloadsAtOnce(t *testing.T) {
	windows := func(n int) (all []Window) {
		for i := range 100 {
			w := Window{ID: fmt.Sprintf("%d-%d", n, i), Person: fmt.Sprint(n), Kind: store.AdoptedWindow, Protocols: []protocol.Protocol{protocol.IMAP},
				JA4: helloOld, Owner: "Telekom", Network: netip.MustParsePrefix(fmt.Sprintf("192.0.%d.0/24", i)), Created: time.Now()}
			if i == 0 {
				w.Network, w.ASN, w.Country = netip.Prefix{}, 3320, "DE"
			}
			all = append(all, w)
		}
		return all
	}
	s := &Service{}
	s.index.idle = 45 * day
	var everybody []Window
	for n := range enoughPeople + 1 {
		everybody = append(everybody, windows(n)...)
	}
	s.index.learn("", everybody, nil)
	var wg sync.WaitGroup
	for n := range enoughPeople + 1 {
		person := fmt.Sprint(n)
		wg.Go(func() {
			for i := range 100 {
				hello := []string{helloOld, helloNew}[i%2]
				s.Open(with(func(k *Knock) { k.Person, k.Addr, k.JA4 = person, at(fmt.Sprintf("192.0.%d.9", i%100)), hello }))
			}
		})
		wg.Go(func() {
			for i := range 12 {
				switch i % 3 {
				case 0:
					s.index.learn(person, windows(n), nil)
				case 1:
					s.index.learn(person, nil, nil)
				case 2:
					s.index.learn("", everybody, nil)
				}
				s.index.over(time.Now())
				s.index.giveBack(s.index.takeUses())
			}
		})
	}
	wg.Wait()
	var again index
	again.learn("", everybody, nil)
	for n := range enoughPeople + 1 {
		s.index.learn(fmt.Sprint(n), windows(n), nil)
	}
	if got, want := s.index.company.owners, again.company.owners; !maps.Equal(got, want) {
		t.Errorf("people at owners: %v, want %v", got, want)
	}
	for n := range enoughPeople + 1 {
		s.index.learn(fmt.Sprint(n), nil, nil)
	}
	if x := &s.index; len(x.windows)+len(x.hellos)+len(x.company.owners)+len(x.company.hellos)+len(x.household.where) > 0 {
		t.Errorf("of people who are gone there is kept: %v, %v, %v", x.hellos, x.company, x.household.where)
	}
}
