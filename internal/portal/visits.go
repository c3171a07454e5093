package portal

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/web"
)

// Life of a browser's session, and how many there may be. Where there are too
// many, the one that was used longest ago ends.
const (
	idleLife    = time.Hour
	longestLife = 24 * time.Hour
	maxVisits   = 50_000 // about 2 KB each
	maxOfPerson = 20
)

// visit is one signed-in browser.
type visit struct {
	key     [sha256.Size]byte // of the cookie's id, so that a copy of memory is no cookie
	form    string            // what its forms are tied to
	sid     string            // by which programs know it; no secret
	stay    bool              // no idle end, and the browser may be closed
	opened  time.Time
	outcome signin.Outcome // how it was let in
	session *session.Session

	mu     sync.Mutex
	last   time.Time
	proven time.Time // when the person last proved who they are
	factor time.Time // when by a second factor; zero if not yet
	byPass bool      // let in by a temporary access pass
	flash  string
	fails  int // second factors that were wrong
	// sought is the program's request that the person signed in or confirmed for;
	// chosen and agreed are the program's request that the person goes on with as
	// who they are here, and the one that they said yes to; bettered is the one for
	// which they were asked to prove more than policy wants.
	sought, chosen, agreed, bettered [sha256.Size]byte

	onward onward
	heir   bool // another session has taken this one's place
}

// life is how long a cookie lasts; zero is as long as the browser is open.
func (v *visit) life() time.Duration {
	if v.stay {
		return longestLife
	}
	return 0
}

// over says that a session has run out; its lock is held.
func (v *visit) over(now time.Time) bool {
	return !v.stay && now.Sub(v.last) > idleLife || now.Sub(v.opened) > longestLife
}

// succeed takes the place of a session whose person has confirmed that it is
// them: for programs it is the same.
func (v *visit) succeed(old *visit) {
	old.mu.Lock()
	defer old.mu.Unlock()
	old.heir = true
	if v.sought == ([sha256.Size]byte{}) { // as after setting up a factor on the way
		v.sought = old.sought
	}
	v.sid, v.chosen, v.agreed, v.bettered, v.onward = old.sid, old.chosen, old.agreed, old.bettered, old.onward
}

// wished is the program's request for which more than policy wants was asked for.
func (v *visit) wished() [sha256.Size]byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.bettered
}

// done forgets a program's request that was answered.
func (v *visit) done(mark [sha256.Size]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.onward = onward{}
	if v.agreed == mark {
		v.agreed = [sha256.Size]byte{}
	}
}

// past is a session that has ended.
type past struct {
	signin.SessionEvent
	session string // by which programs know it; empty if it goes on as another
}

// person is the id of who is signed in.
func (v *visit) person() string { return v.outcome.Facts.Person }

// known is how programs know a session, empty if it goes on as another.
func (v *visit) known() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.heir {
		return ""
	}
	return v.sid
}

// address is theirs.
func (v *visit) address() string { return v.outcome.Facts.Address }

// failed counts a confirmation that failed, and returns how many have.
func (v *visit) failed() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fails++
	return v.fails
}

// visits are all signed-in browsers.
type visits struct {
	mu    sync.Mutex
	all   map[[sha256.Size]byte]*visit
	past  []past // ended and not yet written down
	ended chan struct{}
}

func newVisits() *visits {
	return &visits{all: map[[sha256.Size]byte]*visit{}, ended: make(chan struct{}, 1)}
}

func keyOf(id string) [sha256.Size]byte { return sha256.Sum256([]byte(id)) }

// find is the session behind a cookie, nil if there is none or it has run out.
func (l *visits) find(id string, now time.Time) *visit {
	if !web.IDForm(id) {
		return nil
	}
	l.mu.Lock()
	v := l.all[keyOf(id)]
	l.mu.Unlock()
	if v == nil {
		return nil
	}
	v.mu.Lock()
	out := v.over(now)
	if !out {
		v.last = now
	}
	v.mu.Unlock()
	if out {
		l.end(v, signin.SessionExpired, "ran out")
		return nil
	}
	return v
}

// add takes a session in; those that are too many are ended.
func (l *visits) add(v *visit) {
	l.mu.Lock()
	var oldest, own *visit
	n := 0
	for _, x := range l.all {
		if oldest == nil || x.before(oldest) {
			oldest = x
		}
		if x.person() == v.person() {
			if n++; own == nil || x.before(own) {
				own = x
			}
		}
	}
	full := len(l.all) >= maxVisits
	l.all[v.key] = v
	l.mu.Unlock()
	switch {
	case n >= maxOfPerson:
		l.end(own, signin.SessionEnded, "too many browsers")
	case full:
		l.end(oldest, signin.SessionEnded, "too many browsers")
	}
}

func (v *visit) before(x *visit) bool {
	v.mu.Lock()
	a := v.last
	v.mu.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	return a.Before(x.last)
}

// end ends a session, once, and leaves what is to be written down.
func (l *visits) end(v *visit, code signin.Code, reason string) {
	l.mu.Lock()
	_, there := l.all[v.key]
	if there {
		delete(l.all, v.key)
		l.past = append(l.past, past{signin.SessionEvent{ID: v.outcome.Attempt.ID, Opened: v.opened, Closed: time.Now(), Reason: reason, Code: code}, v.known()})
	}
	s := v.session
	l.mu.Unlock()
	if !there {
		return
	}
	if s != nil {
		s.Done()
	}
	select {
	case l.ended <- struct{}{}:
	default:
	}
}

// takeEnded hands out what is to be written down.
func (l *visits) takeEnded() []past {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.past
	l.past = nil
	return list
}

// sweep ends what has run out.
func (l *visits) sweep(now time.Time) {
	l.mu.Lock()
	var out []*visit
	for _, v := range l.all {
		v.mu.Lock()
		if v.over(now) {
			out = append(out, v)
		}
		v.mu.Unlock()
	}
	l.mu.Unlock()
	for _, v := range out {
		l.end(v, signin.SessionExpired, "ran out")
	}
}

// of are a person's signed-in browsers.
func (l *visits) of(person string) (list []*visit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range l.all {
		if v.person() == person {
			list = append(list, v)
		}
	}
	return list
}
