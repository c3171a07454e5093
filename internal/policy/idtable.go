package policy

import "math/bits"

// idTable finds what is said of an id or a number. Every decision asks several,
// once for the person and once for each group, and ids are long and alike at
// their beginning, so they are hashed by their ends only; a map takes three
// times as long.
type idTable[K comparable, V any] struct {
	slots []idSlot[K, V] // a power of two, at most half of them taken
}

type idSlot[K comparable, V any] struct {
	hash uint64 // 0 is a free slot
	key  K
	said V
}

func newIDTable[K comparable, V any](of map[K]V, hash func(K) uint64) (t idTable[K, V]) {
	size := 2
	for size < 2*len(of) {
		size *= 2
	}
	t.slots = make([]idSlot[K, V], size)
	for key, v := range of {
		at := hash(key)
		for t.slots[at&uint64(size-1)].hash != 0 {
			at++
		}
		t.slots[at&uint64(size-1)] = idSlot[K, V]{hash(key), key, v}
	}
	return t
}

// find is asked with the key's hash; nil is nothing said.
func (t *idTable[K, V]) find(hash uint64, key K) *V {
	mask := uint64(len(t.slots) - 1)
	for at := hash; ; at++ {
		s := &t.slots[at&mask]
		if s.hash == 0 {
			return nil
		}
		if s.hash == hash && s.key == key {
			return &s.said
		}
	}
}

// all is everything said, in no order.
func (t *idTable[K, V]) all() (all []V) {
	for i := range t.slots {
		if t.slots[i].hash != 0 {
			all = append(all, t.slots[i].said)
		}
	}
	return all
}

// taken is the mark of a hash, by which it is never 0.
const taken = 1 << 63

// hashID mixes the length, the first byte and the last sixteen; shorter ids
// are mixed whole.
func hashID(id string) uint64 {
	n := len(id)
	switch {
	case n >= 16:
		return mix(eight(id[n-16:])^uint64(n), eight(id[n-8:])^uint64(id[0])<<56) | taken
	case n >= 8:
		return mix(eight(id)^uint64(n), eight(id[n-8:])) | taken
	}
	h := uint64(n)
	for i := range n {
		h = h<<8 | uint64(id[i])
	}
	return mix(h, 0) | taken
}

func hashNumber(n uint32) uint64 { return mix(uint64(n), 0) | taken }

// mix is a multiplication to 128 bits, folded: every bit moves every other.
func mix(a, b uint64) uint64 {
	const golden, root = 0x9e3779b97f4a7c15, 0xb504f333f9de6485 // 2^64 divided by the golden ratio and by √2, odd
	high, low := bits.Mul64(a^golden, b^root)
	return high ^ low
}
