package policy

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/protocol"
)

// Snapshot is all rules made ready to decide. It is never changed after
// Compile, so that any number of sign-ins can be judged by it at once.
//
// Each condition is a table from the values that policies name to the policies
// for which that value holds, one bit per policy. What applies to a sign-in is
// the AND of one row of each table. Only people and places, of which one
// sign-in has several, need an include and an exclude row each.
type Snapshot struct {
	version  uint64
	policies []Policy
	ids      []string // beside policies
	rules    []rule
	source   Source
	locator  *location.Set
	rows     map[string]set // while compiling: every row once

	enforced set  // policies in force; the others are only reported
	blocks   set  // policies that say block
	all      set  // every policy
	simple   bool // no policy has a condition that only Portreeve has

	// Who: policies that include everybody, and what a person, a group, a role
	// and a kind of guest include and exclude.
	everybody set
	people    idTable[string, marks]
	inGroups  idTable[string, marks]
	inRoles   idTable[string, marks]
	guests    map[guestKey]*marks

	// Where from: rows by class of network and by country.
	networks                []pair
	countries               [26 * 26]*pair // nil is a country that no location names
	noCountry, otherCountry *pair

	// What and how: one row each.
	doors    [protocol.Count][credentialKinds][PlatformLinux + 1]set // by protocol, kind of credential and platform
	flows    [flowKinds]set
	clients  [2][2]set // by known network, via webmail
	asns     table[uint32]
	programs table[string]
	shares   []set // by lot; empty if no policy asks
	hours    []hourTable
	periods  []timedRule
	moments  []time.Time // when a period or an exclusion begins or ends, ascending

	// Devices: policies with a rule, and those whose rule holds for an unregistered device.
	filtered     set
	unregistered set
	devices      []*Device    // one of each kind that policies tell apart, the unregistered one first
	allDevices   bool         // and there are no other kinds
	holds        []set        // beside devices: the policies whose rule holds for it, or that have none
	onDevice     set          // policies whose result hangs on the device
	sometimes    set          // policies with a condition that hangs on the secret and may hold or not
	never        set          // policies whose device rule holds for no device
	deviceRules  []deviceRule // each distinct rule once

	asked      []asked           // each kind of demand once
	demands    []set             // the policies of each kind
	askedBy    []uint16          // beside policies
	paces      []*Frequency      // each distinct one once
	models     map[string]uint32 // models of keys that are asked for, numbered from 1
	builtInMFA []Combination
	scratch    sync.Pool

	organization level
	defaultAuth  *authRules
	domains      map[string]level
	groups       map[string]settings
	mailboxes    map[string]settings
}

const (
	credentialKinds = int(CredentialPass) + 1
	flowKinds       = int(DeviceCodeFlow|AuthenticationTransfer) + 1
)

// deviceRule is a rule, and the policies that include and exclude by it.
type deviceRule struct {
	*deviceCondition
	by marks
}

// set is one bit per policy.
type set []uint64

func (b set) add(i int) { b[i/64] |= 1 << (i % 64) }

// pair is an include and an exclude row.
type pair struct{ in, out set }

// table is a row for each value that policies name, and one for all others.
type table[K comparable] struct {
	named idTable[K, set]
	other set // nil if no policy asks
}

// hourTable cuts the week at every border that policies name, in one zone.
type hourTable struct {
	zone    *time.Location
	borders []int       // minutes of the week, ascending from 0
	byHour  [7 * 24]int // for each hour, the border that its first minute follows
	rows    []set       // beside borders
}

// Compile makes the rules ready. It always succeeds: what cannot be enforced is
// read safely and named in a warning.
func Compile(source Source) (*Snapshot, []Warning) {
	s := &Snapshot{version: source.Version, policies: slices.Clone(source.Policies), source: source, rows: map[string]set{}}
	r := newResolver(&s.source)
	for i := range s.policies {
		s.ids, s.rules = append(s.ids, s.policies[i].ID), append(s.rules, r.rule(&s.policies[i]))
	}
	r.objects()
	s.enforced = s.where(func(r *rule) bool { return r.State == Enabled })
	s.blocks = s.where(func(r *rule) bool { return r.asked.grant&ControlBlock != 0 })
	s.all = s.where(func(*rule) bool { return true })
	s.simple = !slices.ContainsFunc(s.rules, func(r rule) bool { return r.own() })
	s.compileUsers()
	s.compileLocations()
	s.compileRows()
	s.compilePeriods()
	s.compileMoments()
	s.compileDemands()
	s.compileDevices()
	s.compileSettings(r)
	s.scratch.New = s.newScratch
	s.rows = nil
	return s, r.warnings
}

// Version is the source's, and Policies are its, in the order of the bits.
func (s *Snapshot) Version() uint64 { return s.version }

// Policies is told at Version.
func (s *Snapshot) Policies() []Policy { return s.policies }

// where is the row of policies of which something is true.
func (s *Snapshot) where(holds func(*rule) bool) set {
	b := make(set, (len(s.rules)+63)/64)
	for i := range s.rules {
		if holds(&s.rules[i]) {
			b.add(i)
		}
	}
	return s.once(b)
}

// once makes equal rows one, because few fit into the processor's cache.
func (s *Snapshot) once(b set) set {
	key := make([]byte, 0, 8*len(b))
	for _, word := range b {
		key = binary.LittleEndian.AppendUint64(key, word)
	}
	if known, ok := s.rows[string(key)]; ok {
		return known
	}
	s.rows[string(key)] = b
	return b
}

// compileUsers leaves out policies that never apply: they get no bit anywhere.
func (s *Snapshot) compileUsers() {
	var kinds [3]map[string]*marks // people, groups, roles
	for i := range kinds {
		kinds[i] = map[string]*marks{}
	}
	s.guests = map[guestKey]*marks{}
	s.everybody = s.where(func(r *rule) bool {
		return r.State != Disabled && !r.never() && (r.users == nil || r.users.include.all && !r.users.exclude.all)
	})
	for i := range s.rules {
		r := &s.rules[i]
		if r.State == Disabled || r.never() || r.users == nil || r.users.exclude.all {
			continue
		}
		s.markSide(i, &r.users.include, &kinds, false)
		s.markSide(i, &r.users.exclude, &kinds, true)
	}
	for i, t := range []*idTable[string, marks]{&s.people, &s.inGroups, &s.inRoles} {
		*t = newIDTable(settled(kinds[i]), hashID)
	}
}

func (s *Snapshot) compileLocations() {
	places := s.source.Locations
	s.locator = location.NewSet(places)
	everywhere := func(r *rule) bool { return r.locations == nil || r.locations.includeAll && !r.locations.excludeAll }
	side := func(belongs func(place int) bool) pair {
		in := func(l *locationsCondition, list []int) bool {
			return l != nil && !l.excludeAll && slices.ContainsFunc(list, belongs)
		}
		return pair{
			s.where(func(r *rule) bool { return everywhere(r) || in(r.locations, include(r)) }),
			s.where(func(r *rule) bool { return in(r.locations, exclude(r)) }),
		}
	}
	for class := range s.locator.Classes() {
		members := s.locator.Members(class)
		s.networks = append(s.networks, side(func(i int) bool { return slices.Contains(members, i) }))
	}
	of := func(country string) *pair {
		p := side(func(i int) bool { return places[i].ContainsCountry(country) })
		return &p
	}
	s.noCountry, s.otherCountry = of(""), of("--")
	for i := range places {
		for _, c := range places[i].Countries {
			if at, ok := countryIndex(c); ok && s.countries[at] == nil {
				s.countries[at] = of(c)
			}
		}
	}
}

func include(r *rule) []int {
	if r.locations == nil {
		return nil
	}
	return r.locations.include
}

func exclude(r *rule) []int {
	if r.locations == nil {
		return nil
	}
	return r.locations.exclude
}
