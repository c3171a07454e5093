package graph

import (
	"time"

	"github.com/portreeve/portreeve/internal/policy"
)

// Policy reads one conditionalAccessPolicy. The error is an *Error or Errors.
func Policy(data []byte) (policy.Policy, error) {
	v, err := Parse(data)
	if err != nil {
		return policy.Policy{}, err
	}
	return v.Policy()
}

// Policies reads one policy, a list of them, or a Graph collection.
func Policies(data []byte) ([]policy.Policy, error) {
	items, err := Split(data)
	if err != nil {
		return nil, err
	}
	var all []policy.Policy
	for _, v := range items {
		p, err := v.Policy()
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// policyMembers are those that are read, or that nothing hangs on.
var policyMembers = []string{"id", "templateId", "displayName", "description", "createdDateTime", "modifiedDateTime", "deletedDateTime",
	"state", "conditions", "grantControls", "sessionControls", "portreeve", "policyApplies", "analysisReasons"}

// Policy reads the value as a conditionalAccessPolicy.
func (v *Value) Policy() (policy.Policy, error) {
	r := &reader{root: v.Pointer}
	if v.Kind != Object {
		r.fault(v, "a policy is an object, not %s", v.Kind)
		return policy.Policy{}, r.err()
	}
	p := policy.Policy{ID: r.text(v, "id"), DisplayName: r.text(v, "displayName")}
	if p.DisplayName == "" {
		r.fault(v, "a policy needs a displayName")
	}
	p.State = r.state(v)
	if c := r.object(v, "conditions"); c == nil {
		r.fault(v, "a policy needs conditions")
	} else {
		p.Conditions = r.conditions(c)
	}
	p.Grant = r.grant(v)
	p.Session = r.session(v)
	if own := r.object(v, "portreeve"); own != nil {
		p.Exclusions = r.exclusions(own)
		r.ownMembers(own, "exclusions", "help")
	}
	unknown(v, policyMembers, func(name string, m *Value) {
		r.note(m, "%s is not known here and has no effect", name)
	})
	p.Unsupported = r.notes
	return p, r.err()
}

func (r *reader) state(v *Value) policy.State {
	word := r.text(v, "state")
	s, ok := policy.ParseState(word)
	if !ok {
		at := v.Member("state")
		if at == nil {
			at = v
		}
		r.fault(at, "state is %s", oneOf("enabled", "disabled", "enabledForReportingButNotEnforced"))
	}
	return s
}

// exclusions are who answers for what is excluded, why, and until when.
func (r *reader) exclusions(own *Value) []policy.Exclusion {
	var all []policy.Exclusion
	for _, item := range r.list(own, "exclusions") {
		if item.Kind != Object {
			r.fault(item, "an exclusion is an object with id, owner, reason and expires")
			continue
		}
		x := policy.Exclusion{ID: r.text(item, "id"), Owner: r.text(item, "owner"), Reason: r.text(item, "reason"), Expires: r.time(item, "expires")}
		if x.ID == "" {
			r.fault(item, "an exclusion needs the id of what it excludes, as it stands in an exclude list")
		}
		r.ownMembers(item, "id", "owner", "reason", "expires")
		all = append(all, x)
	}
	return all
}

// time is a member that must be a date or a time; zero if it is not there or null.
func (r *reader) time(v *Value, name string) time.Time {
	s := r.text(v, name)
	if s == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	r.fault(v.Member(name), "%s is a time such as 2026-11-20T09:00:00Z or a date", name)
	return time.Time{}
}

// ownMembers refuses members of our own objects that nobody knows: a slip
// there would silently change a rule.
func (r *reader) ownMembers(v *Value, known ...string) {
	for _, m := range v.Members {
		found := false
		for _, k := range known {
			found = found || m.Name == k
		}
		if !found {
			r.fault(m.Value, "%q is not known here: it is one of %s", m.Name, oneOf(append(known, "nothing else")...))
		}
	}
}
