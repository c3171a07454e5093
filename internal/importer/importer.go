// Package importer turns the past logs of mail servers and of other vendors'
// sign-in services into events of the sign-in log, so that policies can be tried
// on what really happened: Dovecot's login lines and Postfix's SASL lines, from
// syslog, journalctl -o short-iso or the servers' own files; Entra's sign-ins
// and Okta's System Log. It also turns other vendors' rules into policies.
//
// Each event is marked as observed and holds only what its line tells. Its id
// comes from the line itself, so that importing a file twice adds nothing.
// Lines are bounded, and those that ought to tell of a sign-in but cannot be
// read are counted and the first of them kept. Names in a line were typed by
// strangers and may look like the line's own fields; they are read from the
// end, where the server's words stand. Who the names belong to, and what policy
// says of the events, is for the caller to find out.
package importer

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/name"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/program"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

const (
	maxLine    = 16 << 10 // bytes; syslog daemons cut at 8 KiB, Dovecot at 8,192
	maxNotes   = 8192     // sessions and processes remembered between lines
	maxExcerpt = 120      // characters of an unreadable line that are shown
	maxShown   = 10       // unreadable lines that are kept for showing
	maxCount   = 1000     // attempts that one line can stand for; Dovecot ends connections much earlier
)

// unknownTLS says that TLS was spoken in a version the line does not tell.
const unknownTLS = 1

// Options say what a log's lines leave open.
type Options struct {
	// Latest is a time after the last line, such as the file's own; lines
	// without a year get the latest one that does not pass it.
	Latest time.Time
	// Year, if set, is the first line's instead; it advances when the months begin anew.
	Year int
	// Location is where the log's clock stood; nil is UTC.
	Location *time.Location
	// Names make canonical addresses of what was typed.
	Names name.Rules
}

// Log reads one log file.
type Log struct {
	// Lines were read; Other of them tell of no sign-in, Unreadable ought to
	// but could not be read, and Events were made of the rest.
	Lines, Events, Other, Unreadable int
	// First are the first unreadable lines.
	First []Unreadable

	r      *bufio.Reader
	clock  clock
	names  name.Rules
	source string
	parse  func(line) (*record, error)
	// records replaces the reading of lines for logs that have none.
	records func(yield func(signin.Event, error) bool)
	stamp   string         // the time stamp of the lines just read
	same    map[string]int // lines met under it, by their text
}

// Unreadable is a line that could not be read.
type Unreadable struct {
	Line    int
	Excerpt string
	Reason  string
}

// record is what a parser found in a line. Nothing found is a nil record.
type record struct {
	typed, mechanism string
	protocol         protocol.Protocol
	addr             netip.Addr
	port             uint16
	success          bool
	code             signin.Code
	detail           string
	count            int64         // attempts this line stands for, at least 1
	span             time.Duration // from the first of them to the line
	session          string
	tls              uint16
	id               []signin.Pair // IMAP ID
}

// Dovecot reads a log of Dovecot 2.2 to 2.4.
func Dovecot(r io.Reader, o Options) *Log {
	d := &dovecot{sessions: map[string]note{}}
	return newLog(r, o, "dovecot", d.parse)
}

// Postfix reads a log of Postfix.
func Postfix(r io.Reader, o Options) *Log {
	p := &postfix{processes: map[string]process{}}
	return newLog(r, o, "postfix", p.parse)
}

func newLog(r io.Reader, o Options, source string, parse func(line) (*record, error)) *Log {
	return &Log{r: bufio.NewReaderSize(r, maxLine), clock: newClock(o), names: o.Names,
		source: source, parse: parse, same: map[string]int{}}
}

// Sources are the logs that can be read, by the name their events carry.
var Sources = map[string]func(io.Reader, Options) *Log{"dovecot": Dovecot, "entra": Entra, "okta": Okta, "postfix": Postfix}

// SourceNames lists them for people: "dovecot, entra, okta or postfix".
func SourceNames() string {
	all := slices.Sorted(maps.Keys(Sources))
	return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
}

// All yields the log's events in their order. Only a fault in reading the file
// itself is yielded as an error, and is the last thing yielded.
func (l *Log) All() iter.Seq2[signin.Event, error] {
	if l.records != nil {
		return l.records
	}
	return func(yield func(signin.Event, error) bool) {
		for {
			text, err := l.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(signin.Event{}, fmt.Errorf("reading line %d: %w", l.Lines+1, err))
				return
			}
			if e, ok := l.event(text); ok && !yield(e, nil) {
				return
			}
		}
	}
}

// next reads a line; of one that is too long only the beginning, which is
// counted as unreadable and skipped.
func (l *Log) next() (string, error) {
	for {
		raw, err := l.r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			l.Lines++
			l.unreadable(string(raw[:maxExcerpt]), fmt.Sprintf("the line is longer than %d bytes", maxLine))
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = l.r.ReadSlice('\n')
			}
			if err != nil {
				return "", err
			}
			continue
		case err != nil && (len(raw) == 0 || !errors.Is(err, io.EOF)):
			return "", err
		}
		l.Lines++
		return strings.TrimRight(string(raw), "\r\n"), nil
	}
}

func (l *Log) event(text string) (signin.Event, bool) {
	head, rest := cutStamp(text)
	r, err := l.parse(cutProgram(rest))
	if err == nil && r == nil {
		l.Other++
		return signin.Event{}, false
	}
	var at time.Time
	if err == nil {
		at, err = l.clock.read(head)
	}
	if err != nil {
		l.unreadable(text, err.Error())
		return signin.Event{}, false
	}
	l.Events++
	return l.make(text, head, at, r), true
}

func (l *Log) unreadable(text, reason string) { l.unreadableAt(l.Lines, text, reason) }

func (l *Log) unreadableAt(line int, text, reason string) {
	l.Unreadable++
	if len(l.First) < maxShown {
		l.First = append(l.First, Unreadable{line, excerpt(text), reason})
	}
}

// past is an event of a log that keeps records: whose, when, and marked as
// observed. What tells it from others makes its id, so that it comes in once.
func (l *Log) past(what string, at time.Time, typed string) signin.Event {
	typed = clip(typed)
	e := signin.Event{ID: hashed(at, l.source, what), At: at, Last: at, Count: 1, Source: l.source, Observed: true, Typed: typed}
	e.Facts.At = at
	if a, err := l.names.Canonical(typed); err == nil {
		e.Facts.Address, e.Facts.Domain = a.Full, a.Domain
	}
	return e
}

func excerpt(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if r := []rune(s); len(r) > maxExcerpt {
		s = string(r[:maxExcerpt]) + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '?'
		}
		return r
	}, s)
}

// make turns what a line tells into an event.
func (l *Log) make(text, stamp string, at time.Time, r *record) signin.Event {
	r.typed = clip(r.typed)
	e := signin.Event{
		ID: l.id(text, stamp, at), At: at.Add(-r.span), Last: at, Count: max(r.count, 1),
		Source: l.source, Observed: true, Typed: r.typed, Mechanism: r.mechanism,
		Code: r.code, Detail: r.detail, TLS: signin.TLS{Version: r.tls}, Hints: signin.Hints{IMAPID: r.id},
	}
	if r.session != "" {
		e.Correlation = hashed(at, l.source, "session", r.session)
	}
	e.Facts = policy.Facts{At: e.At, Protocol: r.protocol, Credential: credential(r.mechanism), Mechanism: r.mechanism, Addr: r.addr}
	if a, err := l.names.Canonical(r.typed); err == nil {
		e.Facts.Address, e.Facts.Domain = a.Full, a.Domain
	}
	if r.success {
		e.Facts.Proven, e.Facts.AuthTime = true, at
		if e.Facts.Credential == policy.CredentialPassword {
			e.Facts.Methods = policy.MethodPassword
		}
		e.Methods = e.Facts.Methods
	}
	if r.addr.IsValid() {
		e.Client = r.addr.String()
		if r.port != 0 {
			e.Client = netip.AddrPortFrom(r.addr, r.port).String()
		}
	}
	recognise(&e)
	return e
}

// clip bounds a typed name and makes it UTF-8.
func clip(s string) string {
	const longest = 640 // bytes, as for names typed at our own doors
	return strings.ToValidUTF8(s[:min(len(s), longest)], "?")
}

func recognise(e *signin.Event) {
	if len(e.Hints.IMAPID) == 0 {
		return
	}
	var h program.Hints
	for _, p := range e.Hints.IMAPID {
		h.ID = append(h.ID, program.Pair{Key: p.Key, Value: p.Value})
	}
	p := program.Recognise(h)
	e.Facts.Program, e.Facts.ProgramVersion, e.Facts.ProgramConfidence = p.Family, p.Version, p.Confidence
	e.Facts.Platform, _ = policy.ParsePlatform(p.Platform)
}

// id is made of the line and of how many equal ones stood before it under the
// same time stamp.
func (l *Log) id(text, stamp string, at time.Time) signin.ID {
	if stamp != l.stamp || len(l.same) >= maxNotes {
		l.stamp = stamp
		clear(l.same)
	}
	nth := l.same[text]
	l.same[text]++
	return hashed(at, l.source, text, fmt.Sprint(nth))
}

func hashed(at time.Time, parts ...string) signin.ID {
	h := sha256.New()
	for _, p := range parts {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return signin.NewID(at.UnixMilli(), [10]byte(h.Sum(nil)[:10]))
}

// credential is the kind that a mechanism carries.
func credential(mechanism string) policy.CredentialKind {
	switch m := strings.ToUpper(mechanism); {
	case m == "XOAUTH2" || m == "OAUTHBEARER":
		return policy.CredentialBearer
	case m == "EXTERNAL":
		return policy.CredentialCertificate
	case m == "PLAIN" || m == "LOGIN" || m == "APOP" || m == "CRAM-MD5" || m == "DIGEST-MD5" || strings.HasPrefix(m, "SCRAM-"):
		return policy.CredentialPassword
	}
	return policy.CredentialUnknown
}
