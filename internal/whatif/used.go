package whatif

import "github.com/portreeve/portreeve/internal/policy"

// Used says whether somebody signed in with a kind of credential at all.
func (t *Tally) Used(person string, kind policy.CredentialKind) bool {
	p := t.people[person]
	return p != nil && p.kinds&(1<<kind) != 0
}
