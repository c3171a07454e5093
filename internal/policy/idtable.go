package policy

import "math/bits"

// idTable finds what is said of an id. Every decision asks it once for the
// person and once for each group, and ids are long and alike at their
// beginning, so it hashes their ends only; a map takes three times as long.
type idTable struct {
	slots []idSlot // a power of two, at most half of them taken
}

type idSlot struct {
	hash  uint64
	id    string
	marks *marks // nil is a free slot
}

func newIDTable(of map[string]*marks) idTable {
	size := 2
	for size < 2*len(of) {
		size *= 2
	}
	t := idTable{make([]idSlot, size)}
	for id, m := range of {
		at := hashID(id)
		for t.slots[at&uint64(size-1)].marks != nil {
			at++
		}
		t.slots[at&uint64(size-1)] = idSlot{hashID(id), id, m}
	}
	return t
}

func (t *idTable) find(id string) *marks {
	hash, mask := hashID(id), uint64(len(t.slots)-1)
	for at := hash; ; at++ {
		s := &t.slots[at&mask]
		if s.marks == nil || s.hash == hash && s.id == id {
			return s.marks
		}
	}
}

// hashID mixes the length, the first byte and the last sixteen; shorter ids
// are mixed whole.
func hashID(id string) uint64 {
	h := uint64(len(id))
	if n := len(id); n >= 16 {
		return mix(mix(h^uint64(id[0])<<32, eight(id[n-16:])), eight(id[n-8:]))
	}
	for i := range len(id) {
		h = mix(h, uint64(id[i]))
	}
	return h
}

// mix is a multiplication to 128 bits, folded: every bit moves every other.
func mix(a, b uint64) uint64 {
	const golden, root = 0x9e3779b97f4a7c15, 0xb504f333f9de6485 // 2^64 divided by the golden ratio and by √2, odd
	high, low := bits.Mul64(a^golden, b^root)
	return high ^ low
}
