package signin

import "github.com/portreeve/portreeve/internal/policy"

// IfAllOn says how the sign-in would have ended if every report-only policy had
// been on: allowed, asked or refused, or unknown where that hangs on a secret
// which was not looked at. It is read from what was written down of each policy
// when the sign-in was judged, and empty if it was not.
func (e *Event) IfAllOn() string {
	v, b := &e.Verdict, &e.Applied
	switch {
	case e.Facts.Proven, v.Stage != policy.StageNone:
	default:
		return "" // who it was had not been proven, and nothing refused them before
	}
	var refused, asked, unknown uint64
	for i, applied := range b.Applied {
		asks := word(b.Interrupted, i)
		refused |= applied &^ word(b.Satisfied, i) &^ asks
		asked |= asks
	}
	for _, w := range b.Unknown {
		unknown |= w
	}
	switch {
	case v.Stage != policy.StageNone && v.Effect == policy.Block, refused != 0:
		return "refused"
	case v.Stage != policy.StageNone && v.Effect == policy.Interrupt, asked != 0:
		return "asked"
	case unknown != 0:
		return "unknown"
	}
	return "allowed"
}

func word(set []uint64, i int) uint64 {
	if i < len(set) {
		return set[i]
	}
	return 0
}
