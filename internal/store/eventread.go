package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

var errBlob = errors.New("event's facts cannot be read")

// field is one field of a blob: a number, or bytes.
type field struct {
	tag     uint64
	isBytes bool
	n       uint64
	bytes   []byte
	in      *interner
}

// eachField reads the fields of a blob; what it hands out lies within b.
func eachField(b []byte, in *interner, do func(field) error) error {
	for len(b) > 0 {
		key, used := binary.Uvarint(b)
		if used <= 0 {
			return errBlob
		}
		b = b[used:]
		f := field{tag: key >> 1, isBytes: key&1 == 1, in: in}
		if f.n, used = binary.Uvarint(b); used <= 0 {
			return errBlob
		}
		b = b[used:]
		if f.isBytes {
			if f.n > uint64(len(b)) {
				return errBlob
			}
			f.bytes, b = b[:f.n], b[f.n:]
		}
		if err := do(f); err != nil {
			return err
		}
	}
	return nil
}

// text is the string of a field; a word that a newer program knows reads as empty.
func (f field) text() string {
	if f.isBytes {
		return f.in.text(f.bytes)
	}
	if f.n < uint64(len(words)) {
		return words[f.n]
	}
	return ""
}

func (f field) int() int64 { return int64(f.n>>1) ^ -int64(f.n&1) }

// small is the number of an enumeration; one that does not fit is its unknown, 0.
func small[T ~uint8 | ~uint16 | ~uint32](f field) T {
	if uint64(T(f.n)) != f.n {
		return 0
	}
	return T(f.n)
}

func (f field) time(base time.Time) time.Time { return time.Unix(0, nanos(base)+f.int()).UTC() }

func (f field) objectID() string { return f.in.objectID(f.bytes) }

func objectID(b []byte) string {
	switch {
	case len(b) == 17 && b[0] == 0:
		return signin.ID(b[1:]).String()
	case len(b) > 0 && b[0] == 1:
		return string(b[1:])
	}
	return string(b)
}

func (f field) ids() (list []string, err error) {
	for b := f.bytes; len(b) > 0; {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			return nil, errBlob
		}
		list = append(list, f.in.objectID(b[used:used+int(n)]))
		b = b[used+int(n):]
	}
	return list, nil
}

func (f field) words64() (bits []uint64, err error) {
	for b := f.bytes; len(b) > 0; {
		w, used := binary.Uvarint(b)
		if used <= 0 {
			return nil, errBlob
		}
		b = b[used:]
		if w != 0 {
			bits = append(bits, w)
			continue
		}
		run, used := binary.Uvarint(b)
		if used <= 0 || run == 0 || run > uint64(maxBitWords-len(bits)) {
			return nil, errBlob
		}
		bits, b = append(bits, make([]uint64, run)...), b[used:]
	}
	return bits, nil
}

// inline reads a string as appendInline writes it.
func inline(b []byte, in *interner) (s string, rest []byte, err error) {
	n, used := binary.Uvarint(b)
	if used <= 0 {
		return "", nil, errBlob
	}
	b = b[used:]
	if n&1 == 1 {
		if n >>= 1; n < uint64(len(words)) {
			s = words[n]
		}
		return s, b, nil
	}
	if n >>= 1; n > uint64(len(b)) {
		return "", nil, errBlob
	}
	return in.text(b[:n]), b[n:], nil
}

// ReadEvent reads an event that AppendEvent wrote.
func ReadEvent(b []byte) (ev signin.Event, err error) {
	if len(b) == 0 {
		return ev, errBlob
	}
	// Columns stand at the end, but the rest hangs on them.
	if err := eachField(b[1:], nil, func(f field) error { readColumn(f, &ev); return nil }); err != nil {
		return ev, err
	}
	return ev, readFacts(b, &ev, nil)
}

// readFacts reads a blob into an event whose columns are set already: times in
// the blob hang on the event's, the port on its address.
func readFacts(b []byte, ev *signin.Event, in *interner) error {
	if len(b) == 0 || b[0] != blobVersion {
		return fmt.Errorf("%w: not written in a format this program knows", errBlob)
	}
	r := reader{ev: ev, methods: -1}
	ev.Verdict.Code = int(ev.Code)
	if err := eachField(b[1:], in, r.field); err != nil {
		return err
	}
	if !r.mechanism {
		ev.Mechanism = ev.Facts.Mechanism
	}
	if r.methods < 0 {
		ev.Methods = ev.Facts.Methods
	}
	return nil
}

func readColumn(f field, ev *signin.Event) {
	fs := &ev.Facts
	switch f.tag {
	case tagID:
		copy(ev.ID[:], f.bytes)
	case tagAt:
		ev.At = fromNanos(int64(f.n))
	case tagLast:
		ev.Last = f.time(ev.At)
	case tagCount:
		ev.Count = int64(f.n)
	case tagCorrelation:
		copy(ev.Correlation[:], f.bytes)
	case tagSource:
		ev.Source = f.text()
	case tagObserved:
		ev.Observed = f.n == 1
	case tagPerson:
		fs.Person = f.objectID()
	case tagMailbox:
		fs.Address = f.text()
	case tagTyped:
		ev.Typed = f.text()
	case tagProtocol:
		fs.Protocol, _ = protocol.Parse(f.text())
	case tagCredential:
		fs.Credential, _ = policy.ParseCredentialKind(f.text())
	case tagProgram:
		fs.Program = f.text()
	case tagAddr:
		fs.Addr = readAddr(f.bytes)
	case tagCode:
		ev.Code = signin.Code(f.int())
	case tagVersion:
		ev.Verdict.Version = f.n
	}
}

func readAddr(b []byte) netip.Addr {
	if len(b) != 16 {
		return netip.Addr{}
	}
	return netip.AddrFrom16([16]byte(b)).Unmap()
}

// reader fills in an event from its blob.
type reader struct {
	ev        *signin.Event
	mechanism bool // Event's own was there
	methods   int  // 0 once Event's own were there
}

func (r *reader) field(f field) (err error) {
	if f.tag >= tagEffect {
		return r.rest(f)
	}
	ev, fs := r.ev, &r.ev.Facts
	switch f.tag {
	case tagJudged:
		fs.At = f.time(ev.At)
	case tagDomain:
		fs.Domain = f.text()
	case tagGuest:
		fs.Guest = small[policy.GuestTypes](f)
	case tagGroups:
		fs.Groups, err = f.ids()
	case tagRoles:
		fs.Roles, err = f.ids()
	case tagMechanism:
		fs.Mechanism = f.text()
	case tagEventMechanism:
		ev.Mechanism, r.mechanism = f.text(), true
	case tagFlags:
		fs.ViaWebmail, fs.KnownNetwork = f.n&flagViaWebmail != 0, f.n&flagKnownNetwork != 0
		fs.Proven, ev.TLS.Resumed = f.n&flagProven != 0, f.n&flagResumed != 0
	case tagCountry:
		fs.Country = f.text()
	case tagASN:
		fs.ASN = small[uint32](f)
	case tagPlatform:
		fs.Platform = small[policy.Platform](f)
	case tagProgramVersion:
		fs.ProgramVersion = f.text()
	case tagConfidence:
		fs.ProgramConfidence = small[uint8](f)
	case tagMethods:
		fs.Methods = policy.Methods(f.n)
	case tagAuthTime:
		fs.AuthTime = f.time(ev.At)
	case tagFlow:
		fs.Flow = small[policy.TransferMethods](f)
	case tagDevice:
		fs.Device, err = readDevice(f.bytes, f.in)
	case tagMailboxID:
		fs.Mailbox = f.objectID()
	case tagMailboxGroups:
		fs.MailboxGroups, err = f.ids()
	}
	return err
}

func (r *reader) rest(f field) (err error) {
	ev, v, bits := r.ev, &r.ev.Verdict, &r.ev.Applied
	switch f.tag {
	case tagEffect:
		v.Effect = small[policy.Effect](f)
	case tagStage:
		v.Stage = small[policy.Stage](f)
	case tagBy:
		v.By = f.objectID()
	case tagVerdictCode:
		v.Code = int(f.int())
	case tagUntil:
		v.Until = f.time(ev.At)
	case tagApplied:
		bits.Applied, err = f.words64()
	case tagSatisfied:
		bits.Satisfied, err = f.words64()
	case tagInterrupted:
		bits.Interrupted, err = f.words64()
	case tagUndecided:
		bits.Unknown, err = f.words64()
	case tagSteps:
		ev.Steps, err = readSteps(f.bytes, f.in)
	case tagIMAPID:
		ev.Hints.IMAPID, err = readPairs(f.bytes, f.in)
	case tagEventMethods:
		ev.Methods, r.methods = policy.Methods(f.n), 0
	default:
		r.connection(f)
	}
	return err
}

func (r *reader) connection(f field) {
	ev := r.ev
	switch f.tag {
	case tagDetail:
		ev.Detail = f.text()
	case tagListener:
		ev.Listener = f.text()
	case tagPort:
		if ev.Facts.Addr.IsValid() {
			ev.Client = netip.AddrPortFrom(ev.Facts.Addr, small[uint16](f)).String()
		}
	case tagClient:
		ev.Client = f.text()
	case tagForwarder:
		ev.Forwarder = f.text()
	case tagNetOwner:
		ev.NetOwner = f.text()
	case tagTLSVersion:
		ev.TLS.Version = small[uint16](f)
	case tagCipher:
		ev.TLS.Cipher = small[uint16](f)
	case tagServerName:
		ev.TLS.ServerName = f.text()
	case tagJA4:
		ev.TLS.JA4 = f.text()
	case tagCertificate:
		ev.TLS.Certificate = append([]byte(nil), f.bytes...)
	case tagEHLO:
		ev.Hints.EHLO = f.text()
	case tagUserAgent:
		ev.Hints.UserAgent = f.text()
	case tagBackend:
		ev.Backend = f.text()
	case tagActor:
		ev.Actor = f.text()
	case tagGrant:
		ev.Grant = f.text()
	case tagKey:
		ev.Facts.Key = f.objectID()
	}
}

func readSteps(b []byte, in *interner) (steps []signin.Step, err error) {
	steps = make([]signin.Step, 0, 6) // as many as a sign-in has
	for len(b) > 0 {
		var name, result string
		if name, b, err = inline(b, in); err != nil {
			return nil, err
		}
		if result, b, err = inline(b, in); err != nil {
			return nil, err
		}
		took, used := binary.Uvarint(b)
		if used <= 0 {
			return nil, errBlob
		}
		b = b[used:]
		steps = append(steps, signin.Step{Name: signin.StepName(name), Result: result, Took: time.Duration(field{n: took}.int())})
	}
	return steps, nil
}

func readPairs(b []byte, in *interner) (pairs []signin.Pair, err error) {
	for len(b) > 0 {
		var p signin.Pair
		if p.Key, b, err = inline(b, in); err != nil {
			return nil, err
		}
		if p.Value, b, err = inline(b, in); err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// protocolName and credentialName are the words in the columns; the unknown is the empty one.
func protocolName(p protocol.Protocol) string {
	if p == protocol.Unknown {
		return ""
	}
	return p.String()
}

func credentialName(k policy.CredentialKind) string {
	if k == policy.CredentialUnknown {
		return ""
	}
	return k.String()
}
