package approval

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/protocol"
)

// Suspect is a habit that may be somebody else's. It is not adopted unless
// an administrator says so.
type Suspect struct {
	ID        string              `json:"id"` // the same each time
	Person    string              `json:"person"`
	Address   string              `json:"address"`
	Protocols []protocol.Protocol `json:"protocols"`
	Program   string              `json:"program"`
	JA4       string              `json:"ja4"`
	Networks  []netip.Prefix      `json:"networks"` // a few
	Owner     string              `json:"owner"`
	Country   string              `json:"country"`
	First     time.Time           `json:"first"`
	Last      time.Time           `json:"last"`
	Days      int                 `json:"days"`
	Count     int64               `json:"count"`
	Reasons   []string            `json:"reasons"`
	Included  bool                `json:"included"` // adopted all the same
}

// The weights of what speaks against a habit. No single one is enough: people
// travel, buy telephones and work at night.
const (
	weighAbroad  = 2 // where the person otherwise is not
	weighDevice  = 2 // a program that the person has nowhere else
	weighPlace   = 1 // a network owner that the person is nowhere else a guest of
	weighTorn    = 3 // the same program in two countries within the hour
	weighBoth    = 2 // abroad and at home on the same days, again and again
	weighShared  = 2 // one source in the accounts of people who share nothing else
	weighNight   = 2 // only when the organisation sleeps
	weighRecent  = 1 // began long after the person's other programs
	weighOneWay  = 1 // only ever fetches, or only ever sends
	weighRare    = 1 // a program that hardly anybody in the organisation uses
	weighRemote  = 1 // such a program, in networks where none of them is
	suspicious   = 6
	notedOnce    = 2  // people who share a source, from which on it counts
	quietShare   = 40 // per cent of an average hour, below which the organisation sleeps
	nightShare   = 75 // per cent of a habit's sign-ins in such hours
	enoughUses   = 5  // hours in which it was used, below which they tell nothing
	tornOften    = 2  // once may be a telephone that changes to its VPN
	listNetworks = 5
)

// suspects judges every habit.
func (p *past) suspects() map[*habit]*Suspect {
	strange, main := map[*habit]bool{}, map[*habit]bool{} // a program and a place that the person has nowhere else; what they use most
	for _, who := range p.people {
		main[p.main(who)] = true
		for _, h := range who.habits {
			strange[h] = !who.hasDevice(h) && !who.hasPlace(h)
		}
	}
	p.unshare(strange, main)
	shared := p.shared(strange)
	found := map[*habit]*Suspect{}
	for _, who := range p.people {
		if reasons := p.taken(who); reasons != nil {
			for _, h := range who.habits {
				found[h] = h.suspect(who, reasons)
			}
			continue
		}
		if len(who.habits) < 2 {
			continue // nothing to differ from
		}
		who.islands(main)
		for _, h := range who.habits {
			if s := p.judge(who, h, shared[h]); s != nil && !main[h] {
				found[h] = s
			}
		}
	}
	return found
}

// main is what a person does most: of their habits in their country, the one
// that has least against it, and on most days among those. A script that looks
// every night would be what is done on most days.
func (p *past) main(who *person) (most *habit) {
	home, _ := p.home(who)
	least := 0
	for _, h := range who.habits {
		if h.Country != home {
			continue
		}
		score, _ := p.against(who, h, 0)
		if most == nil || score < least || score == least && h.days.count() > most.days.count() {
			most, least = h, score
		}
	}
	return most
}

// unshare takes the addresses at which somebody has their main habit out of
// those that are strange: a family shares one.
func (p *past) unshare(strange, main map[*habit]bool) {
	lived := map[netip.Prefix]bool{}
	for h := range main {
		if h != nil {
			for n := range h.nets {
				lived[n] = true
			}
		}
	}
	for h := range strange {
		for n := range h.nets {
			if lived[n] {
				strange[h] = false
			}
		}
	}
}

// hasDevice says that a person uses a habit's program elsewhere too.
func (p *person) hasDevice(h *habit) bool {
	if h.Program == "" && h.JA4 == "" {
		return true // cannot be told
	}
	return slices.ContainsFunc(p.habits, func(o *habit) bool { return o.place != h.place && o.same(h.device) })
}

// hasPlace says that a person has other programs in networks of the same owner.
func (p *person) hasPlace(h *habit) bool {
	return slices.ContainsFunc(p.habits, func(o *habit) bool { return o.place == h.place && !o.same(h.device) })
}

// neighbour says that a person has other programs in the same part of an owner's networks.
func (p *person) neighbour(h *habit) bool {
	mine := map[netip.Prefix]bool{}
	for n := range h.nets {
		mine[poolOf(n)] = true
	}
	return slices.ContainsFunc(p.habits, func(o *habit) bool {
		if o.place != h.place || o.same(h.device) {
			return false
		}
		for n := range o.nets {
			if mine[poolOf(n)] {
				return true
			}
		}
		return false
	})
}

// shared counts, for each strange habit, the people in whose accounts the same
// address is as strange with the same program.
func (p *past) shared(strange map[*habit]bool) map[*habit]int {
	type source struct {
		device
		addr netip.Addr
	}
	at := map[source]map[string]bool{}
	each := func(do func(*habit, source)) {
		for h, is := range strange {
			for _, a := range h.addrs {
				if is && len(p.devices[network.Of(a)]) < manyDevices {
					do(h, source{h.device, a})
				}
			}
		}
	}
	each(func(h *habit, s source) {
		if at[s] == nil {
			at[s] = map[string]bool{}
		}
		at[s][h.person] = true
	})
	most := map[*habit]int{}
	each(func(h *habit, s source) { most[h] = max(most[h], len(at[s])) })
	return most
}

func (p *past) judge(who *person, h *habit, shared int) *Suspect {
	score, reasons := p.against(who, h, shared)
	if score < suspicious {
		return nil
	}
	return h.suspect(who, reasons)
}

// against says what speaks against a habit, and how much.
func (p *past) against(who *person, h *habit, shared int) (score int, reasons []string) {
	say := func(weight int, format string, args ...any) {
		score += weight
		reasons = append(reasons, fmt.Sprintf(format, args...))
	}
	home, on := p.home(who)
	if h.Country != "" && h.Country != home {
		say(weighAbroad, "from %s, while this person is in %s on %d days", h.Country, home, on)
	}
	if h.apart || !who.hasDevice(h) && !who.neighbour(h) {
		say(weighDevice, "a program that this person uses nowhere else")
	}
	if h.apart || !who.hasPlace(h) {
		say(weighPlace, "a network owner of whom this person has no other program")
	}
	if torn := h.tornTimes(); torn >= tornOften && h.Country != home {
		say(weighTorn, "the same program was where its owner stays within the hour, %d times", torn)
	}
	if both := p.settledOn(who, home).and(h.days).count(); both >= settledDays && h.Country != home {
		say(weighBoth, "on %d days the person was in %s, too, where they stay", both, home)
	}
	if shared >= notedOnce {
		say(weighShared, "the same address and program are in the accounts of %d people", shared)
	}
	if p.nightly(who, h) {
		say(weighNight, "only at hours when hardly anybody else here signs in")
	}
	if h.first.Sub(who.first) > p.to.Sub(p.from)/5 {
		say(weighRecent, "began on %s, long after this person's other programs", h.first.Format(time.DateOnly))
	}
	if p.rare(h) {
		say(weighRare, "a program that hardly anybody else here uses")
		if p.remote(h) {
			say(weighRemote, "a network owner where hardly anybody else here is")
		}
	}
	if way := oneWay(h.protocols()); way != "" {
		say(weighOneWay, "%s", way)
	}
	return score, reasons
}

// oneWay says, for people to read, that protocols only fetch or only send.
func oneWay(set uint32) string {
	switch {
	case set&(1<<protocol.Submission) == 0:
		return "only ever fetches"
	case set == 1<<protocol.Submission:
		return "only ever sends"
	}
	return ""
}

// nightly says that a habit keeps to hours in which the organisation sleeps,
// and the rest of the person's programs as well.
func (p *past) nightly(who *person, h *habit) bool {
	var quiet, others, othersQuiet int64
	for hour, n := range h.hours {
		if n == 0 || !p.sleeps(h, hour) {
			continue
		}
		quiet += n
		for _, o := range who.habits {
			if o != h {
				othersQuiet += o.hours[hour]
			}
		}
	}
	for _, o := range who.habits {
		if o != h {
			others += o.used
		}
	}
	return h.used >= enoughUses && quiet*100 >= h.used*nightShare && othersQuiet*10 <= others
}

// sleeps says that in an hour and the two before and after it the organisation
// does much less than in others, apart from the habit itself.
func (p *past) sleeps(h *habit, hour int) bool {
	var around int64
	for off := 22; off <= 26; off++ {
		around += p.hours[(hour+off)%24] - h.hours[(hour+off)%24]
	}
	return around*24*100 < (p.used-h.used)*5*quietShare
}

func (h *habit) suspect(who *person, reasons []string) *Suspect {
	s := &Suspect{ID: h.id(), Person: h.person, Address: who.address, Protocols: protocolList(h.protocols()), Program: h.Program, JA4: h.JA4,
		Owner: h.owner, Country: h.Country, First: h.first, Last: h.last, Days: h.days.count(), Count: h.count, Reasons: reasons}
	for n := range h.nets {
		s.Networks = append(s.Networks, n)
	}
	slices.SortFunc(s.Networks, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	s.Networks = s.Networks[:min(len(s.Networks), listNetworks)]
	return s
}

// id names a habit, the same at each look at the log.
func (h *habit) id() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%d\n%s\n%s", h.person, h.Program, h.JA4, h.ASN, h.Country, h.Network))
	return hex.EncodeToString(sum[:5])
}
