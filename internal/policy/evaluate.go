package policy

import (
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
)

// words is how many words of bits a decision keeps on the stack: enough for
// 10,240 policies. More are judged as well, with an allocation.
const words = 160

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
	var inLocal, outLocal [words]uint64
	in, out := inLocal[:], outLocal[:]
	if n := len(s.everybody); n > words {
		in, out = make([]uint64, n), make([]uint64, n)
	}
	applied := s.narrow(f, in, out)
	flow := s.flows[int(f.Flow)&(flowKinds-1)]
	device := s.unregistered
	if f.Device != nil {
		device = nil
	}
	for i := range applied {
		applied[i] &= flow[i]
		if device != nil {
			applied[i] &= device[i]
		}
	}
	d := decision{s: s, f: f, asks: promptable(f.Protocol), b: b.sized(len(applied))}
	for i, w := range applied {
		if w != 0 {
			d.word(i, w)
		}
	}
	return d.verdict()
}

// narrow finds the policies that apply as far as it does not hang on the
// secret, in in; out is scratch.
func (s *Snapshot) narrow(f *Facts, in, out []uint64) []uint64 {
	n := len(s.everybody)
	in, out = in[:n], out[:n]
	copy(in, s.everybody)
	clear(out)
	s.mark(f, in, out)
	door := s.door(f)[:n]
	platform := s.platforms[min(int(f.Platform), len(s.platforms)-1)][:n]
	client := s.clients[index(f.KnownNetwork)][index(f.ViaWebmail)][:n]
	network := s.networks[s.locator.Class(f.Addr)]
	country := s.country(f.Country)
	every, netIn, netOut, landIn, landOut := s.everywhere[:n], network.in[:n], network.out[:n], country.in[:n], country.out[:n]
	for i := range in {
		if w := in[i] &^ out[i] & door[i]; w == 0 {
			in[i] = 0
		} else {
			in[i] = w & platform[i] & client[i] & (every[i] | netIn[i] | landIn[i]) &^ (netOut[i] | landOut[i])
		}
	}
	if s.asns.rows != nil {
		and(in, row(&s.asns, f.ASN))
	}
	if s.programs.rows != nil {
		and(in, row(&s.programs, programOf(f)))
	}
	if s.shares != nil {
		and(in, s.shares[draw(f.Person)])
	}
	if !f.At.IsZero() {
		for i := range s.hours {
			and(in, s.hours[i].row(f.At))
		}
	}
	return in
}

// mark finds whom the policies include and exclude.
func (s *Snapshot) mark(f *Facts, in, out []uint64) {
	if m := s.people[f.Person]; m != nil { // the stranger has no entry

		m.apply(f.At, in, out)
	}
	if len(s.inGroups) > 0 {
		for _, g := range f.Groups {
			if m := s.inGroups[g]; m != nil {
				m.apply(f.At, in, out)
			}
		}
	}
	for _, r := range f.Roles {
		if m := s.inRoles[r]; m != nil {
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

func (s *Snapshot) country(c string) pair {
	if c == "" {
		return s.noCountry
	}
	if p, ok := s.countries[c]; ok {
		return p
	}
	if p, ok := s.countries[strings.ToUpper(c)]; ok {
		return p
	}
	return s.countries[otherCountry]
}

func (s *Snapshot) door(f *Facts) set {
	p, k := int(f.Protocol), int(f.Credential)
	if p >= protocol.Count {
		p = int(protocol.Unknown)
	}
	if k >= credentialKinds {
		k = int(CredentialUnknown)
	}
	eas := f.Platform == PlatformAndroid || f.Platform == PlatformIOS || f.Platform == PlatformWindows
	return s.doors[p][k][index(eas)]
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}

func and(in []uint64, s set) {
	s = s[:len(in)]
	for i := range in {
		in[i] &= s[i]
	}
}

func row[K comparable](t *table[K], k K) set {
	if r, ok := t.rows[k]; ok {
		return r
	}
	return t.other
}

func (h *hourTable) row(at time.Time) set {
	minute := minuteOfWeek(at, h.zone)
	low, high := 0, len(h.borders) // the first border is 0
	for low+1 < high {
		if mid := (low + high) / 2; h.borders[mid] <= minute {
			low = mid
		} else {
			high = mid
		}
	}
	return h.rows[low]
}

// sized gives the sets room for n words, all zero.
func (b *Bits) sized(n int) *Bits {
	if b == nil {
		return nil
	}
	for _, s := range []*[]uint64{&b.Applied, &b.Satisfied, &b.Interrupted, &b.Unknown} {
		if cap(*s) < n {
			*s = make([]uint64, n)
		}
		*s = (*s)[:n]
		clear(*s)
	}
	return b
}
