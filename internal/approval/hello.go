package approval

import (
	"slices"
	"strings"
)

// sameHello says that a TLS hello is the one that a window pins. Where the
// place is pinned to a part of an owner's networks or less, a new version of the
// same TLS library will do: programs are updated, and their owner shall not have
// to ask again.
func sameHello(w *Window, ja4 string) bool {
	if w.JA4 == ja4 {
		return true
	}
	return sameLibrary(w.JA4, ja4) && pooled(w.Network)
}

// sameLibrary says that two TLS hellos are of one library. Of what is no JA4, nothing is known.
func sameLibrary(a, b string) bool {
	library := libraryOf(a)
	return library != "" && library == libraryOf(b)
}

// maxHellos is how many TLS hellos are remembered of one person.
const maxHellos = 64

// follows says that a window which pins a wide place admits a program that was
// updated, since the new version's hello was seen where the place is pinned
// tightly: this person's, or those of several others. x.mu is held.
func (x *index) follows(w *Window, k *Knock) bool {
	if tight(w.Network) || !sameLibrary(w.JA4, k.JA4) || !slices.Contains(x.hellos[w.Person], k.JA4) && !x.company.shows(k.JA4) {
		return false
	}
	now := *w
	now.JA4 = k.JA4
	return admits(&now, k)
}

// learnHello remembers a TLS hello that was seen where the place is pinned tightly.
func (x *index) learnHello(person, ja4 string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.windows[person]) > 0 { // or they are gone meanwhile
		x.remember(person, ja4)
	}
}

func (x *index) remember(person, ja4 string) {
	of := x.hellos[person]
	if ja4 == "" || slices.Contains(of, ja4) {
		return
	}
	if len(of) >= maxHellos {
		x.company.hello(of[0], -1)
		of = of[1:]
	}
	x.hellos[person] = append(of, ja4)
	x.company.hello(ja4, 1)
}

// libraryOf is the middle part of a JA4, the hash of the cipher suites: it
// changes with the TLS library and seldom with its version.
func libraryOf(ja4 string) string {
	_, rest, ok := strings.Cut(ja4, "_")
	if !ok {
		return ""
	}
	middle, last, ok := strings.Cut(rest, "_")
	if !ok || last == "" {
		return ""
	}
	return middle
}
