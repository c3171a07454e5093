package portal

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/web"
)

// Bounds of sign-ins that wait for a second factor. One is made only by a right
// first proof, so strangers cannot fill the table.
const (
	pendingLife = 10 * time.Minute
	pendingMost = 10_000
	pendingOf   = 5 // of one person from one network that they are known on, and from all others together: the oldest gives way
	triesEach   = 5 // second factors shown at one
)

// waiting is a sign-in that was proven once and waits for a second factor.
type waiting struct {
	key     [sha256.Size]byte
	form    string
	made    time.Time
	next    string
	stay    bool // signed in afterwards
	outcome signin.Outcome

	mu    sync.Mutex
	tries int
	// over says that it led to a session or was tried too often.
	over bool
}

// try takes one of the tries, and says whether there was one. Each try is
// taken before it is looked at, so that tries at the same moment count too.
func (q *waiting) try() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over || q.tries >= triesEach {
		return false
	}
	q.tries++
	return true
}

// finish says that it led to a session; only the first to say so is right.
func (q *waiting) finish() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over {
		return false
	}
	q.over = true
	return true
}

func (q *waiting) left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return triesEach - q.tries
}

// pendings are all sign-ins that wait.
type pendings struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]*waiting
}

func newPendings() *pendings { return &pendings{all: map[[sha256.Size]byte]*waiting{}} }

// add keeps a sign-in and returns the id for its cookie.
func (l *pendings) add(o signin.Outcome, next string, stay bool, now time.Time) string {
	id := web.NewID()
	q := &waiting{key: keyOf(id), form: "pending:" + id, made: now, next: next, stay: stay, outcome: o}
	l.mu.Lock()
	defer l.mu.Unlock()
	var oldest, own *waiting
	n := 0
	for _, x := range l.all {
		if oldest == nil || x.made.Before(oldest.made) {
			oldest = x
		}
		if rivals(&x.outcome.Facts, &o.Facts) {
			if n++; own == nil || x.made.Before(own.made) {
				own = x
			}
		}
	}
	switch {
	case n >= pendingOf:
		delete(l.all, own.key)
	case len(l.all) >= pendingMost:
		delete(l.all, oldest.key)
	}
	l.all[q.key] = q
	return id
}

// rivals says that two sign-ins share a room: so that a thief of a password, who
// can make as many wait as he likes, does not push out the owner's at home.
func rivals(a, b *policy.Facts) bool {
	if a.Person != b.Person || a.KnownNetwork != b.KnownNetwork {
		return false
	}
	return !a.KnownNetwork || network.Of(a.Addr) == network.Of(b.Addr)
}

// find is the sign-in behind a cookie, nil if there is none or it has run out.
func (l *pendings) find(id string, now time.Time) *waiting {
	if !web.IDForm(id) {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.all[keyOf(id)]
	if q == nil || now.Sub(q.made) > pendingLife {
		return nil
	}
	return q
}

func (l *pendings) drop(q *waiting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.all, q.key)
}

func (l *pendings) sweep(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, q := range l.all {
		if now.Sub(q.made) > pendingLife {
			delete(l.all, k)
		}
	}
}
