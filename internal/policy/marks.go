package policy

import "time"

// marks are the few policies that name one person, group or role.
type marks struct {
	words []mark
	timed []timedMark // exclusions that end
}

type mark struct {
	word    int
	in, out uint64
}

type timedMark struct {
	policy int
	member member
}

type guestKey struct {
	kind   GuestTypes // one
	domain string     // empty is everywhere
}

func (s *Snapshot) markSide(policy int, m *members, kinds *[3]map[string]*marks, exclude bool) {
	for i, list := range [][]member{m.users, m.groups, m.roles} {
		for _, x := range list {
			if x.id == "" {
				continue // nobody has it
			}
			if !x.expires.IsZero() {
				at(kinds[i], x.id).timed = append(at(kinds[i], x.id).timed, timedMark{policy, x})
			} else {
				at(kinds[i], x.id).add(policy, exclude)
			}
		}
	}
	for _, g := range m.guests {
		for kind := InternalGuest; kind <= ServiceProvider; kind <<= 1 {
			switch {
			case g.Types&kind == 0:
			case g.Everywhere:
				at(s.guests, guestKey{kind, ""}).add(policy, exclude)
			default:
				for _, d := range g.Domains {
					at(s.guests, guestKey{kind, d}).add(policy, exclude)
				}
			}
		}
	}
}

func at[K comparable](index map[K]*marks, key K) *marks {
	if index[key] == nil {
		index[key] = &marks{}
	}
	return index[key]
}

// add is called with policies in ascending order.
func (m *marks) add(policy int, exclude bool) {
	word, bit := policy/64, uint64(1)<<(policy%64)
	if n := len(m.words); n == 0 || m.words[n-1].word != word {
		m.words = append(m.words, mark{word: word})
	}
	if last := &m.words[len(m.words)-1]; exclude {
		last.out |= bit
	} else {
		last.in |= bit
	}
}

// settled are marks to which nothing will be added.
func settled(of map[string]*marks) map[string]marks {
	all := map[string]marks{}
	for id, m := range of {
		all[id] = *m
	}
	return all
}

func (m *marks) apply(at time.Time, in, out []uint64) {
	for _, w := range m.words {
		in[w.word] |= w.in
		out[w.word] |= w.out
	}
	for _, t := range m.timed {
		if t.member.counts(at) {
			out[t.policy/64] |= 1 << (t.policy % 64)
		}
	}
}
