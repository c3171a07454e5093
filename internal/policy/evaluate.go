package policy

import (
	"slices"

	"github.com/portreeve/portreeve/internal/protocol"
)

// Judge is Preauth, then Evaluate: what the live path, re-judging, What-If and
// replay all ask.
func Judge(s *Snapshot, f *Facts, b *Bits) Verdict {
	if v := Preauth(s, f); !v.Allowed() {
		Foresee(s, f, b)
		return v
	}
	return Evaluate(s, f, b)
}

// Evaluate judges by conditional access with everything known. b takes the
// policies that applied; it may be nil.
func Evaluate(s *Snapshot, f *Facts, b *Bits) Verdict {
	w := s.scratch.Get().(*scratch)
	own := w.in
	if b != nil { // what is worked in is then what is told
		b.size(len(own))
		w.in = b.Applied
	}
	flow, device := s.flows[int(f.Flow)&(flowKinds-1)], s.unregistered
	if f.Device != nil {
		device = s.all
	}
	applied := s.narrow(f, w, flow, device)
	if f.Device != nil {
		s.narrowByDevice(f, applied)
	}
	w.decide(s, f)
	if b != nil {
		w.tell(b)
	}
	v := w.verdict(s, f)
	w.in = own
	s.scratch.Put(w)
	return v
}

// narrow finds the policies that apply as far as it does not hang on the
// secret, and which two more rows leave. It asks for one row of each table and
// joins them in few passes.
func (s *Snapshot) narrow(f *Facts, w *scratch, more, stillMore set) []uint64 {
	in := w.in
	n := len(in)
	out, door := w.out[:n], s.door(f)[:n]
	copy(in, s.everybody)
	clear(out)
	s.mark(f, in, out)
	network := &s.networks[s.locator.Class(f.Addr)]
	country := s.country(f.Country)
	netIn, netOut, landIn, landOut := network.in[:n], network.out[:n], country.in[:n], country.out[:n]
	for i := range in {
		in[i] = in[i] &^ out[i] & door[i] & (netIn[i] | landIn[i]) &^ (netOut[i] | landOut[i])
	}
	if s.simple {
		and(in, more, stillMore, s.all, s.all)
		return in
	}
	asn, program, share := s.all, s.all, s.all
	if s.asns.other != nil {
		asn = s.asns.row(hashNumber(f.ASN), f.ASN)
	}
	if s.programs.other != nil {
		program = s.program(f)
	}
	if s.shares != nil {
		share = s.shares[draw(f.Person)]
	}
	hour := s.all
	for i := range s.hours {
		if f.At.IsZero() {
			break
		}
		h := &s.hours[i]
		if hour = h.row(w.clocks[i].minute(f.At, h.zone)); i+1 < len(s.hours) {
			and(in, hour, s.all, s.all, s.all)
		}
	}
	if len(s.periods) > 0 && !f.At.IsZero() {
		over := w.period.at(s, f.At)[:n]
		for i := range in {
			in[i] &^= over[i]
		}
	}
	client := s.clients[index(f.KnownNetwork)][index(f.ViaWebmail)][:n]
	asn, program, share, hour, more, stillMore = asn[:n], program[:n], share[:n], hour[:n], more[:n], stillMore[:n]
	for i := range in {
		in[i] &= client[i] & asn[i] & program[i] & share[i] & hour[i] & more[i] & stillMore[i]
	}
	return in
}

// and joins rows into one, four at a time.
func and(in []uint64, a, b, c, d set) {
	n := len(in)
	a, b, c, d = a[:n], b[:n], c[:n], d[:n]
	for i := range in {
		in[i] &= a[i] & b[i] & c[i] & d[i]
	}
}

// narrowByDevice asks the device's rules that policies are left for, each once.
func (s *Snapshot) narrowByDevice(f *Facts, in []uint64) {
	for i := range s.deviceRules {
		r := &s.deviceRules[i]
		if !slices.ContainsFunc(r.by.words, func(m mark) bool { return in[m.word]&(m.in|m.out) != 0 }) {
			continue
		}
		if r.matches(f) {
			for _, m := range r.by.words {
				in[m.word] &^= m.out
			}
		} else {
			for _, m := range r.by.words {
				in[m.word] &^= m.in
			}
		}
	}
}

// mark finds whom the policies include and exclude.
func (s *Snapshot) mark(f *Facts, in, out []uint64) {
	if m := s.people.find(hashID(f.Person), f.Person); m != nil { // the stranger has no entry
		m.apply(f.At, in, out)
	}
	for _, g := range f.Groups {
		if m := s.inGroups.find(hashID(g), g); m != nil {
			m.apply(f.At, in, out)
		}
	}
	for _, r := range f.Roles {
		if m := s.inRoles.find(hashID(r), r); m != nil {
			m.apply(f.At, in, out)
		}
	}
	if f.Guest == 0 {
		return
	}
	for kind := InternalGuest; kind <= ServiceProvider; kind <<= 1 {
		if f.Guest&kind == 0 {
			continue
		}
		if m := s.guests[guestKey{kind, ""}]; m != nil {
			m.apply(f.At, in, out)
		}
		if m := s.guests[guestKey{kind, f.Domain}]; m != nil && f.Domain != "" {
			m.apply(f.At, in, out)
		}
	}
}

func (s *Snapshot) country(c string) *pair {
	at, ok := countryIndex(c)
	switch {
	case c == "":
		return s.noCountry
	case !ok || s.countries[at] == nil:
		return s.otherCountry
	}
	return s.countries[at]
}

// countryIndex counts two-letter codes, in any case.
func countryIndex(c string) (at int, ok bool) {
	const letters = 'Z' - 'A' + 1
	if len(c) != 2 {
		return 0, false
	}
	first, second := c[0]&^0x20-'A', c[1]&^0x20-'A'
	return int(first)*letters + int(second), first < letters && second < letters
}

func (s *Snapshot) door(f *Facts) set {
	p, k := int(f.Protocol), int(f.Credential)
	if p >= protocol.Count {
		p = int(protocol.Unknown)
	}
	if k >= credentialKinds {
		k = int(CredentialUnknown)
	}
	return s.doors[p][k][min(int(f.Platform), len(s.doors[p][k])-1)]
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}

// program finds the row of the program's family, which facts nearly always
// have in lower case.
func (s *Snapshot) program(f *Facts) set {
	if r := s.programs.named.find(hashID(f.Program), f.Program); r != nil && f.Program != "" {
		return *r
	}
	program := programOf(f)
	return s.programs.row(hashID(program), program)
}

func (t *table[K]) row(hash uint64, k K) set {
	if r := t.named.find(hash, k); r != nil {
		return *r
	}
	return t.other
}

func (h *hourTable) row(minute int) set { return h.rows[h.index(minute)] }

func (h *hourTable) index(minute int) int {
	at := h.byHour[minute/60]
	for at+1 < len(h.borders) && h.borders[at+1] <= minute {
		at++
	}
	return at
}
