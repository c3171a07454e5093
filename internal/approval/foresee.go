package approval

import (
	"cmp"
	"context"
	"slices"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/signin"
)

// foresee tells, of the very sign-ins that were looked at, how many would pass
// with the windows there are then, and what became of the others.
func (s *Service) foresee(ctx context.Context, p *plan, seen *past, whom func(string) bool, rep *Report) error {
	left, of := map[leftKey]*Left{}, map[string]int64{}
	err := s.passwords(ctx, seen.from, seen.to, whom, func(k *Knock, e *signin.Event) {
		n := max(e.Count, 1)
		of[k.Person] += n
		was := *k
		k.At = seen.to // a window is as open as it will be, not as it was
		if p.trial.find(k) != nil {
			rep.Pass += n
			return
		}
		key := leftKey{k.Person, k.Program, k.Country, p.why(seen.people[k.Person], &was)}
		l := left[key]
		if l == nil {
			l = &Left{Person: k.Person, Address: e.Facts.Address, Program: k.Program, Country: k.Country, Why: key.why.text(), Do: key.why.do()}
			left[key] = l
		}
		l.SignIns += n
		l.Network, l.Last = network.Of(k.Addr), was.At
		if !slices.Contains(l.Protocols, k.Protocol) {
			l.Protocols = append(l.Protocols, k.Protocol)
		}
	})
	rep.Left = []Left{}
	for _, l := range left {
		l.Of = of[l.Person]
		rep.Left = append(rep.Left, *l)
	}
	slices.SortFunc(rep.Left, func(a, b Left) int {
		return cmp.Or(cmp.Compare(b.SignIns, a.SignIns), cmp.Compare(a.Address, b.Address), cmp.Compare(a.Program, b.Program), cmp.Compare(a.Why, b.Why), cmp.Compare(a.Country, b.Country))
	})
	return err
}

type leftKey struct {
	person, program, country string
	why                      lack
}

// lack is why a sign-in is not covered.
type lack uint8

const (
	lackDays lack = iota
	lackSuspect
	lackExcluded
	lackHello
)

func (p *plan) why(who *person, k *Knock) lack {
	i := slices.IndexFunc(who.habits, func(h *habit) bool { return h.device == device{k.Program, k.JA4} && h.place == placeOf(k) })
	if i < 0 {
		return lackDays
	}
	h := who.habits[i]
	switch {
	case p.suspects[h] != nil && !p.suspects[h].Included:
		return lackSuspect
	case !p.adoptable(who, h):
		return lackExcluded
	case h.JA4 == "" && len(h.nets) >= many:
		return lackHello
	}
	return lackDays
}

func (l lack) text() string {
	switch l {
	case lackSuspect:
		return "it looks like somebody else"
	case lackExcluded:
		return "it was excluded"
	case lackHello:
		return "it moves about, and the log has no TLS hello to know it by"
	}
	return "it was not used on enough days there"
}

// do is what helps, for an administrator to read.
func (l lack) do() string {
	switch l {
	case lackSuspect:
		return "ask the person; if it is theirs, adopt with --include and its id; if not, change the password"
	case lackExcluded:
		return "the person approves it in the portal when the program is refused"
	case lackHello:
		return "let the door report for a while before adopting, or have the person approve it or make an app password"
	}
	return "nothing, if it is not used any more; otherwise the person approves it in the portal when the program is refused"
}

// Advice says what of a sign-in is not covered by any window of the person, and
// what to do about it, for people to read.
func (s *Service) Advice(k Knock) (what, do string) {
	k = k.cleaned()
	s.index.mu.RLock()
	defer s.index.mu.RUnlock()
	windows := s.index.windows[k.Person]
	k.common = s.index.company.at(&k)
	const approve = "approve it in the portal: the request waits there"
	if len(windows) == 0 {
		return "nothing has been granted to this person's programs", approve + ", or make an app password"
	}
	any := func(match func(*Window) bool) bool {
		return slices.ContainsFunc(windows, func(w *held) bool { return match(&w.Window) })
	}
	at := func(w *Window) bool {
		here, knock := *w, k
		here.Program, knock.Protocol, knock.JA4 = "", w.Protocols[0], w.JA4 // the place alone
		return admits(&here, &knock)
	}
	by := func(w *Window) bool {
		return w.Program == k.Program && (w.JA4 == k.JA4 || sameLibrary(w.JA4, k.JA4))
	}
	switch {
	case any(func(w *Window) bool { return at(w) && by(w) && !slices.Contains(w.Protocols, k.Protocol) }):
		return "the program is known here, but not over this protocol", approve
	case any(func(w *Window) bool { return at(w) && by(w) }):
		return "the program was updated, or its window has run out", approve
	case any(func(w *Window) bool { return at(w) && (w.Network.IsValid() || w.ASN != 0) }): // a country is no place for another program
		return "another program in a known place", approve
	case any(by):
		return "a known program in another place", approve + ", and type the reference that the program shows if you are elsewhere"
	}
	return "a program and a place that are not known", "if it is you, " + approve + "; if not, deny it and change the password"
}
