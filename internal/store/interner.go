package store

// interner hands out one string for the same bytes again and again: a replay
// meets the same groups, programs and hosts a million times. nil makes new ones.
type interner struct{ texts, ids map[string]string }

// Limits of what is kept: entries, and bytes of each.
const (
	maxInterned     = 16_384
	maxInternedText = 64
)

func newInterner() *interner { return &interner{map[string]string{}, map[string]string{}} }

func (in *interner) text(b []byte) string {
	if in == nil || len(b) > maxInternedText {
		return string(b)
	}
	s, ok := in.texts[string(b)]
	if !ok {
		if s = string(b); len(in.texts) >= maxInterned {
			clear(in.texts)
		}
		in.texts[s] = s
	}
	return s
}

func (in *interner) objectID(b []byte) string {
	if in == nil || len(b) != 17 || b[0] != 0 {
		return objectID(b)
	}
	s, ok := in.ids[string(b)]
	if !ok {
		if s = objectID(b); len(in.ids) >= maxInterned {
			clear(in.ids)
		}
		in.ids[string(b)] = s
	}
	return s
}
