package policyset

import (
	"time"

	"github.com/portreeve/portreeve/internal/policy"
)

// Source is what the folder's objects are compiled of. People and groups are
// not in it: references to them are taken as they are written.
func (s *Set) Source() (policy.Source, error) {
	src := policy.Source{Domains: map[string]policy.Switches{}, Groups: map[string]policy.Settings{}, Mailboxes: map[string]policy.Settings{}, Zone: time.LoadLocation}
	var faults Errors
	said := map[string]string{}
	for _, o := range s.Objects {
		var err error
		switch o.Kind {
		case Policy:
			var p policy.Policy
			p, err = o.Policy()
			src.Policies = append(src.Policies, p)
		case Location:
			l, e := o.Location()
			src.Locations, err = append(src.Locations, l), e
		case Strength:
			x, e := o.Strength()
			src.Strengths, err = append(src.Strengths, x), e
		case AuthenticationPolicy:
			a, e := o.AuthenticationPolicy()
			src.AuthenticationPolicies, err = append(src.AuthenticationPolicies, a), e
		case Switches:
			err = o.add(&src, said)
		}
		if err != nil {
			faults.add(err)
		}
	}
	return src, faults.err()
}
