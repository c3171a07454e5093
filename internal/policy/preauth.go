package policy

// Preauth judges what does not need the secret: protocol switches,
// authentication policies, and whether conditional access would block whatever
// the secret is. A sign-in refused here never has its secret looked at: no
// oracle for guessers, and the same answer to a right password and a wrong one.
func Preauth(s *Snapshot, f *Facts) Verdict {
	l := s.effective(f.Person, f.Domain, f.Groups)
	if closed := l.switched(f); closed != 0 {
		return Verdict{Effect: Block, Stage: StageSwitch, By: s.holder(f.Person, f.Domain, f.Groups, closed).ID, Code: codeSwitchedOff, Version: s.version}
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
	var inLocal, outLocal [words]uint64
	in, out := inLocal[:], outLocal[:]
	if n := len(s.everybody); n > words {
		in, out = make([]uint64, n), make([]uint64, n)
	}
	candidates := s.narrow(f, in, out)
	best := atBest(f)
	decided := decision{s: s, f: &best, asks: promptable(f.Protocol)}
	open := false // some policy hangs on the device
	for i := range candidates {
		candidates[i] &= s.enforced[i] & s.flows[0][i]
		open = open || candidates[i]&s.onDevice[i] != 0
		if w := candidates[i] &^ s.onDevice[i]; w != 0 {
			decided.word(i, w)
		}
	}
	if v := decided.verdict(); v.Effect == Block {
		v.Stage = StageEarlyBlock
		return v
	}
	if open {
		if v := s.everyDevice(&best, candidates); v.Effect == Block {
			return v
		}
	}
	return Verdict{Effect: Allow, Version: s.version}
}

// atBest completes the facts with whatever meets the most controls.
func atBest(f *Facts) Facts {
	best := *f
	best.Proven, best.Methods, best.AuthTime, best.Flow, best.Device = true, ^Methods(0), f.At, 0, nil
	return best
}

// everyDevice blocks if the policies that hang on the device do so for every
// kind of device, and says why an unregistered one is refused.
func (s *Snapshot) everyDevice(best *Facts, candidates []uint64) Verdict {
	pass := Verdict{Effect: Allow, Version: s.version}
	if !s.allDevices {
		return pass // there may be devices that were not tried
	}
	var refusal Verdict
	for i, device := range s.devices {
		best.Device = device
		d := decision{s: s, f: best, asks: promptable(best.Protocol)}
		for j, w := range candidates {
			if w &= s.onDevice[j]; w == 0 {
				continue
			}
			if device == nil {
				w &= s.unregistered[j]
			}
			d.word(j, w)
		}
		v := d.verdict()
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
	if b.sized(len(s.everybody)) == nil {
		return
	}
	n := len(s.everybody)
	candidates := s.narrow(f, make([]uint64, n), make([]uint64, n))
	best, worst := atBest(f), *f
	best.Device, worst.Methods, worst.AuthTime, worst.Device = idealDevice(), 0, f.AuthTime.Truncate(0), nil
	worst.AuthTime = worst.AuthTime.AddDate(-1000, 0, 0)
	for p := range s.rules {
		word, bit := p/64, uint64(1)<<(p%64)
		if candidates[word]&bit == 0 {
			continue
		}
		r := &s.rules[p]
		applies := s.appliesWhatever(r)
		a := &r.asked
		good, bad := a.judge(a.met(&best), promptable(f.Protocol)), a.judge(a.met(&worst), promptable(f.Protocol))
		switch {
		case applies == never:
		case applies == maybe || good != bad:
			b.Unknown[word] |= bit
		default:
			b.Applied[word] |= bit
			if good == satisfied {
				b.Satisfied[word] |= bit
			} else if good == interrupted {
				b.Interrupted[word] |= bit
			}
		}
	}
}

// certainty is what can be said without the secret.
type certainty uint8

const (
	never certainty = iota
	maybe
	always
)

// appliesWhatever says whether the conditions that hang on the secret hold.
func (s *Snapshot) appliesWhatever(r *rule) certainty {
	c := always
	if r.flows != nil {
		c = maybe
	}
	if r.device == nil || r.device.rule == nil {
		return c
	}
	yes, no := !s.allDevices, !s.allDevices
	for _, d := range s.devices {
		if r.device.holds(&Facts{Device: d}) {
			yes = true
		} else {
			no = true
		}
	}
	switch {
	case yes && no:
		return maybe
	case !yes:
		return never
	}
	return c
}

// idealDevice meets both device controls.
func idealDevice() *Device {
	yes := true
	return &Device{IsCompliant: &yes, TrustType: "ServerAD"}
}
