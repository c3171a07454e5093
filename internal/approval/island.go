package approval

// islands finds the habits that neither a common program nor a common network
// owner joins to what a person does most, by however many steps, and among which
// nothing is ever sent. A thief with two programs at one place, or with one at
// two, is as strange there as one with a single program.
func (p *person) islands(main map[*habit]bool) {
	type program struct{ name, library string }
	reached, programs, places := map[*habit]bool{}, map[program]bool{}, map[place]bool{}
	of := func(h *habit) program { return program{h.Program, string(h.library())} }
	visit := func(h *habit) {
		reached[h], programs[of(h)], places[h.place] = true, true, true
	}
	for _, h := range p.habits {
		if main[h] {
			visit(h)
		}
	}
	if len(reached) == 0 {
		return
	}
	for grown := true; grown; {
		grown = false
		for _, h := range p.habits {
			if !reached[h] && (places[h.place] || programs[of(h)]) {
				visit(h)
				grown = true
			}
		}
	}
	var apart uint32
	for _, h := range p.habits {
		if !reached[h] {
			apart |= h.protocols()
		}
	}
	for _, h := range p.habits {
		h.apart = !reached[h] && h.library() != "" && oneWay(apart) != ""
	}
}

// taken says that an account shows nothing of its owner, and why: everything
// that is done in it is done where nobody else is, by programs that hardly
// anybody in the organisation uses, and only one way.
func (p *past) taken(who *person) []string {
	var used uint32
	for _, h := range who.habits {
		if h.Country == "" || h.Country == p.usual && !p.remote(h) || !p.rare(h) {
			return nil
		}
		used |= h.protocols()
	}
	way := oneWay(used)
	if way == "" {
		return nil
	}
	return []string{"everything in this account is done abroad, or where hardly anybody else here is", "a program that hardly anybody else here uses", way}
}
