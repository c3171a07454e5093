package authn

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/portreeve/portreeve/internal/store"
)

// Everything is the grant to revoke to end all tokens that a person holds at a
// time. Each such revocation has a name of its own, since a later one ends more.
func Everything(person string, at time.Time) string {
	return fmt.Sprintf("%s%s:%d", store.EverythingGrant, person, at.UnixNano())
}

// Ended knows which grants were revoked. It is filled from the store at start
// and whenever revocations change; before the first time nothing is known to
// be revoked.
type Ended struct{ now atomic.Pointer[ended] }

type ended struct {
	grants map[string]bool
	people map[string]time.Time // all that was issued up to then
}

// Load puts the store's revocations in force.
func (e *Ended) Load(list []store.Revocation) {
	x := &ended{map[string]bool{}, map[string]time.Time{}}
	for _, r := range list {
		if !strings.HasPrefix(r.Grant, store.EverythingGrant) {
			x.grants[r.Grant] = true
			continue
		}
		if r.At.After(x.people[r.Person]) {
			x.people[r.Person] = r.At
		}
	}
	e.now.Store(x)
}

// Revoked says whether a grant, or everything the person had when the token was
// issued, has been ended. A token that does not say when it was issued is older
// than any revocation.
func (e *Ended) Revoked(person, grant string, issued time.Time) bool {
	x := e.now.Load()
	if x == nil {
		return false
	}
	at, all := x.people[person]
	return x.grants[grant] || all && !issued.After(at)
}
