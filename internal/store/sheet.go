package store

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// Sheet is a piece of the log as it is judged again: the kinds of sign-ins that
// it has and where they came from, and of each sign-in which of these and when.
type Sheet struct {
	Kinds   []Kind
	Places  []netip.Addr // the one that is none is not valid
	SignIns []Recorded
}

// Kind is everything of a sign-in that a verdict or a count can hang on, but
// for the client's address and the times: sign-ins of equal bytes are of one
// kind. They are fields of an event's blob, and the mailbox's address is not
// among them: it is asked for once, of those who are told.
type Kind []byte

// Recorded is one row of the log. Times are in nanoseconds.
type Recorded struct {
	Kind   int // in the sheet's, and so is Place
	Place  int
	At     int64 // since 1970
	Judged int64 // Facts.At less At
	Proof  int64 // AuthTime less At, if Proved
	Proved bool  // AuthTime is known
	Count  int64
	Ref    int64 // of the reference
}

// Stamp puts into an event of the row's kind what is the row's own: its times,
// its count and its reference (the last bits of the id).
func (r *Recorded) Stamp(e *signin.Event) {
	e.At, e.Count = fromNanos(r.At), r.Count
	e.Facts.At, e.Facts.AuthTime = fromNanos(r.At+r.Judged), time.Time{}
	if r.Proved {
		e.Facts.AuthTime = fromNanos(r.At + r.Proof)
	}
	e.ID = r.ID()
}

// ID is an id with the row's reference.
func (r *Recorded) ID() (id signin.ID) {
	binary.BigEndian.PutUint64(id[8:], uint64(r.Ref))
	return id
}

// KindReader reads kinds. It is for one goroutine.
type KindReader struct {
	in     *interner
	groups map[string][]string // by the bytes of the field
}

// NewKindReader makes a reader of kinds.
func NewKindReader() *KindReader { return &KindReader{newInterner(), map[string][]string{}} }

// Read makes an event of a kind. It holds the facts but for the addresses, the
// times and what nobody judges by, the stage, and whether it was let in: its
// code is OK or any other.
func (r *KindReader) Read(k Kind, e *signin.Event) error {
	*e = signin.Event{}
	whole := reader{ev: e}
	return eachField(k, r.in, func(f field) (err error) {
		switch f.tag {
		case tagObserved:
			e.Observed = f.n&kindObserved != 0
			if f.n&kindRefused != 0 {
				e.Code = signin.WrongCredentials
			}
		case tagPerson:
			e.Facts.Person = f.text()
		case tagProtocol:
			e.Facts.Protocol = protocolsByName[f.text()]
		case tagCredential:
			e.Facts.Credential = credentialsByName[f.text()]
		case tagProgram:
			readColumn(f, e)
		case tagGroups:
			e.Facts.Groups, err = r.idsOf(f)
		default:
			err = whole.field(f)
		}
		return err
	})
}

// idsOf hands out one list for the same ids again and again.
func (r *KindReader) idsOf(f field) ([]string, error) {
	if list, ok := r.groups[string(f.bytes)]; ok {
		return list, nil
	}
	list, err := f.ids()
	if err == nil {
		if len(r.groups) >= maxInterned {
			clear(r.groups)
		}
		r.groups[string(f.bytes)] = list
	}
	return list, err
}

// Bits of a kind's tagObserved.
const (
	kindObserved = 1 << iota
	kindRefused
)

// judgedField says whether a field of an event's blob is part of its kind as it stands.
func judgedField(tag uint64) bool {
	switch tag {
	case tagMechanism, tagEventMechanism, tagConfidence: // nothing judges by these
		return false
	case tagStage, tagKey, tagJA4, tagNetOwner: // the last two: grants hang on them
		return true
	}
	return tag < tagEffect
}

// sheetMaker makes a sheet of rows, and can be used again.
type sheetMaker struct {
	sheet  Sheet
	kinds  map[string]int
	places map[netip.Addr]int
	bytes  []byte // of the kinds
	key    encoder
}

func newSheetMaker() *sheetMaker {
	return &sheetMaker{kinds: map[string]int{}, places: map[netip.Addr]int{}}
}

func (m *sheetMaker) begin() {
	m.sheet.clear()
	m.bytes = m.bytes[:0]
	clear(m.kinds)
	clear(m.places)
}

func (s *Sheet) clear() {
	s.Kinds, s.Places, s.SignIns = s.Kinds[:0], s.Places[:0], s.SignIns[:0]
}

// add takes one row, from an address, and of the kind that has been put into m.key.
func (m *sheetMaker) add(r Recorded, from netip.Addr) {
	var known bool
	if r.Kind, known = m.kinds[string(m.key.b)]; !known {
		r.Kind = len(m.sheet.Kinds)
		at := len(m.bytes)
		m.bytes = append(m.bytes, m.key.b...) // kinds in what was outgrown stay as they are
		m.sheet.Kinds = append(m.sheet.Kinds, Kind(m.bytes[at:len(m.bytes):len(m.bytes)]))
		m.kinds[string(m.key.b)] = r.Kind
	}
	if r.Place, known = m.places[from]; !known {
		r.Place = len(m.sheet.Places)
		m.sheet.Places = append(m.sheet.Places, from)
		m.places[from] = r.Place
	}
	m.sheet.SignIns = append(m.sheet.SignIns, r)
}

// facts puts what is judged of a blob into the kind, and the times into the row.
func (m *sheetMaker) facts(r *Recorded, b []byte) error {
	if len(b) == 0 || b[0] != blobVersion {
		return fmt.Errorf("%w: not written in a format this program knows", errBlob)
	}
	for b = b[1:]; len(b) > 0; {
		whole := b
		key, used := binary.Uvarint(b)
		if used <= 0 {
			return errBlob
		}
		b = b[used:]
		f := field{tag: key >> 1, isBytes: key&1 == 1}
		if f.n, used = binary.Uvarint(b); used <= 0 {
			return errBlob
		}
		if b = b[used:]; f.isBytes {
			if f.n > uint64(len(b)) {
				return errBlob
			}
			b = b[f.n:]
		}
		switch {
		case f.tag == tagJudged:
			r.Judged = f.int()
		case f.tag == tagAuthTime:
			r.Proof, r.Proved = f.int(), true
		case f.tag == tagFlags:
			m.key.uint(tagFlags, f.n&^flagResumed)
		case judgedField(f.tag):
			m.key.b = append(m.key.b, whole[:len(whole)-len(b)]...)
		}
	}
	return nil
}

// raw appends a string as it is.
func (e *encoder) raw(tag uint64, s string) {
	if s != "" {
		e.b = binary.AppendUvarint(e.b, tag<<1|1)
		e.b = binary.AppendUvarint(e.b, uint64(len(s)))
		e.b = append(e.b, s...)
	}
}

// sheetFormat is the format of sheets that this program makes and reads: the
// number of kinds, each with its length, the number of places, each with its
// length (0, 4 or 16), the number of rows, and of each row its kind, its place,
// its time less that of the one before, Judged, twice its count and one more if
// it was proved, Proof if it was, and its reference in 8 bytes.
const sheetFormat = 1

func appendSheet(b []byte, s *Sheet) []byte {
	b = binary.AppendUvarint(b, uint64(len(s.Kinds)))
	for _, k := range s.Kinds {
		b = binary.AppendUvarint(b, uint64(len(k)))
		b = append(b, k...)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Places)))
	for _, a := range s.Places {
		raw := a.AsSlice()
		b = binary.AppendUvarint(b, uint64(len(raw)))
		b = append(b, raw...)
	}
	b = binary.AppendUvarint(b, uint64(len(s.SignIns)))
	at := int64(0)
	for i := range s.SignIns {
		r := &s.SignIns[i]
		b = binary.AppendUvarint(b, uint64(r.Kind))
		b = binary.AppendUvarint(b, uint64(r.Place))
		b = binary.AppendVarint(b, r.At-at)
		b = binary.AppendVarint(b, r.Judged)
		b = binary.AppendUvarint(b, uint64(r.Count)<<1|boolBit(r.Proved))
		if r.Proved {
			b = binary.AppendVarint(b, r.Proof)
		}
		b = binary.BigEndian.AppendUint64(b, uint64(r.Ref))
		at = r.At
	}
	return b
}

// readSheet reads what appendSheet wrote into s. Its kinds lie within b.
func readSheet(b []byte, s *Sheet) error {
	p := parser{b: b}
	s.clear()
	for range p.length() {
		s.Kinds = append(s.Kinds, p.bytes())
	}
	for range p.length() {
		a, _ := netip.AddrFromSlice(p.bytes()) // none is not valid
		s.Places = append(s.Places, a)
	}
	at := int64(0)
	for range p.length() {
		r := Recorded{Kind: int(p.uint()), Place: int(p.uint()), At: at + p.int(), Judged: p.int()}
		count := p.uint()
		r.Count, r.Proved = int64(count>>1), count&1 == 1
		if r.Proved {
			r.Proof = p.int()
		}
		if len(p.b) < 8 || r.Kind < 0 || r.Kind >= len(s.Kinds) || r.Place < 0 || r.Place >= len(s.Places) {
			return errBlob
		}
		r.Ref, p.b, at = int64(binary.BigEndian.Uint64(p.b)), p.b[8:], r.At
		s.SignIns = append(s.SignIns, r)
	}
	if p.bad || len(p.b) > 0 {
		return errBlob
	}
	return nil
}

// parser reads numbers off the front of b.
type parser struct {
	b   []byte
	bad bool
}

func (p *parser) uint() uint64 {
	n, used := binary.Uvarint(p.b)
	if used <= 0 {
		p.b, p.bad = nil, true
		return 0
	}
	p.b = p.b[used:]
	return n
}

func (p *parser) int() int64 {
	n, used := binary.Varint(p.b)
	if used <= 0 {
		p.b, p.bad = nil, true
		return 0
	}
	p.b = p.b[used:]
	return n
}

// bytes are some, with their length before them.
func (p *parser) bytes() []byte {
	n := p.length()
	b := p.b[:n:n]
	p.b = p.b[n:]
	return b
}

// length is a number of things that are at least a byte each.
func (p *parser) length() int {
	n := p.uint()
	if n > uint64(len(p.b)) {
		p.b, p.bad = nil, true
		return 0
	}
	return int(n)
}

var (
	protocolsByName = func() map[string]protocol.Protocol {
		m := map[string]protocol.Protocol{}
		for _, p := range protocol.All() {
			m[p.String()] = p
		}
		return m
	}()
	credentialsByName = func() map[string]policy.CredentialKind {
		m := map[string]policy.CredentialKind{}
		for k := policy.CredentialPassword; k <= policy.CredentialPass; k++ {
			m[k.String()] = k
		}
		return m
	}()
)
