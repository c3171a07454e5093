package tenant

import (
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"iter"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	// maxSignIns bounds the log that is kept: about 1 GB of memory. 100,000
	// mailboxes of a month have some millions of rows.
	maxSignIns  = 8 << 20
	chunkRows   = 1 << 13
	maxInterned = 4 << 20   // different texts
	maxTexts    = 512 << 20 // bytes of them
)

// SignInLog keeps sign-ins in some hundred bytes each: texts that repeat are
// kept once.
type SignInLog struct {
	chunks      [][]signInRow
	count       int
	first, last int64
	texts       []string
	index       map[string]uint32
	addresses   []netip.Addr
	byAddress   map[netip.Addr]uint32
	tooMany     int
	bytes       int                 // of the texts
	met         map[uint64]struct{} // hashes of ids: of 8 million the chance that two agree is 1 in 500,000
	twice       int
}

type signInRow struct {
	guid, correlation                                                     [16]byte
	time                                                                  int64 // nanoseconds
	id, correlationText                                                   uint32
	userID, upn, appID, app, resourceID, resource, client, agent, country uint32
	requirement, access, protocol, event, os, device, file, address, asn  uint32
	code, line                                                            int32
	outcome                                                               Outcome
	service                                                               bool
}

// NewSignInLog makes an empty log.
func NewSignInLog() *SignInLog {
	return &SignInLog{texts: []string{""}, index: map[string]uint32{"": 0}, addresses: []netip.Addr{{}}, byAddress: map[netip.Addr]uint32{{}: 0}, met: map[uint64]struct{}{}}
}

// Len is how many rows are kept.
func (l *SignInLog) Len() int { return l.count }

// Span is the time of the first and of the last row; zero if there are none.
func (l *SignInLog) Span() (first, last time.Time) {
	if l.count == 0 {
		return
	}
	return time.Unix(0, l.first).UTC(), time.Unix(0, l.last).UTC()
}

// LeftOut is how many rows were not kept because there were too many.
func (l *SignInLog) LeftOut() int { return l.tooMany }

// All goes over the rows in the order of the files.
func (l *SignInLog) All() iter.Seq[SignIn] {
	return func(yield func(SignIn) bool) {
		for _, chunk := range l.chunks {
			for i := range chunk {
				if !yield(l.expand(&chunk[i])) {
					return
				}
			}
		}
	}
}

// Twice is how many rows were met before, under the same id: the portal's file
// of a day beside Graph's, or a page that overlaps another.
func (l *SignInLog) Twice() int { return l.twice }

// again says that a row of that id, with that outcome and client, was met
// before: a row that was mended later has the id of the first. A row without an
// id never was.
func (l *SignInLog) again(s *SignIn) bool {
	if s.ID == "" {
		return false
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s\x00%d\x00%s", strings.ToLower(s.ID), s.ErrorCode, s.ClientApp) // never fails
	key := h.Sum64()
	if _, met := l.met[key]; met {
		l.twice++
		return true
	}
	l.met[key] = struct{}{}
	return false
}

// Add keeps a row, unless it was met before or there are too many.
func (l *SignInLog) Add(s *SignIn) {
	if l.again(s) {
		return
	}
	if l.count >= maxSignIns || len(l.texts) >= maxInterned || l.bytes > maxTexts {
		l.tooMany++
		return
	}
	r := signInRow{
		time: s.Time.UnixNano(), outcome: s.Outcome, service: s.ServicePrincipal, code: int32(s.ErrorCode), line: int32(s.Line), asn: s.ASN,
		userID: l.text(s.UserID), upn: l.text(s.UPN), appID: l.text(s.AppID), app: l.text(s.App), resourceID: l.text(s.ResourceID),
		resource: l.text(s.Resource), client: l.text(s.ClientApp), agent: l.text(s.UserAgent), country: l.text(s.Country),
		requirement: l.text(s.Requirement), access: l.text(s.ConditionalAccess), protocol: l.text(s.Protocol), event: l.text(s.Event),
		os: l.text(s.OS), device: l.text(s.DeviceID), file: l.text(s.File), address: l.address(s.Address),
	}
	r.guid, r.id = l.name(s.ID)
	r.correlation, r.correlationText = l.name(s.CorrelationID)
	if last := len(l.chunks) - 1; last < 0 || len(l.chunks[last]) == chunkRows {
		l.chunks = append(l.chunks, make([]signInRow, 0, chunkRows))
	}
	last := len(l.chunks) - 1
	l.chunks[last] = append(l.chunks[last], r)
	if l.count == 0 || r.time < l.first {
		l.first = r.time
	}
	if l.count == 0 || r.time > l.last {
		l.last = r.time
	}
	l.count++
}

func (l *SignInLog) expand(r *signInRow) SignIn {
	t := l.texts
	return SignIn{
		ID: l.named(r.guid, r.id), CorrelationID: l.named(r.correlation, r.correlationText),
		Time: time.Unix(0, r.time).UTC(), Outcome: r.outcome, ServicePrincipal: r.service, ErrorCode: int(r.code), Line: int(r.line), ASN: r.asn,
		UserID: t[r.userID], UPN: t[r.upn], AppID: t[r.appID], App: t[r.app], ResourceID: t[r.resourceID], Resource: t[r.resource],
		ClientApp: t[r.client], UserAgent: t[r.agent], Country: t[r.country], Requirement: t[r.requirement], ConditionalAccess: t[r.access],
		Protocol: t[r.protocol], Event: t[r.event], OS: t[r.os], DeviceID: t[r.device], File: t[r.file], Address: l.addresses[r.address],
	}
}

func (l *SignInLog) text(s string) uint32 {
	if n, ok := l.index[s]; ok {
		return n
	}
	s = kept(s)
	if n, ok := l.index[s]; ok { // it was cut
		return n
	}
	l.bytes += len(s)
	n := uint32(len(l.texts))
	l.texts, l.index[s] = append(l.texts, s), n
	return n
}

func (l *SignInLog) address(a netip.Addr) uint32 {
	if n, ok := l.byAddress[a]; ok {
		return n
	}
	n := uint32(len(l.addresses))
	l.addresses, l.byAddress[a] = append(l.addresses, a), n
	return n
}

const noText = ^uint32(0)

// name packs an id, which mostly is a GUID in lower case.
func (l *SignInLog) name(s string) (guid [16]byte, text uint32) {
	if len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' && s == strings.ToLower(s) {
		var digits [32]byte
		n := 0
		for i := range len(s) {
			if s[i] != '-' && n < len(digits) {
				digits[n] = s[i]
				n++
			}
		}
		if _, err := hex.Decode(guid[:], digits[:]); err == nil && n == len(digits) {
			return guid, noText
		}
	}
	return [16]byte{}, l.text(s)
}

func (l *SignInLog) named(guid [16]byte, text uint32) string {
	if text != noText {
		return l.texts[text]
	}
	return uuid.UUID(guid).String()
}
