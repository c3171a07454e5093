// Package lockout slows and stops guessers without stopping the owner. It
// counts distinct wrong secrets, never the account: a program that repeats an
// old password for ever counts once, a right secret never.
//
// Two kinds of knock are kept apart. A stranger's (a network this person has
// not signed in from) spends the person's budget for strangers, which all
// strangers share, and the budgets of its address and network. A familiar one
// spends only its own, so that whatever strangers do, it never waits. Tokens
// and certificates cannot be guessed and spend nothing.
//
// A guess is counted when it is let through, not when it turns out wrong, so
// that a hundred at once get no further than ten after one another; it is given
// back when it turns out not to be wrong. All tables have a fixed size; a full
// set gives up the place of whoever has guessed least, so that making somebody
// be forgotten costs more guesses than being forgotten is worth.
package lockout

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/secret"
)

// The limits. Entra's smart lockout also allows ten wrong passwords and counts
// familiar places apart (MicrosoftDocs, howto-password-smart-lockout).
const (
	// guesses is how many distinct wrong secrets a budget of one person holds.
	guesses = 10
	// strangersWindow is how long a stranger's wrong secret counts: 480 guesses
	// a day at most, from all the world together.
	strangersWindow = 30 * time.Minute
	// familiarWindow is the same for one familiar place by itself.
	familiarWindow = 5 * time.Minute
	// perAddress and perNetwork are wrong secrets over all people within a
	// minute, from an address (IPv6: a /64) and from a network (/24, /48).
	perAddress = 60
	perNetwork = 240
	// unsettled is how long a guess counts whose result nobody told, which is
	// longer than any check takes.
	unsettled = time.Minute
	// knownBadFor is how long a wrong secret is called wrong without asking
	// again. A changed password is tried again sooner only after Forget.
	knownBadFor = time.Minute
)

// Options are the sizes of the tables, in entries; 0 is the default.
type Options struct {
	People  int // budgets of people and of familiar places, 160 bytes each; default 32,768
	Sources int // addresses and networks, 48 bytes each; default 65,536
	Bad     int // secrets known to be wrong, 32 bytes each; default 32,768
}

// Key is one knock, as far as the guard is concerned.
type Key struct {
	// Person is the id of the person meant; Name the canonical name where nobody
	// has it, which is counted but never listed.
	Person, Name string
	Addr         netip.Addr
	// Familiar says that this person has signed in from this network before,
	// and, if Program is set, with this program.
	Familiar bool
	Program  string
	// Forwarder says that Addr is a configured forwarder's own, behind which
	// everybody sits: it is never slowed as a source.
	Forwarder bool
	// Unguessable says that the secret is a token or a certificate.
	Unguessable bool
	// Secret is the secret's fingerprint.
	Secret secret.Print
}

// Decision is what to do with a knock.
type Decision uint8

// The decisions. The zero value is a no.
const (
	// Wait means that it must not be answered now: whatever the secret is.
	Wait Decision = iota
	// Wrong means that this secret was found wrong for this person just now.
	Wrong
	// Pass means that it may be checked, and that Note must be told the result.
	Pass
)

func (d Decision) String() string {
	return [...]string{"wait", "wrong", "pass"}[min(d, Pass)]
}

// Result is what a knock that passed came to.
type Result uint8

// The results.
const (
	// Unjudged means that the secret was not compared, or was right: policy
	// refused first, something was away, or the person is in.
	Unjudged Result = iota
	// WrongSecret means that the secret was compared and is not the person's, or
	// that nobody has the name.
	WrongSecret
)

// Guard holds the tables. It is safe for concurrent use.
type Guard struct {
	seed  maphash.Seed
	start time.Time // times are kept as seconds since then, so that a clock that jumps changes nothing

	mu      sync.Mutex
	people  table[budget]
	sources table[counter]
	bad     table[known]
}

// New makes a guard.
func New(o Options) *Guard {
	return &Guard{seed: maphash.MakeSeed(), start: time.Now().Add(-time.Hour), // so that 0 is long ago
		people:  newTable[budget](sized(o.People, 32_768)),
		sources: newTable[counter](sized(o.Sources, 65_536)),
		bad:     newTable[known](sized(o.Bad, 32_768)),
	}
}

func sized(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// Check says what to do with a knock, before its secret is looked at.
func (g *Guard) Check(k Key) Decision {
	if k.Unguessable {
		return Pass
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now, id := g.now(), g.identify(k)
	if b := g.bad.find(id.bad); b != nil && now-b.at <= seconds(knownBadFor) {
		return Wrong
	}
	mine, spent := g.people.find(id.budget), g.spent(id, now)
	if mine != nil {
		if x := mine.find(id.print, now); x != nil && !(x.wrong && spent) {
			mine.hold(id.print, now)
			return Pass
		}
	}
	if spent || mine != nil && mine.full(now) {
		return Wait
	}
	g.budget(k, id, now).hold(id.print, now)
	for _, s := range id.spends {
		g.source(s, now).add(now, 1)
	}
	return Pass
}

// Note tells what a knock that Check let pass came to.
func (g *Guard) Note(k Key, r Result) {
	if k.Unguessable {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now, id := g.now(), g.identify(k)
	wrong := r == WrongSecret
	if wrong {
		*g.bad.place(id.bad, now) = known{id: id.bad, person: id.person, at: now}
	}
	mine := g.people.find(id.budget)
	if mine == nil && wrong {
		mine = g.budget(k, id, now)
	}
	if mine == nil || !mine.settle(id.print, now, wrong) {
		return
	}
	for _, s := range id.spends {
		if c := g.sources.find(s.id); c != nil {
			c.add(now, -1)
		}
	}
}

// Forget drops what is known to be wrong for a person, whose secret has
// changed.
func (g *Guard) Forget(person string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id := g.hash("person", person, "")
	g.bad.each(func(k *known) {
		if k.person == id {
			*k = known{}
		}
	})
}

// spent says that a source of the knock has nothing left.
func (g *Guard) spent(id *identity, now int32) bool {
	for _, s := range id.spends {
		if c := g.sources.find(s.id); c != nil && c.exhausted(now) {
			return true
		}
	}
	return false
}

// budget finds the budget that a knock spends, or opens it.
func (g *Guard) budget(k Key, id *identity, now int32) *budget {
	b := g.people.place(id.budget, now)
	if b.id != id.budget {
		*b = budget{id: id.budget, window: id.window, person: k.Person, place: k.place()}
	}
	return b
}

func (g *Guard) source(s spending, now int32) *counter {
	c := g.sources.place(s.id, now)
	if c.id != s.id {
		*c = counter{id: s.id, from: s.from, limit: s.limit}
	}
	return c
}

func (g *Guard) now() int32 { return int32(time.Since(g.start) / time.Second) }

func seconds(d time.Duration) int32 { return int32(d / time.Second) }

// place is the familiar place that a knock comes from, zero for a stranger.
func (k *Key) place() netip.Prefix {
	if !k.Familiar {
		return netip.Prefix{}
	}
	return network.Host(k.Addr)
}

// Row is one budget or source that has something counted against it.
type Row struct {
	Kind   string       `json:"kind"`             // strangers, familiar or source
	Person string       `json:"person,omitempty"` // id; empty for a source, and for a name that nobody has
	Place  netip.Prefix `json:"place"`            // a source, or a person's familiar place
	Wrong  int          `json:"wrong"`            // distinct wrong secrets that count now
	Waits  bool         `json:"waits"`            // further ones wait
}

// List says who and what has wrong secrets counted against it now, the worst
// first.
func (g *Guard) List() []Row {
	g.mu.Lock()
	now := g.now()
	var rows []Row
	g.people.each(func(b *budget) {
		if n := b.count(now); n > 0 {
			kind := "strangers"
			if b.place.IsValid() {
				kind = "familiar"
			}
			rows = append(rows, Row{kind, b.person, b.place, n, b.full(now)})
		}
	})
	g.sources.each(func(c *counter) {
		if n := c.sum(now); n > 0 {
			rows = append(rows, Row{"source", "", c.from, n, c.exhausted(now)})
		}
	})
	g.mu.Unlock()
	slices.SortStableFunc(rows, func(a, b Row) int { return b.Wrong - a.Wrong })
	return rows
}

// State is the guard's short summary for status.
type State struct {
	Counted int `json:"counted"` // budgets and sources with anything on them
	Waiting int `json:"waiting"` // those that have nothing left
}

// State sums up List.
func (g *Guard) State() (s State) {
	for _, r := range g.List() {
		s.Counted++
		if r.Waits {
			s.Waiting++
		}
	}
	return s
}
