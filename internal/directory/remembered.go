package directory

import (
	"slices"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/secret"
)

const (
	rememberFor = time.Minute // an answer of somebody else's directory, at most
	unanswered  = time.Minute // how long a password counts that was sent up and not answered
	keptWrong   = 16          // wrong passwords of one person; the oldest is forgotten
	keptProven  = 2           // passwords of one person that were right when last sent up: servers may keep two
	noticed     = time.Minute // within which a change of a password is noticed, with room to spare
	// oldWorks is how long Active Directory takes the last password after a
	// change (OldPasswordAllowedPeriod; in Samba, old password allowed period).
	oldWorks = time.Hour
)

// remembered is what is known of people's passwords, by keyed fingerprint, and
// how many wrong ones were sent up. A fingerprint is of a person and a password
// together, and stands in that person's own entry: two people never share one.
//
// The directory locks people out who are guessed at; nobody here may make it do
// so. Each wrong password that is sent up spends the person's budget, which is
// smaller than the directory's threshold. Strangers cannot spend its last part:
// that is for networks the person is known on. And a password that was right
// when last sent up costs nothing: it is most probably right still.
//
// Entries exist for people of the directory only, so strangers cannot fill it.
type remembered struct {
	budget int
	window time.Duration // 0: wrong ones count until a right one
	grace  time.Duration // for how long the directory itself takes a password after it was changed

	mu     sync.Mutex
	people map[string]*memory
}

// memory is what is known of one person.
type memory struct {
	stamp   string
	epoch   int // moves when what was known is no longer
	right   secret.Print
	until   time.Time // of right
	proven  []remembrance
	former  []remembrance // was right until the password was changed
	wrong   []remembrance
	spent   []spending
	flights map[secret.Print]*flight
}

// remembrance is a password and since when that is known of it.
type remembrance struct {
	print secret.Print
	at    time.Time
}

func has(all []remembrance, print secret.Print) bool {
	return slices.ContainsFunc(all, func(r remembrance) bool { return r.print == print })
}

func without(all []remembrance, print secret.Print) []remembrance {
	return slices.DeleteFunc(all, func(r remembrance) bool { return r.print == print })
}

// spending is a wrong password that a server was sent. Each server counts for itself.
type spending struct {
	server string
	at     time.Time
	open   bool // not answered yet
}

// flight is one password on its way to the directory. Whoever else shows the
// same one meanwhile waits for its answer.
type flight struct {
	done chan struct{}
	err  error
}

func newRemembered(budget int, window time.Duration) *remembered {
	return &remembered{budget: budget, window: window, people: map[string]*memory{}}
}

func (m *remembered) of(person string) *memory {
	x := m.people[person]
	if x == nil {
		x = &memory{flights: map[secret.Print]*flight{}}
		m.people[person] = x
	}
	return x
}

// begin answers from memory, or gives the flight to wait for; mine says that
// the caller is the one to carry it out.
func (m *remembered) begin(person string, print secret.Print, familiar bool) (f *flight, mine bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x, now := m.of(person), time.Now()
	switch {
	case x.right == print && now.Before(x.until):
		return nil, false, nil
	case x.isWrong(print, now, rememberFor), m.isFormer(x, print, now):
		return nil, false, ErrWrong
	case x.flights[print] != nil:
		return x.flights[print], false, nil
	case !m.may(x, print, familiar, 0, now):
		return nil, false, ErrSpent
	}
	f = &flight{done: make(chan struct{})}
	x.flights[print] = f
	return f, true, nil
}

func (x *memory) isWrong(print secret.Print, now time.Time, within time.Duration) bool {
	return slices.ContainsFunc(x.wrong, func(w remembrance) bool { return w.print == print && (within == 0 || now.Sub(w.at) < within) })
}

// isFormer says that a password is the one before the last change.
func (m *remembered) isFormer(x *memory, print secret.Print, now time.Time) bool {
	return slices.ContainsFunc(x.former, func(r remembrance) bool { return r.print == print && now.Sub(r.at) < m.grace })
}

// may says whether a password may be sent up: what the budget is spent on, here
// or as the directory itself counts, leaves room for one more wrong one.
func (m *remembered) may(x *memory, print secret.Print, familiar bool, counted int, now time.Time) bool {
	x.spent = slices.DeleteFunc(x.spent, func(s spending) bool {
		return s.open && now.Sub(s.at) >= unanswered || !s.open && m.window > 0 && now.Sub(s.at) >= m.window
	})
	open := 0
	for _, s := range x.spent {
		if s.open {
			open++
		}
	}
	room := m.budget
	switch {
	case has(x.proven, print):
		room++ // it may be an old one, once
	case !familiar || x.isWrong(print, now, m.window):
		room-- // the last one is for something new from where the person is known
	}
	return max(len(x.spent), counted+open) < room
}

// spend reserves a part of the budget for a password that is about to be sent
// to a server, which counts so many wrong ones already; ErrSpent if there is none.
// epoch is to be given back with the answer.
func (m *remembered) spend(person string, print secret.Print, familiar bool, server string, counted int) (epoch int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x, now := m.of(person), time.Now()
	if !m.may(x, print, familiar, counted, now) {
		return 0, ErrSpent
	}
	x.spent = append(x.spent, spending{server, now, true})
	return x.epoch, nil
}

// answer is what a password that was sent up came to.
type answer uint8

const (
	notAnswered answer = iota // it may have been counted
	isRight
	isWrong  // counted
	isBarred // counted, but the password may be right: locked out, not at this hour
	notAsked // not counted
)

// settle takes an answer.
func (m *remembered) settle(person string, print secret.Print, server string, epoch int, a answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x, now := m.of(person), time.Now()
	mine := slices.IndexFunc(x.spent, func(s spending) bool { return s.open && s.server == server })
	if mine >= 0 && a != notAnswered {
		x.spent = slices.Delete(x.spent, mine, mine+1)
	}
	switch a {
	case isRight:
		x.spent = slices.DeleteFunc(x.spent, func(s spending) bool { return !s.open && s.server == server }) // it counts from nothing again
		if x.epoch != epoch {
			return // another password by now
		}
		x.right, x.until = print, now.Add(rememberFor)
		x.wrong = without(x.wrong, print)
		if !has(x.proven, print) {
			x.proven = append(x.proven, remembrance{print, now})
			x.proven = x.proven[max(0, len(x.proven)-keptProven):]
		}
	case isWrong, isBarred:
		x.spent = append(x.spent, spending{server, now, false})
		x.until = time.Time{} // any refusal: what was right may be so no more
		if a == isBarred || x.epoch != epoch {
			return
		}
		x.proven = without(x.proven, print)
		x.wrong = append(without(x.wrong, print), remembrance{print, now})
		x.wrong = x.wrong[max(0, len(x.wrong)-keptWrong):]
	}
}

// land ends a flight.
func (m *remembered) land(person string, print secret.Print, f *flight, err error) {
	m.mu.Lock()
	delete(m.of(person).flights, print)
	m.mu.Unlock()
	f.err = err
	close(f.done)
}

// stamped takes what the directory says of when the password was last changed.
// If that has moved, nothing that was known of passwords holds any more.
func (m *remembered) stamped(person, stamp string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.people[person]
	if x == nil || x.stamp == stamp {
		return
	}
	if isSet(x.stamp) && isSet(stamp) {
		x.retire(time.Now())
	}
	x.stamp = stamp
	x.epoch++
	x.right, x.until, x.proven, x.wrong = secret.Print{}, time.Time{}, nil, nil
}

// isSet says that a stamp is a time at which a password was set. Active
// Directory's 0 means that it must be changed: taking that back moves the stamp,
// and the password stays.
func isSet(stamp string) bool { return stamp != "" && stamp != "0;" }

// retire keeps what was right before a change, so that it can be refused though
// the directory would still take it. What was first right a moment ago may be
// the new one, used before we noticed the change.
func (x *memory) retire(now time.Time) {
	for _, p := range x.proven {
		if now.Sub(p.at) > noticed {
			x.former = append(without(x.former, p.print), remembrance{p.print, now})
		}
	}
	x.former = x.former[max(0, len(x.former)-keptProven):]
}
