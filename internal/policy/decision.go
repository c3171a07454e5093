package policy

import "math/bits"

// scratch is what one decision works in; snapshots keep a few.
type scratch struct {
	in, out []uint64 // policies that apply, and room for those excluded

	// clocks are beside the snapshot's hours.
	clocks []clock
	period span
	// answered are the last answers, by a hash of what they hang on; answer is the one in use.
	answered [64]answers
	answer   *answers
}

// answers is what all demands come to for one kind of proof.
type answers struct {
	proof proof
	// bad and ask are the policies whose demand is refused, or could be asked for.
	bad, ask []uint64
	// notable are demands that are satisfied and limit the session, or rest on mfaAlsoAccepts.
	notable []notable
	codes   []int // beside demands: the reason of one that is not satisfied
}

// proof is all that an answer hangs on.
type proof struct {
	known   bool
	asks    bool // the client can be asked
	methods Methods
	device  Controls
	fresh   uint64 // by pace
	model   uint32 // of the key, as numbered by the snapshot
}

type notable struct {
	demand int
	widens bool
}

func (s *Snapshot) newScratch() any {
	n := len(s.everybody)
	return &scratch{in: make([]uint64, n), out: make([]uint64, n), clocks: make([]clock, len(s.hours))}
}

// decide answers each kind of demand, once for all policies that share it, and
// not again for a proof that was seen lately.
func (w *scratch) decide(s *Snapshot, f *Facts) {
	p := proof{known: len(s.paces) <= 64, asks: promptable(f.Protocol), methods: f.Methods, device: f.Device.controls()}
	if len(s.models) > 0 {
		p.model = s.models[f.Key]
	}
	if age, known := proofAge(f); known {
		for i, q := range s.paces {
			if q.allows(age) {
				p.fresh |= 1 << (i % 64)
			}
		}
	}
	w.answer = w.slot(&p)
	if !p.known || w.answer.proof != p {
		w.answer.renew(s, f, p)
	}
}

// slot finds where the answers for a proof are, or may be put.
func (w *scratch) slot(p *proof) *answers {
	const mixer = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio
	hash := (((uint64(p.methods)*mixer ^ uint64(p.device) ^ p.fresh<<16) * 2) + uint64(index(p.asks))) * mixer >> 32
	first := hash % uint64(len(w.answered))
	for i := range uint64(4) {
		a := &w.answered[(first+i)%uint64(len(w.answered))]
		if a.proof == *p || !a.proof.known {
			return a
		}
	}
	return &w.answered[first]
}

func (a *answers) renew(s *Snapshot, f *Facts, p proof) {
	if a.bad == nil {
		a.bad, a.ask = make([]uint64, len(s.everybody)), make([]uint64, len(s.everybody))
	}
	clear(a.bad)
	clear(a.ask)
	a.proof, a.notable, a.codes = p, a.notable[:0], a.codes[:0]
	builtIn := anyProven(s.builtInMFA, f.Methods, f.Key)
	for k := range s.asked {
		q := &s.asked[k]
		met := q.met(f)
		a.codes = append(a.codes, q.code(met, p.asks))
		switch q.judge(met, p.asks) {
		case failed:
			or(a.bad, s.demands[k])
		case interrupted:
			or(a.ask, s.demands[k])
		default:
			widens := !builtIn && q.judge(met&^ControlMFA, p.asks) != satisfied
			if widens || q.every != nil {
				a.notable = append(a.notable, notable{k, widens})
			}
		}
	}
}

func or(into []uint64, s set) {
	s = s[:len(into)]
	for i := range into {
		into[i] |= s[i]
	}
}

// tell writes down the result of each policy that applied: nothing is cut short.
func (w *scratch) tell(b *Bits) {
	n := len(w.in)
	bad, ask := w.answer.bad[:n], w.answer.ask[:n]
	satisfied, asking := b.Satisfied[:n], b.Interrupted[:n]
	for i, in := range w.in {
		satisfied[i], asking[i] = in&^(bad[i]|ask[i]), in&ask[i]
	}
}

// verdict is what all policies in force come to: block beats interrupt beats
// allow, and a policy that says block beats one that asks for what cannot be met.
func (w *scratch) verdict(s *Snapshot, f *Facts) Verdict {
	v := Verdict{Stage: StageConditionalAccess, Version: s.version}
	p := first(w.in, s.blocks, s.enforced)
	if p < 0 {
		p = first(w.in, w.answer.bad, s.enforced)
	}
	if p < 0 {
		v.Effect, p = Interrupt, first(w.in, w.answer.ask, s.enforced)
	}
	if p < 0 {
		return w.allowance(s, f)
	}
	v.By, v.Code = s.ids[p], w.answer.codes[s.askedBy[p]]
	return v
}

// first is the first policy that three sets have in common; below 0 is none.
func first(a []uint64, b, c set) int {
	b, c = b[:len(a)], c[:len(a)]
	for i := range a {
		if x := a[i] & b[i] & c[i]; x != 0 {
			return i*64 + bits.TrailingZeros64(x)
		}
	}
	return -1
}

// allowance is a yes, with how long it holds.
func (w *scratch) allowance(s *Snapshot, f *Facts) Verdict {
	v := Verdict{Effect: Allow, Version: s.version}
	for _, x := range w.answer.notable {
		if first(w.in, s.demands[x.demand], s.enforced) < 0 {
			continue
		}
		v.Widened = v.Widened || x.widens
		if every := s.asked[x.demand].every; every != nil {
			if end := every.until(f); v.Until.IsZero() || end.Before(v.Until) {
				v.Until = end
			}
		}
	}
	return v
}

// size gives the sets room for n words; all but Unknown are then written whole.
func (b *Bits) size(n int) {
	for _, s := range [...]*[]uint64{&b.Applied, &b.Satisfied, &b.Interrupted, &b.Unknown} {
		if cap(*s) < n {
			*s = make([]uint64, n)
		}
		*s = (*s)[:n]
	}
	clear(b.Unknown)
}
