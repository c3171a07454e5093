package policy

import "time"

const (
	// everyTimeGrace is how long "every time" lasts; Entra tolerates five minutes.
	everyTimeGrace = 5 * time.Minute
	// clockSkew is how far in the future a proof may lie; later ones are no proof.
	clockSkew = 5 * time.Minute
)

// fresh is the control signInFrequency: the last proof is not too old. An
// unknown time of proof is too old.
func (q *Frequency) fresh(f *Facts) bool {
	if f.AuthTime.IsZero() || f.AuthTime.After(f.At.Add(clockSkew)) {
		return false
	}
	return f.At.Before(q.until(f))
}

// until is when the proof will be too old.
func (q *Frequency) until(f *Facts) time.Time {
	if q.EveryTime {
		return f.AuthTime.Add(everyTimeGrace)
	}
	return f.AuthTime.Add(q.Every)
}
