package policy

import "time"

// Preauth judges what does not need the secret: protocol switches,
// authentication policies, and whether conditional access would block whatever
// the secret is. A sign-in refused here never has its secret looked at: no
// oracle for guessers, and the same answer to a right password and a wrong one.
func Preauth(s *Snapshot, f *Facts) Verdict {
	mailbox, groups := f.mailbox()
	l := s.effective(mailbox, f.Domain, groups)
	if closed := l.switched(f); closed != 0 {
		return Verdict{Effect: Block, Stage: StageSwitch, By: s.holder(mailbox, f.Domain, groups, closed).ID, Code: codeSwitchedOff, Version: s.version}
	}
	if by, code := s.authRefusal(f); code != 0 {
		return Verdict{Effect: Block, Stage: StageAuthenticationPolicy, By: by, Code: code, Version: s.version}
	}
	return s.earlyBlock(f)
}

// earlyBlock refuses if and only if every completion of the facts that hang on
// the secret would be refused. More methods and a fresher proof only ever meet
// more controls, and a token that was not transferred meets fewer policies, so
// one completion is the best of all in these; devices are not so ordered, and
// each kind that the policies tell apart is tried.
func (s *Snapshot) earlyBlock(f *Facts) Verdict {
	w := s.scratch.Get().(*scratch)
	defer s.scratch.Put(w)
	candidates := s.narrow(f, w, s.enforced, s.flows[0])
	w.hold(candidates)
	best := atBest(f)
	hangs := false // some policy hangs on the device
	for i := range candidates {
		hangs = hangs || candidates[i]&s.onDevice[i] != 0
		candidates[i] &^= s.onDevice[i]
	}
	w.decide(s, &best)
	if v := w.verdict(s, &best); v.Effect == Block {
		if hangs && first(w.in, s.blocks, s.enforced) < 0 { // the reason is that of an unregistered device
			copy(w.in, w.out)
			and(w.in, s.unregistered, s.all, s.all, s.all)
			v = w.verdict(s, &best)
		}
		v.Stage = StageEarlyBlock
		return v
	}
	if hangs {
		return s.everyDevice(&best, w)
	}
	return Verdict{Effect: Allow, Version: s.version}
}

// hold keeps the candidates, to start from them again.
func (w *scratch) hold(candidates []uint64) { copy(w.out, candidates) }

// atBest completes the facts with whatever meets the most controls.
func atBest(f *Facts) Facts {
	best := *f
	best.Proven, best.Methods, best.Key, best.AuthTime, best.Flow, best.Device = true, attainable(f), anyKey, f.At, 0, nil
	return best
}

// everyDevice blocks if the policies that hang on the device do so for every
// kind of device, and says why an unregistered one is refused.
func (s *Snapshot) everyDevice(best *Facts, w *scratch) Verdict {
	pass := Verdict{Effect: Allow, Version: s.version}
	if !s.allDevices {
		return pass // there may be devices that were not tried
	}
	var refusal Verdict
	for i, device := range s.devices {
		best.Device = device
		copy(w.in, w.out)
		and(w.in, s.onDevice, s.holds[i], s.all, s.all)
		w.decide(s, best)
		v := w.verdict(s, best)
		if v.Effect != Block {
			return pass
		}
		if i == 0 {
			refusal = v
		}
	}
	refusal.Stage = StageEarlyBlock
	return refusal
}

// Foresee fills the bits of a sign-in whose secret is not looked at: policies
// whose result is the same for every secret have it, the others are unknown.
func Foresee(s *Snapshot, f *Facts, b *Bits) {
	if b == nil {
		return
	}
	b.size(len(s.everybody))
	w := s.scratch.Get().(*scratch)
	defer s.scratch.Put(w)
	candidates := s.narrow(f, w, s.all, s.all)
	best, worst := atBest(f), *f
	best.Device = idealDevice()
	worst.Methods, worst.AuthTime, worst.Device = 0, time.Time{}, nil
	w.decide(s, &best)
	bad, ask := b.Satisfied, b.Interrupted // for the best; the worst answer may take its place in w
	copy(bad, w.answer.bad)
	copy(ask, w.answer.ask)
	w.decide(s, &worst)
	for i, in := range candidates {
		in &^= s.never[i]
		differs := (bad[i] ^ w.answer.bad[i]) | (ask[i] ^ w.answer.ask[i])
		b.Unknown[i] = in & (s.sometimes[i] | differs)
		in &^= b.Unknown[i]
		b.Applied[i], b.Satisfied[i], b.Interrupted[i] = in, in&^(bad[i]|ask[i]), in&ask[i]
	}
}

// idealDevice meets both device controls.
func idealDevice() *Device {
	yes := true
	return &Device{IsCompliant: &yes, TrustType: "ServerAD"}
}
