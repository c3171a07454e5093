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
}

// person is the id of who is signed in.
func (v *visit) person() string { return v.outcome.Facts.Person }

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
	past  []signin.SessionEvent // ended and not yet written down
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
	out := now.Sub(v.last) > idleLife || now.Sub(v.opened) > longestLife
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
		l.past = append(l.past, signin.SessionEvent{ID: v.outcome.Attempt.ID, Opened: v.opened, Closed: time.Now(), Reason: reason, Code: code})
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
func (l *visits) takeEnded() []signin.SessionEvent {
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
		if now.Sub(v.last) > idleLife || now.Sub(v.opened) > longestLife {
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
