package store

import (
	"encoding/binary"
	"net/netip"
	"time"
	"unicode/utf8"

	"github.com/portreeve/portreeve/internal/signin"
)

// The blob of an event: a version byte, then fields in ascending order, each a
// varint key (tag*2 + form) and a value: form 0 is a varint, form 1 a length
// and that many bytes. Zero values are left out, so a blob that an older
// program wrote reads as "unknown" where it lacks a field, and a field that a
// newer one wrote is passed over. Tags and the list of words are never reused:
// testdata/event-v1.golden holds what must stay readable.
const blobVersion = 1

// Fields that are columns of the table, and in the blob only where it stands alone (the journal).
const (
	tagID = iota + 64
	tagAt
	tagLast
	tagCount
	tagCorrelation
	tagSource
	tagObserved
	tagPerson
	tagMailbox
	tagTyped
	tagProtocol
	tagCredential
	tagProgram
	tagAddr
	tagCode
	tagVersion
)

// Fields of the blob. Numbers are written out because they are the format.
const (
	tagJudged         = 1 // Facts.At less Event.At, nanoseconds, zigzag
	tagDomain         = 2
	tagGuest          = 3
	tagGroups         = 4
	tagRoles          = 5
	tagMechanism      = 6
	tagEventMechanism = 7 // only if it differs
	tagFlags          = 8
	tagCountry        = 9
	tagASN            = 10
	tagPlatform       = 11
	tagProgramVersion = 12
	tagConfidence     = 13
	tagMethods        = 14
	tagAuthTime       = 15
	tagFlow           = 16
	tagDevice         = 17
	tagMailboxID      = 18 // where it is not the person's own
	tagMailboxGroups  = 19
	tagEffect         = 20
	tagStage          = 21
	tagBy             = 22
	tagVerdictCode    = 23 // zigzag, only if it differs from the event's
	tagUntil          = 24
	tagApplied        = 25
	tagSatisfied      = 26
	tagInterrupted    = 27
	tagUndecided      = 28
	tagDetail         = 30
	tagSteps          = 31
	tagListener       = 32
	tagPort           = 33 // the client's, where Client is Facts.Addr and a port
	tagClient         = 34 // otherwise
	tagForwarder      = 35
	tagNetOwner       = 36
	tagTLSVersion     = 37
	tagCipher         = 38
	tagServerName     = 39
	tagJA4            = 40
	tagCertificate    = 41
	tagIMAPID         = 42
	tagEHLO           = 43
	tagUserAgent      = 44
	tagBackend        = 45
	tagEventMethods   = 46 // only if it differs
	tagActor          = 47
	tagGrant          = 48
	tagKey            = 49 // of the facts
)

// Bits of tagFlags.
const (
	flagViaWebmail = 1 << iota
	flagKnownNetwork
	flagProven
	flagResumed
)

// Limits in bytes and items of what strangers can make long.
const (
	maxText        = 512
	maxCertificate = 4096
	maxItems       = 256 // groups, roles, labels
	maxPairs       = 16  // RFC 2971 allows 30; programs send at most 8
	maxSteps       = 16
	maxBitWords    = 1024 // 65,536 policies
)

// words are strings that nearly every event holds. Append only.
var words = [...]string{
	"", "gate", "dovecot", "postfix", "PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "EXTERNAL", "USER",
	"name", "guard", "preauth", "credential", "conditionalAccess", "record",
	"ok", "allow", "block", "interrupt", "pass", "known", "unknown", "wrong", "refused", "skipped",
	"imap", "pop3", "submission", "sieve", "password", "appPassword", "bearer", "certificate",
	"failed", "wait", "stranger", "right", "durable", "proven", "away", "allowed", "blocked",
}

var wordIndex = func() map[string]uint64 {
	m := make(map[string]uint64, len(words))
	for i, w := range words {
		m[w] = uint64(i)
	}
	return m
}()

// encoder appends fields.
type encoder struct{ b []byte }

func (e *encoder) uint(tag, v uint64) {
	if v != 0 {
		e.always(tag, v)
	}
}

func (e *encoder) always(tag, v uint64) {
	e.b = binary.AppendUvarint(e.b, tag<<1)
	e.b = binary.AppendUvarint(e.b, v)
}

func (e *encoder) int(tag uint64, v int64) { e.always(tag, zigzag(v)) }

func zigzag(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

func (e *encoder) bytes(tag uint64, v []byte) {
	if len(v) > 0 {
		e.b = binary.AppendUvarint(e.b, tag<<1|1)
		e.b = binary.AppendUvarint(e.b, uint64(len(v)))
		e.b = append(e.b, v...)
	}
}

// text writes a string: a word's number as varint, or its bytes.
func (e *encoder) text(tag uint64, s string) {
	if s != "" {
		e.textAlways(tag, s)
	}
}

func (e *encoder) textAlways(tag uint64, s string) {
	if i, ok := wordIndex[s]; ok {
		e.always(tag, i)
		return
	}
	s = clip(s)
	e.b = binary.AppendUvarint(e.b, tag<<1|1)
	e.b = binary.AppendUvarint(e.b, uint64(len(s)))
	e.b = append(e.b, s...)
}

// id writes an object's id: a UUID in 17 bytes, anything else as it is.
func (e *encoder) id(tag uint64, s string) {
	if s != "" {
		e.bytes(tag, appendObjectID(nil, s))
	}
}

func (e *encoder) ids(tag uint64, list []string) {
	if len(list) == 0 {
		return
	}
	var b, one []byte
	for _, s := range list[:min(len(list), maxItems)] {
		one = appendObjectID(one[:0], s)
		b = binary.AppendUvarint(b, uint64(len(one)))
		b = append(b, one...)
	}
	e.bytes(tag, b)
}

// appendObjectID marks with its first byte what follows: 0 a UUID's 16 bytes,
// 1 text that begins with 0 or 1; anything else is the text itself.
func appendObjectID(b []byte, s string) []byte {
	if len(s) == 36 {
		if id, err := signin.ParseID(s); err == nil && id.String() == s {
			return append(append(b, 0), id[:]...)
		}
	}
	if s = clip(s); s != "" && s[0] <= 1 {
		b = append(b, 1)
	}
	return append(b, s...)
}

// time writes a time as its distance from the event's.
func (e *encoder) time(tag uint64, base, t time.Time) {
	if !t.IsZero() {
		e.int(tag, t.UnixNano()-nanos(base))
	}
}

// words64 writes words, most of which are zero: a zero is followed by how many there are.
func (e *encoder) words64(tag uint64, bits []uint64) {
	bits = bits[:min(len(bits), maxBitWords)]
	var b []byte
	for i := 0; i < len(bits); {
		b = binary.AppendUvarint(b, bits[i])
		run := i
		for run < len(bits) && bits[run] == 0 {
			run++
		}
		if run > i {
			b = binary.AppendUvarint(b, uint64(run-i))
			i = run
		} else {
			i++
		}
	}
	e.bytes(tag, b)
}

// appendInline appends a string inside a field: twice its length and its
// bytes, or twice a word's number plus one.
func appendInline(b []byte, s string) []byte {
	if i, ok := wordIndex[s]; ok {
		return binary.AppendUvarint(b, i<<1|1)
	}
	s = clip(s)
	return append(binary.AppendUvarint(b, uint64(len(s))<<1), s...)
}

// clip cuts a string at maxText bytes, between two characters.
func clip(s string) string { return clipTo(s, maxText) }

func clipTo(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// appendFacts appends the blob of what is not a column.
func appendFacts(b []byte, ev *signin.Event) []byte {
	e := encoder{append(b, blobVersion)}
	e.facts(ev)
	e.verdict(ev)
	e.connection(ev)
	return e.b
}

// AppendEvent appends an event whole, for the journal.
func AppendEvent(b []byte, ev *signin.Event) []byte {
	e := encoder{appendFacts(b, ev)}
	f := &ev.Facts
	e.bytes(tagID, ev.ID[:])
	e.uint(tagAt, uint64(nanos(ev.At)))
	e.time(tagLast, ev.At, ev.Last)
	e.uint(tagCount, uint64(ev.Count))
	if !ev.Correlation.IsZero() {
		e.bytes(tagCorrelation, ev.Correlation[:])
	}
	e.text(tagSource, ev.Source)
	e.uint(tagObserved, boolBit(ev.Observed))
	e.id(tagPerson, f.Person)
	e.text(tagMailbox, f.Address)
	e.text(tagTyped, ev.Typed)
	e.text(tagProtocol, protocolName(f.Protocol))
	e.text(tagCredential, credentialName(f.Credential))
	e.text(tagProgram, f.Program)
	if f.Addr.IsValid() {
		a := f.Addr.As16()
		e.bytes(tagAddr, a[:])
	}
	e.uint(tagCode, zigzag(int64(ev.Code)))
	e.uint(tagVersion, ev.Verdict.Version)
	return e.b
}

func boolBit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func (e *encoder) facts(ev *signin.Event) {
	f := &ev.Facts
	e.time(tagJudged, ev.At, f.At)
	e.text(tagDomain, f.Domain)
	e.uint(tagGuest, uint64(f.Guest))
	e.ids(tagGroups, f.Groups)
	e.ids(tagRoles, f.Roles)
	e.text(tagMechanism, f.Mechanism)
	if ev.Mechanism != f.Mechanism {
		e.textAlways(tagEventMechanism, ev.Mechanism)
	}
	e.uint(tagFlags, boolBit(f.ViaWebmail)*flagViaWebmail|boolBit(f.KnownNetwork)*flagKnownNetwork|
		boolBit(f.Proven)*flagProven|boolBit(ev.TLS.Resumed)*flagResumed)
	e.text(tagCountry, f.Country)
	e.uint(tagASN, uint64(f.ASN))
	e.uint(tagPlatform, uint64(f.Platform))
	e.text(tagProgramVersion, f.ProgramVersion)
	e.uint(tagConfidence, uint64(f.ProgramConfidence))
	e.uint(tagMethods, uint64(f.Methods))
	e.time(tagAuthTime, ev.At, f.AuthTime)
	e.uint(tagFlow, uint64(f.Flow))
	if f.Device != nil {
		e.bytes(tagDevice, appendDevice(nil, f.Device))
	}
	e.id(tagMailboxID, f.Mailbox)
	e.ids(tagMailboxGroups, f.MailboxGroups)
}

func (e *encoder) verdict(ev *signin.Event) {
	v := &ev.Verdict
	e.uint(tagEffect, uint64(v.Effect))
	e.uint(tagStage, uint64(v.Stage))
	e.id(tagBy, v.By)
	if v.Code != int(ev.Code) {
		e.int(tagVerdictCode, int64(v.Code))
	}
	e.time(tagUntil, ev.At, v.Until)
	e.words64(tagApplied, ev.Applied.Applied)
	e.words64(tagSatisfied, ev.Applied.Satisfied)
	e.words64(tagInterrupted, ev.Applied.Interrupted)
	e.words64(tagUndecided, ev.Applied.Unknown)
}

func (e *encoder) connection(ev *signin.Event) {
	e.text(tagDetail, ev.Detail)
	var b []byte
	for _, s := range ev.Steps[:min(len(ev.Steps), maxSteps)] {
		b = appendInline(appendInline(b, string(s.Name)), s.Result)
		b = binary.AppendUvarint(b, zigzag(int64(s.Took)))
	}
	e.bytes(tagSteps, b)
	e.text(tagListener, ev.Listener)
	if port, ok := portOf(ev); ok {
		e.always(tagPort, uint64(port))
	} else {
		e.text(tagClient, ev.Client)
	}
	e.text(tagForwarder, ev.Forwarder)
	e.text(tagNetOwner, ev.NetOwner)
	e.uint(tagTLSVersion, uint64(ev.TLS.Version))
	e.uint(tagCipher, uint64(ev.TLS.Cipher))
	e.text(tagServerName, ev.TLS.ServerName)
	e.text(tagJA4, ev.TLS.JA4)
	if len(ev.TLS.Certificate) <= maxCertificate {
		e.bytes(tagCertificate, ev.TLS.Certificate)
	}
	b = b[:0]
	for _, p := range ev.Hints.IMAPID[:min(len(ev.Hints.IMAPID), maxPairs)] {
		b = appendInline(appendInline(b, p.Key), p.Value)
	}
	e.bytes(tagIMAPID, b)
	e.text(tagEHLO, ev.Hints.EHLO)
	e.text(tagUserAgent, ev.Hints.UserAgent)
	e.text(tagBackend, ev.Backend)
	if ev.Methods != ev.Facts.Methods {
		e.always(tagEventMethods, uint64(ev.Methods))
	}
	e.text(tagActor, ev.Actor)
	e.text(tagGrant, ev.Grant)
	e.id(tagKey, ev.Facts.Key)
}

// portOf says that the client is the address judged and a port, and which.
func portOf(ev *signin.Event) (uint16, bool) {
	ap, err := netip.ParseAddrPort(ev.Client)
	if err != nil || ap.Addr() != ev.Facts.Addr || ap.String() != ev.Client {
		return 0, false
	}
	return ap.Port(), true
}
