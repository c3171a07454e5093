package signin

import (
	"encoding/hex"
	"errors"
	"strings"
)

// ID names one sign-in: a UUID (version 7, so that ids sort by time) whose
// last 60 bits are the reference that a refused person reads and types.
type ID [16]byte

// crockford is Crockford's base32: no I, L, O, U, so that a reference read
// over the telephone survives.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewID makes an id from a time in milliseconds since 1970 and 10 random bytes.
func NewID(unixMilli int64, random [10]byte) ID {
	var id ID
	for i := range 6 {
		id[i] = byte(unixMilli >> (40 - 8*i))
	}
	copy(id[6:], random[:])
	id[6] = id[6]&0x0f | 0x70 // version 7, RFC 9562 section 5.7
	id[8] = id[8]&0x3f | 0x80 // variant; the last 60 bits begin behind it, in the same byte's low half
	return id
}

// IsZero says that the id was never set.
func (id ID) IsZero() bool { return id == ID{} }

// String is the UUID in its usual form.
func (id ID) String() string {
	var b [36]byte
	hex.Encode(b[:8], id[:4])
	hex.Encode(b[9:13], id[4:6])
	hex.Encode(b[14:18], id[6:8])
	hex.Encode(b[19:23], id[8:10])
	hex.Encode(b[24:], id[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// ParseID reads a UUID.
func ParseID(s string) (ID, error) {
	var id ID
	raw, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(raw) != len(id) {
		return ID{}, errors.New("an id is a UUID such as 0192f0c4-7c1e-7aaa-8f3b-2d1c4b5a6978")
	}
	copy(id[:], raw)
	return id, nil
}

// MarshalText and UnmarshalText use the UUID form.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the UUID form.
func (id *ID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseID(string(b))
	return err
}

// Reference is what a refused person sees: 60 bits, such as 7K4Q-9ZMD-2XWT.
type Reference string

// Reference returns the id's reference.
func (id ID) Reference() Reference {
	bits := uint64(id[8]&0x0f)<<56 | uint64(id[9])<<48 | uint64(id[10])<<40 | uint64(id[11])<<32 |
		uint64(id[12])<<24 | uint64(id[13])<<16 | uint64(id[14])<<8 | uint64(id[15])
	return ReferenceOf(bits)
}

// ReferenceOf is the reference of 60 bits.
func ReferenceOf(bits uint64) Reference {
	var b [14]byte
	for i, at := 0, 0; i < 12; i++ {
		if i == 4 || i == 8 {
			b[at] = '-'
			at++
		}
		b[at] = crockford[bits>>(55-5*i)&31]
		at++
	}
	return Reference(b[:])
}

// ParseReference reads a reference as people type it: any case, with or
// without dashes and spaces, O for 0, I and L for 1.
func ParseReference(s string) (Reference, error) {
	var b []byte
	for _, c := range strings.ToUpper(s) {
		switch c {
		case '-', ' ':
			continue
		case 'O':
			c = '0'
		case 'I', 'L':
			c = '1'
		}
		if c > 0x7f || strings.IndexByte(crockford, byte(c)) < 0 {
			return "", errors.New("a reference has 12 letters and digits, such as 7K4Q-9ZMD-2XWT")
		}
		if b = append(b, byte(c)); len(b) == 4 || len(b) == 9 {
			b = append(b, '-')
		}
		if len(b) > 14 {
			break
		}
	}
	if len(b) != 14 {
		return "", errors.New("a reference has 12 letters and digits, such as 7K4Q-9ZMD-2XWT")
	}
	return Reference(b), nil
}

// Bits is the reference as a number, which is how it is stored and found.
func (r Reference) Bits() uint64 {
	var n uint64
	for i := 0; i < len(r); i++ {
		if at := strings.IndexByte(crockford, r[i]); at >= 0 {
			n = n<<5 | uint64(at)
		}
	}
	return n
}
