package approval

// common counts the people of the organisation's country by the TLS libraries
// that they use there, and those anywhere by the network owners.
func (p *past) common() {
	p.libraries, p.guests = map[library]int{}, map[place]int{}
	for _, who := range p.people {
		has := map[library]bool{}
		for _, h := range who.habits {
			if l := h.library(); h.Country == p.usual && !has[l] {
				has[l] = true
				p.libraries[l]++
			}
		}
	}
	for _, who := range p.people {
		at := map[place]bool{}
		for _, h := range who.habits {
			if !at[h.place] && !p.rare(h) {
				at[h.place] = true
				p.guests[h.place]++
			}
		}
	}
}

// rare says that hardly anybody in the organisation uses a program. In a small
// one, and where there is no country, nobody can tell.
func (p *past) rare(h *habit) bool {
	l := h.library()
	return p.usual != "" && l != "" && len(p.people) >= manyPeople && p.libraries[l] < enoughPeople
}

// remote says that hardly anybody in the organisation is ever in networks of a
// habit's owner.
func (p *past) remote(h *habit) bool { return h.ASN != 0 && p.guests[h.place] < enoughPeople }

// manyPeople are how many an organisation must have before a program that few
// of them use is rare.
const manyPeople = 10 * enoughPeople
