package policy

import (
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
)

// compileRows asks each condition of one value for every value there is.
func (s *Snapshot) compileRows() {
	var platforms [PlatformLinux + 1]set
	for on := range platforms {
		platforms[on] = s.where(func(r *rule) bool { return r.platforms == nil || r.platforms.holds(&Facts{Platform: Platform(on)}) })
	}
	for p := range protocol.Count {
		for k := range credentialKinds {
			byPlatform := map[ClientAppTypes]set{} // the client's type may hang on the platform
			for on := range s.doors[p][k] {
				f := &Facts{Protocol: protocol.Protocol(p), Credential: CredentialKind(k), Platform: Platform(on)}
				door, known := byPlatform[ClientAppTypeOf(f)]
				if !known {
					door = s.where(func(r *rule) bool {
						return (r.apps == nil || r.apps.holds(f)) && (r.clients == nil || r.clients.holds(f)) && (r.kinds == nil || r.kinds.holds(f))
					})
					byPlatform[ClientAppTypeOf(f)] = door
				}
				both := slices.Clone(door)
				and(both, platforms[on], s.all, s.all, s.all)
				s.doors[p][k][on] = s.once(both)
			}
		}
	}
	for t := range s.flows {
		s.flows[t] = s.where(func(r *rule) bool { return r.flows == nil || r.flows.holds(&Facts{Flow: TransferMethods(t)}) })
	}
	for i, known := range []bool{false, true} {
		for j, webmail := range []bool{false, true} {
			f := &Facts{KnownNetwork: known, ViaWebmail: webmail}
			s.clients[i][j] = s.where(func(r *rule) bool {
				return (r.newClient == nil || r.newClient.holds(f)) && (r.webmail == nil || r.webmail.holds(f))
			})
		}
	}
	s.compileWords()
	s.compileShares()
	s.compileHours()
}

func (s *Snapshot) compileWords() {
	asns, programs := map[uint32]bool{}, map[string]bool{}
	for i := range s.rules {
		if a := s.rules[i].asns; a != nil {
			for _, n := range slices.Concat(a.Include, a.Exclude) {
				asns[n] = true
			}
		}
		if p := s.rules[i].programs; p != nil {
			for _, w := range slices.Concat(p.Include, p.Exclude) {
				programs[w] = true
			}
		}
	}
	byASN := func(n uint32) set {
		return s.where(func(r *rule) bool { return r.asns == nil || r.asns.holds(&Facts{ASN: n}) })
	}
	unnamed := ^uint32(0)
	for asns[unnamed] {
		unnamed--
	}
	s.asns = tabulate(asns, unnamed, byASN, hashNumber)
	byProgram := func(w string) set {
		return s.where(func(r *rule) bool { return r.programs == nil || r.programs.Words.holds(w) })
	}
	s.programs = tabulate(programs, "\x00", byProgram, hashID)
}

// tabulate makes a row for each value named, and one for a value that nobody names.
func tabulate[K comparable](named map[K]bool, unnamed K, row func(K) set, hash func(K) uint64) (t table[K]) {
	if len(named) == 0 {
		return t
	}
	rows := map[K]set{}
	for k := range named {
		rows[k] = row(k)
	}
	t.named, t.other = newIDTable(rows, hash), row(unnamed)
	return t
}

func (s *Snapshot) compileShares() {
	if !slices.ContainsFunc(s.rules, func(r rule) bool { return r.share != nil }) {
		return
	}
	for lot := range 100 {
		s.shares = append(s.shares, s.where(func(r *rule) bool { return r.share == nil || lot < r.share.percent }))
	}
}

func (s *Snapshot) compileHours() {
	borders := map[string][]int{}
	zones := map[string]*time.Location{}
	for i := range s.rules {
		h := s.rules[i].hours
		if h == nil || h.zone == nil {
			continue
		}
		zones[h.zone.String()] = h.zone
		for _, span := range slices.Concat(h.Include, h.Exclude) {
			borders[h.zone.String()] = append(borders[h.zone.String()], span.borders()...)
		}
	}
	for name, zone := range zones {
		t := hourTable{zone: zone, borders: append(borders[name], 0)}
		slices.Sort(t.borders)
		t.borders = slices.Compact(t.borders)
		for _, minute := range t.borders {
			t.rows = append(t.rows, s.where(func(r *rule) bool {
				return r.hours == nil || r.hours.zone == nil || r.hours.zone.String() != name || r.hours.at(minute)
			}))
		}
		for i, minute := range t.borders {
			for hour := (minute + 59) / 60; hour < len(t.byHour); hour++ {
				t.byHour[hour] = i
			}
		}
		s.hours = append(s.hours, t)
	}
}

// number gives each model of a key that a strength asks for a number, which
// answers are told apart by.
func (s *Snapshot) number(strength *Strength) {
	if strength == nil {
		return
	}
	for _, c := range strength.Combinations {
		for _, key := range c.Keys {
			if s.models == nil {
				s.models = map[string]uint32{anyKey: 1}
			}
			if s.models[key] == 0 {
				s.models[key] = uint32(len(s.models) + 1)
			}
		}
	}
}

// compileDemands finds the policies that ask for the same: a few kinds of
// demand, each answered once per sign-in.
func (s *Snapshot) compileDemands() {
	s.builtInMFA = BuiltInStrengths()[0].Combinations
	for i := range s.rules {
		a := &s.rules[i].asked
		k := slices.IndexFunc(s.asked, func(b asked) bool { return a.same(&b) })
		if k < 0 {
			k = len(s.asked)
			s.asked = append(s.asked, *a)
			s.number(a.strength)
			s.demands = append(s.demands, make(set, len(s.everybody)))
			if a.every != nil && !slices.ContainsFunc(s.paces, func(q *Frequency) bool { return *q == *a.every }) {
				s.paces = append(s.paces, a.every)
			}
		}
		s.demands[k].add(i)
		s.askedBy = append(s.askedBy, uint16(k))
	}
}
