package lockout

// ways is how many places a key can be in. The key is a keyed hash, so nobody
// can aim at a set, and to push out an entry one must fill its set with
// worthier ones.
const ways = 8

// entry knows its key, 0 being an empty place, and how much would be lost with
// it now.
type entry interface {
	key() uint64
	worth(now int32) int
}

// table is a set-associative table of a fixed size.
type table[E entry] struct{ sets [][ways]E }

func newTable[E entry](entries int) table[E] {
	return table[E]{make([][ways]E, max(1, entries/ways))}
}

func (t *table[E]) find(id uint64) *E {
	set := &t.sets[id%uint64(len(t.sets))]
	for i := range set {
		if set[i].key() == id {
			return &set[i]
		}
	}
	return nil
}

// place is where an entry of this id belongs: its own place if it has one, else
// that of whatever is worth least in the set. The caller fills it.
func (t *table[E]) place(id uint64, now int32) *E {
	if e := t.find(id); e != nil {
		return e
	}
	set := &t.sets[id%uint64(len(t.sets))]
	least, worth := 0, -1
	for i := range set {
		w := 0
		if set[i].key() != 0 {
			w = 1 + set[i].worth(now)
		}
		if worth < 0 || w < worth {
			least, worth = i, w
		}
	}
	return &set[least]
}

func (t *table[E]) each(do func(*E)) {
	for i := range t.sets {
		for j := range t.sets[i] {
			if e := &t.sets[i][j]; (*e).key() != 0 {
				do(e)
			}
		}
	}
}
