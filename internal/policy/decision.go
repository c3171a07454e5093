package policy

import "math/bits"

// scratch is what one decision works in; snapshots keep a few.
type scratch struct {
	in, out []uint64 // policies that apply, and room for those excluded
	ruled   []uint8  // by device rule: 0 not asked, 1 does not match, 2 matches

	// clocks are beside the snapshot's hours.
	clocks []clock
	// answered are the last answers, by a hash of what they hang on; answer is the one in use.
	answered [8]answers
	answer   *answers

	// 1 + the first policy in force that blocks, fails, asks; 0 is none.
	blocking, failing, asking int
}

// answers is what all demands come to for one kind of proof.
type answers struct {
	proof proof
	// bad and ask are the policies whose demand is refused, or could be asked for.
	bad, ask []uint64
	// notable are demands that are satisfied and limit the session, or rest on mfaAlsoAccepts.
	notable []notable
}

// proof is all that an answer hangs on.
type proof struct {
	known   bool
	asks    bool // the client can be asked
	methods Methods
	device  Controls
	fresh   uint64 // by pace
}

type notable struct {
	demand int
	widens bool
}

func (s *Snapshot) newScratch() any {
	n := len(s.everybody)
	return &scratch{in: make([]uint64, n), out: make([]uint64, n), ruled: make([]uint8, len(s.deviceRules)), clocks: make([]clock, len(s.hours))}
}

// decide answers each kind of demand, once for all policies that share it, and
// not again for a proof that was seen lately.
func (w *scratch) decide(s *Snapshot, f *Facts) {
	p := proof{known: len(s.paces) <= 64, asks: promptable(f.Protocol), methods: f.Methods, device: f.Device.controls()}
	if age, known := proofAge(f); known {
		for i, q := range s.paces {
			if q.allows(age) {
				p.fresh |= 1 << (i % 64)
			}
		}
	}
	hash := (uint64(p.methods) ^ uint64(p.device)<<16 ^ p.fresh<<20 ^ uint64(index(p.asks))<<40) * 0x9e3779b97f4a7c15
	w.answer = &w.answered[hash>>61]
	if w.answer.proof != p || !p.known {
		w.answer.renew(s, f, p)
	}
}

func (a *answers) renew(s *Snapshot, f *Facts, p proof) {
	if a.bad == nil {
		a.bad, a.ask = make([]uint64, len(s.everybody)), make([]uint64, len(s.everybody))
	}
	clear(a.bad)
	clear(a.ask)
	a.proof, a.notable = p, a.notable[:0]
	builtIn := anyProven(s.builtInMFA, f.Methods)
	for k := range s.asked {
		q := &s.asked[k]
		met := q.met(f)
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

// enforce lets the policies that apply count. Nothing is cut short: each
// policy's result is known.
func (w *scratch) enforce(s *Snapshot, b *Bits) {
	w.blocking, w.failing, w.asking = 0, 0, 0
	n := len(w.in)
	bad, ask, enforced := w.answer.bad[:n], w.answer.ask[:n], s.enforced[:n]
	for i, applied := range w.in {
		failing, asking := bad[i]&applied, ask[i]&applied
		if b != nil {
			b.Applied[i], b.Satisfied[i], b.Interrupted[i] = applied, applied&^(failing|asking), asking
		}
		if failing &= enforced[i]; failing != 0 {
			w.fails(i, failing, failing&s.blocks[i])
		}
		if asking &= enforced[i]; asking != 0 && w.asking == 0 {
			w.asking = first(i, asking)
		}
	}
}

func (w *scratch) fails(word int, failing, blocking uint64) {
	if w.failing == 0 {
		w.failing = first(word, failing)
	}
	if w.blocking == 0 && blocking != 0 {
		w.blocking = first(word, blocking)
	}
}

// first is 1 + the first policy of a word.
func first(word int, bit uint64) int { return word*64 + bits.TrailingZeros64(bit) + 1 }

// verdict is what all policies come to: block beats interrupt beats allow, and
// a policy that says block beats one that asks for what cannot be met.
func (w *scratch) verdict(s *Snapshot, f *Facts) Verdict {
	v := Verdict{Stage: StageConditionalAccess, Version: s.version}
	p := w.blocking
	if p == 0 {
		p = w.failing
	}
	if p == 0 {
		v.Effect, p = Interrupt, w.asking
	}
	if p == 0 {
		return w.allowance(s, f)
	}
	a := &s.rules[p-1].asked
	v.By, v.Code = s.policies[p-1].ID, a.code(a.met(f), promptable(f.Protocol))
	return v
}

// allowance is a yes, with how long it holds.
func (w *scratch) allowance(s *Snapshot, f *Facts) Verdict {
	v := Verdict{Effect: Allow, Version: s.version}
	for _, x := range w.answer.notable {
		if !w.inForce(s, s.demands[x.demand]) {
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

// inForce says that a policy of the set applies and is enforced.
func (w *scratch) inForce(s *Snapshot, of set) bool {
	for i, applied := range w.in {
		if applied&of[i]&s.enforced[i] != 0 {
			return true
		}
	}
	return false
}

// sized gives the sets room for n words, all zero.
func (b *Bits) sized(n int) *Bits {
	if b == nil {
		return nil
	}
	for _, s := range [...]*[]uint64{&b.Applied, &b.Satisfied, &b.Interrupted, &b.Unknown} {
		if cap(*s) < n {
			*s = make([]uint64, n)
		}
		*s = (*s)[:n]
		clear(*s)
	}
	return b
}
