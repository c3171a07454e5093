package factor

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/network"
)

// The limits on codes of six digits, of which three are right at any time.
const (
	// triesSoon is how many wrong ones one class shows within soon before it
	// waits; triesDay within a day. Twenty a day for a month find a right one in
	// 0.2 % of cases, and the owner is told on the first day.
	triesSoon = 5
	soon      = 15 * time.Minute
	triesDay  = 20
	// tellAt is the wrong code, within a day, that the owner is told of.
	tellAt = 5
	// maxClasses bounds the table: 600 bytes each.
	maxClasses = 4096
)

// A class is who shares a budget of wrong codes. Whoever gets here has shown
// the right password, and may be a thief. So that a thief cannot lock the owner
// out, each network that the person has signed in from before has a budget of
// its own, and everybody else shares one: a thief from elsewhere spends the
// strangers', never that of the owner's home. Where the owner is a stranger too,
// a recovery code works still, and a passkey or a pass in place of the password:
// they are too long to be found by trying, and no budget slows them here.
type class struct{ network netip.Prefix } // the zero value is all strangers together

func (c class) String() string {
	if !c.network.IsValid() {
		return "networks new for this person"
	}
	return c.network.String()
}

func classOf(ctx context.Context) class {
	f := factsOf(ctx)
	if !f.KnownNetwork {
		return class{}
	}
	return class{network.Of(f.Addr)}
}

type tryKey struct {
	person string
	class  class
}

// try is one that was let through; it counts as wrong until it is given back,
// so that fifty at once get no further than five after one another.
type try struct {
	key tryKey
	at  time.Time
}

// tries counts wrong codes. It is in memory only: a restart forgives, and
// nobody outside can cause one.
type tries struct {
	mu    sync.Mutex
	spent map[tryKey][]*try // oldest first, at most triesDay
}

// take lets a try through, or returns nil. told says that the owner should hear
// of it if it turns out wrong.
func (ts *tries) take(person string, c class, now time.Time) (t *try, told bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	k := tryKey{person, c}
	list := slices.DeleteFunc(ts.spent[k], func(t *try) bool { return now.Sub(t.at) >= 24*time.Hour })
	if len(list) >= triesDay || len(list) >= triesSoon && now.Sub(list[len(list)-triesSoon].at) < soon {
		ts.spent[k] = list
		return nil, false
	}
	if len(list) == 0 {
		ts.room()
	}
	t = &try{k, now}
	ts.spent[k] = append(list, t)
	return t, len(list)+1 == tellAt
}

// room makes room in the table for one more class: whose last try is longest ago gives way.
func (ts *tries) room() {
	if ts.spent == nil {
		ts.spent = map[tryKey][]*try{}
	}
	if len(ts.spent) < maxClasses {
		return
	}
	var oldest tryKey
	var at time.Time
	for k, list := range ts.spent {
		if len(list) == 0 {
			oldest = k
			break
		}
		if last := list[len(list)-1].at; at.IsZero() || last.Before(at) {
			oldest, at = k, last
		}
	}
	delete(ts.spent, oldest)
}

// giveBack takes back a try that was not wrong.
func (ts *tries) giveBack(t *try) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	list := slices.DeleteFunc(ts.spent[t.key], func(x *try) bool { return x == t })
	if len(list) == 0 {
		delete(ts.spent, t.key)
		return
	}
	ts.spent[t.key] = list
}
