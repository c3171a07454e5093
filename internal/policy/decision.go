package policy

import (
	"math/bits"
	"time"
)

// decision gathers what the policies that apply to one sign-in come to.
// Nothing is cut short: every policy is asked, so each result is known.
type decision struct {
	s    *Snapshot
	f    *Facts
	asks bool // the client can be asked
	b    *Bits
	// memo is what the first kinds of demand came to; most policies ask for one of a few things.
	memo [64]remembered
	// blocking, failing and asking are 1 + the first enforced policy of each kind; 0 is none.
	blocking, failing, asking int
	widened                   bool
	until                     time.Time
}

// remembered is an answer that was worked out before; the zero value is none.
type remembered struct {
	known   bool
	answer  answer
	widened bool // mfa was met only because mfaAlsoAccepts widens it
}

// word judges the policies of one word that apply.
func (d *decision) word(i int, w uint64) {
	enforced, filtered := d.s.enforced[i], d.s.filtered[i]
	if d.f.Device == nil {
		filtered = 0 // the rows have answered
	}
	var applied, met, asked uint64
	for rest := w; rest != 0; rest &= rest - 1 {
		bit, p := rest&-rest, i*64+bits.TrailingZeros64(rest)
		if filtered&bit != 0 && !d.s.rules[p].device.holds(d.f) {
			continue
		}
		applied |= bit
		a := d.answer(p)
		switch a.answer {
		case satisfied:
			met |= bit
		case interrupted:
			asked |= bit
		}
		if enforced&bit != 0 {
			d.enforce(p, a)
		}
	}
	if d.b != nil {
		d.b.Applied[i], d.b.Satisfied[i], d.b.Interrupted[i] = applied, met, asked
	}
}

// answer is what the policy's demand comes to.
func (d *decision) answer(p int) remembered {
	k := int(d.s.askedBy[p])
	if k < len(d.memo) && d.memo[k].known {
		return d.memo[k]
	}
	a := &d.s.asked[k]
	met := a.met(d.f)
	r := remembered{known: true, answer: a.judge(met, d.asks)}
	if met&ControlMFA != 0 && r.answer == satisfied && !anyProven(d.s.builtInMFA, d.f.Methods) {
		r.widened = a.judge(met&^ControlMFA, d.asks) != satisfied
	}
	if k < len(d.memo) {
		d.memo[k] = r
	}
	return r
}

// enforce lets one policy in force count.
func (d *decision) enforce(p int, r remembered) {
	switch r.answer {
	case failed:
		if d.failing == 0 {
			d.failing = p + 1
		}
		if d.blocking == 0 && d.s.rules[p].asked.grant&ControlBlock != 0 {
			d.blocking = p + 1
		}
	case interrupted:
		if d.asking == 0 {
			d.asking = p + 1
		}
	case satisfied:
		d.widened = d.widened || r.widened
		if every := d.s.rules[p].asked.every; every != nil {
			if end := every.until(d.f); d.until.IsZero() || end.Before(d.until) {
				d.until = end
			}
		}
	}
}

// verdict is what all policies come to: block beats interrupt beats allow, and
// a policy that says block beats one that asks for what cannot be met.
func (d *decision) verdict() Verdict {
	v := Verdict{Stage: StageConditionalAccess, Version: d.s.version}
	p := d.blocking
	if p == 0 {
		p = d.failing
	}
	if p == 0 {
		v.Effect, p = Interrupt, d.asking
	}
	if p == 0 {
		return Verdict{Effect: Allow, Version: d.s.version, Until: d.until, Widened: d.widened}
	}
	a := &d.s.rules[p-1].asked
	v.By, v.Code = d.s.policies[p-1].ID, a.code(a.met(d.f), d.asks)
	return v
}
