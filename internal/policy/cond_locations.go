package policy

import (
	"github.com/portreeve/portreeve/internal/location"
)

// locationsCondition: from where. All is every address, known or not; an
// address without a country is in a country location only if that one includes
// unknown countries, and private addresses never have a country.
type locationsCondition struct {
	places           []location.Named // of the snapshot
	includeAll       bool
	excludeAll       bool
	include, exclude []int // indexes into places
	words            string
}

func (l *locationsCondition) name() string { return "locations" }

func (l *locationsCondition) holds(f *Facts) bool {
	included := l.includeAll || l.in(l.include, f)
	return included && !l.excludeAll && !l.in(l.exclude, f)
}

func (l *locationsCondition) in(list []int, f *Facts) bool {
	for _, i := range list {
		if l.places[i].Contains(f.Addr, f.Country) {
			return true
		}
	}
	return false
}

func (l *locationsCondition) needed() string { return l.words }

func (l *locationsCondition) seen(f *Facts) string {
	s := "an unknown address"
	if f.Addr.IsValid() {
		s = f.Addr.String()
	}
	if f.Country == "" {
		s += ", no country"
	} else {
		s += ", " + f.Country
	}
	for i := range l.places {
		if l.places[i].Contains(f.Addr, f.Country) {
			s += ", " + l.places[i].DisplayName
		}
	}
	return s
}

// catchesPrivate says that private addresses are caught only because they have
// no country: by an exclude list of countries that nobody's own network is in,
// or by including unknown countries.
func (l *locationsCondition) catchesPrivate() bool {
	thought := false
	has := func(list []int, wanted bool) bool {
		found := false
		for _, i := range list {
			n := &l.places[i]
			thought = thought || n.CoversPrivate()
			found = found || n.Kind != location.Networks && n.IncludeUnknown == wanted
		}
		return found
	}
	byUnknown := has(l.include, true) && !l.includeAll
	byCountry := has(l.exclude, false) && l.includeAll || byUnknown
	return byCountry && !has(l.exclude, true) && !thought
}
