package policy

// mendableBy are the methods that a person in front of a page can come to show:
// every one but those that a program earns beforehand.
const mendableBy = ^(MethodBoundAppPassword | MethodApprovalWindow | MethodKnownProgram)

// Mendable says that somebody who is refused could be let in by proving more, or
// anew: a second factor, a newer proof.
func Mendable(s *Snapshot, f *Facts) bool {
	best := *f
	best.Methods, best.Key, best.AuthTime = f.Methods|mendableBy, anyKey, f.At
	return Judge(s, &best, nil).Allowed()
}

// ShareTrusted says that two places are in one named location that is marked as
// trusted.
func (s *Snapshot) ShareTrusted(a, b *Facts) bool {
	for i := range s.source.Locations {
		if n := &s.source.Locations[i]; n.Trusted && n.Contains(a.Addr, a.Country) && n.Contains(b.Addr, b.Country) {
			return true
		}
	}
	return false
}

// FlowNamed says that among the policies which applied and were satisfied is one
// in force that names the flow by which a token went from one device to another:
// somebody has thought of it, and said on what terms.
func (s *Snapshot) FlowNamed(b *Bits, flow TransferMethods) bool {
	for i := range s.rules {
		r := &s.rules[i]
		if r.State == Enabled && r.flows != nil && r.flows.methods&flow != 0 && has(b.Applied, i) && has(b.Satisfied, i) {
			return true
		}
	}
	return false
}

func has(set []uint64, i int) bool { return i/64 < len(set) && set[i/64]&(1<<(i%64)) != 0 }
