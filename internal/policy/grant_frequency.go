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
	age, known := proofAge(f)
	return known && q.allows(age)
}

// allows says that a proof of this age is not too old.
func (q *Frequency) allows(age time.Duration) bool { return age < q.most() }

func (q *Frequency) most() time.Duration {
	if q.EveryTime {
		return everyTimeGrace
	}
	return q.Every
}

// proofAge is how old the last proof is; one from the future is no proof.
func proofAge(f *Facts) (age time.Duration, known bool) {
	age = f.At.Sub(f.AuthTime)
	return age, !f.AuthTime.IsZero() && age >= -clockSkew
}

// until is when the proof will be too old.
func (q *Frequency) until(f *Facts) time.Time { return f.AuthTime.Add(q.most()) }
