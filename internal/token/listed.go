package token

import (
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Listed is a key as administrators see it. A prepared one is public already and
// signs nothing yet; a retired one is public for as long as what it signed lives.
type Listed struct {
	ID        string    `json:"kid"`
	Algorithm string    `json:"algorithm"`
	State     string    `json:"state"` // current, prepared, retired
	Made      time.Time `json:"made"`
	Retired   time.Time `json:"retired,omitzero"`
}

func listed(keys []mintKey, a jose.SignatureAlgorithm, now time.Time) (list []Listed) {
	for i := range keys {
		if k := &keys[i]; !k.over(now) {
			list = append(list, Listed{k.ID, string(a), string(k.State), k.Made, k.Retired})
		}
	}
	return list
}

// Keys lists the keys that sign what programs are given, by algorithm, the
// current one first.
func (k *Keyring) Keys() (list []Listed) {
	of := k.keys.Load().of
	for _, a := range ringAlgorithms {
		list = append(list, listed(of[a], a, time.Now())...)
	}
	return list
}

// Keys lists the keys that sign tokens for backends, the current one first.
func (m *Minter) Keys() []Listed {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return listed(m.keys, m.algorithm, time.Now())
}
