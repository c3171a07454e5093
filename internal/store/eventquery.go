package store

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// EventFilter chooses sign-ins; the zero value chooses all. What is set must all hold.
type EventFilter struct {
	From, To    time.Time // of the first of the merged ones; To is exclusive
	User        string    // a person's id, address or alias, or a name that was typed
	Protocols   []protocol.Protocol
	Credentials []policy.CredentialKind
	Outcome     signin.Ending
	Codes       []signin.Code
	Program     string       // in any case
	Network     netip.Prefix // the client's address lies in it
	Correlation signin.ID
	Mailbox     string // address of the mailbox opened
	Text        string // part of a name, program, detail, address, country or what the program said, in any case

	person string   // of User, once resolved
	names  []string // of User, once resolved
}

// Resolve finds out whom f.User means, as Match needs it. Queries do it by themselves.
func (s *Store) Resolve(ctx context.Context, f EventFilter) (EventFilter, error) {
	f.person, f.names = "", nil
	if f.User == "" {
		return f, nil
	}
	f.names = []string{f.User, s.NameHash(f.User)}
	p, err := s.Person(ctx, f.User)
	switch {
	case err == nil:
		f.person = p.ID
		f.names = append(f.names, p.Address)
	case errors.Is(err, ErrNotFound):
		f.person = f.User // somebody who is no longer there
	default:
		return f, err
	}
	return f, nil
}

// Match says that the filter, once resolved, chooses an event.
func (f *EventFilter) Match(ev *signin.Event) bool {
	fs := &ev.Facts
	switch {
	case !f.From.IsZero() && ev.At.Before(f.From), !f.To.IsZero() && !ev.At.Before(f.To):
	case f.User != "" && fs.Person != f.person && !slices.Contains(f.names, fs.Address):
	case f.Mailbox != "" && f.Mailbox != fs.Address:
	case len(f.Protocols) > 0 && !slices.Contains(f.Protocols, fs.Protocol):
	case len(f.Credentials) > 0 && !slices.Contains(f.Credentials, fs.Credential):
	case f.Outcome != signin.EndAny && f.Outcome != ev.Ending():
	case len(f.Codes) > 0 && !slices.Contains(f.Codes, ev.Code):
	case f.Program != "" && !strings.EqualFold(f.Program, fs.Program):
	case f.Network.IsValid() && !f.Network.Contains(fs.Addr):
	case !f.Correlation.IsZero() && f.Correlation != ev.Correlation:
	default:
		return f.Text == "" || matchText(ev, strings.ToLower(f.Text))
	}
	return false
}

func matchText(ev *signin.Event, lower string) bool {
	for _, s := range []string{ev.Facts.Address, ev.Typed, ev.Actor, ev.Facts.Program, ev.Detail, ev.Client, ev.Facts.Country, ev.NetOwner,
		ev.Listener, ev.Backend, ev.Hints.EHLO, ev.Hints.UserAgent, ev.TLS.JA4, ev.TLS.ServerName} {
		if strings.Contains(strings.ToLower(s), lower) {
			return true
		}
	}
	for _, p := range ev.Hints.IMAPID {
		if strings.Contains(strings.ToLower(p.Value), lower) {
			return true
		}
	}
	return false
}

// exact says that where chooses what Match does: no text is looked for, and no
// interruption told from a refusal.
func (f *EventFilter) exact() bool {
	return f.Text == "" && f.Outcome != signin.EndRefused && f.Outcome != signin.EndInterrupted
}

// where is the filter as SQL, as far as columns tell.
func (f *EventFilter) where() (string, []any) {
	cond, args := []string{"1"}, []any{}
	add := func(c string, a ...any) { cond, args = append(cond, c), append(args, a...) }
	if !f.From.IsZero() {
		add("at >= ?", nanos(f.From))
	}
	if !f.To.IsZero() {
		add("at < ?", nanos(f.To))
	}
	if f.User != "" {
		add("(person <> '' AND person = ? OR mailbox IN ("+marks(len(f.names))+"))", append([]any{f.person}, anys(f.names, func(s string) any { return s })...)...)
	}
	if f.Mailbox != "" {
		add("mailbox = ?", f.Mailbox)
	}
	if len(f.Protocols) > 0 {
		add("protocol IN ("+marks(len(f.Protocols))+")", anys(f.Protocols, func(p protocol.Protocol) any { return protocolName(p) })...)
	}
	if len(f.Credentials) > 0 {
		add("credential IN ("+marks(len(f.Credentials))+")", anys(f.Credentials, func(k policy.CredentialKind) any { return credentialName(k) })...)
	}
	codes := func(list []signin.Code) (string, []any) {
		return "(" + marks(len(list)) + ")", anys(list, func(c signin.Code) any { return int(c) })
	}
	trouble, troubles := codes(signin.Troubles)
	switch f.Outcome {
	case signin.EndAllowed:
		add("code = 0")
	case signin.EndRefused:
		add("code <> 0 AND code NOT IN "+trouble, troubles...)
	case signin.EndInterrupted:
		asking, all := codes(signin.Asking)
		add("code IN "+asking, all...)
	case signin.EndTrouble:
		add("code IN "+trouble, troubles...)
	}
	if len(f.Codes) > 0 {
		chosen, all := codes(f.Codes)
		add("code IN "+chosen, all...)
	}
	if f.Program != "" {
		add("program = ? COLLATE NOCASE", f.Program)
	}
	if f.Network.IsValid() {
		lo, hi := bounds(f.Network)
		add("addr BETWEEN ? AND ?", lo, hi)
	}
	if !f.Correlation.IsZero() {
		add("correlation = ?", f.Correlation[:])
	}
	return strings.Join(cond, " AND "), args
}

// bounds are the first and last address of a prefix as the column has them.
func bounds(p netip.Prefix) (lo, hi []byte) {
	p = p.Masked()
	bits, a := p.Bits(), p.Addr().As16()
	if p.Addr().Is4() {
		bits += 96
	}
	b := a
	for i := bits; i < 128; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return a[:], b[:]
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }

func anys[T any](list []T, of func(T) any) []any {
	all := make([]any, len(list))
	for i, v := range list {
		all[i] = of(v)
	}
	return all
}

// Cursor is a place in the list of sign-ins; the zero value is its beginning.
type Cursor struct{ At, N int64 }

// String and ParseCursor carry a cursor through a link.
func (c Cursor) String() string { return fmt.Sprintf("%d.%d", c.At, c.N) }

// ParseCursor reads what String wrote; the empty string is the beginning.
func ParseCursor(s string) (c Cursor, err error) {
	if s == "" {
		return c, nil
	}
	if n, err := fmt.Sscanf(s, "%d.%d", &c.At, &c.N); err != nil || n != 2 || c.String() != s {
		return Cursor{}, errors.New("this is no place in a list")
	}
	return c, nil
}

// Events lists sign-ins newest first, at most limit, from a place on. The
// place returned is the next page's; zero if there is none.
func (s *Store) Events(ctx context.Context, f EventFilter, from Cursor, limit int) ([]signin.Event, Cursor, error) {
	f, err := s.Resolve(ctx, f)
	if err != nil {
		return nil, Cursor{}, err
	}
	where, args := f.where()
	if from != (Cursor{}) {
		where += " AND (at, n) < (?, ?)"
		args = append(args, from.At, from.N)
	}
	query := `SELECT ` + eventColumns + ` FROM events WHERE ` + where + ` ORDER BY at DESC, n DESC`
	if f.exact() {
		query += fmt.Sprintf(" LIMIT %d", limit+1)
	}
	var list []signin.Event
	var last Cursor
	more := false
	err = s.eachEvent(ctx, nil, query, args, func(ev *signin.Event, n int64) bool {
		if !f.Match(ev) {
			return true
		}
		if more = len(list) == limit; more {
			return false
		}
		list, last = append(list, *ev), Cursor{nanos(ev.At), n}
		return true
	})
	if !more {
		last = Cursor{}
	}
	return list, last, err
}

func (s *Store) eachEvent(ctx context.Context, in *interner, query string, args []any, do func(*signin.Event, int64) bool) error {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("reading sign-ins: %w", err)
	}
	defer rows.Close()
	row := eventRow{in: in}
	var ev signin.Event
	for rows.Next() {
		if err := row.scan(rows, &ev); err != nil {
			return err
		}
		if !do(&ev, row.n) {
			return nil
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading sign-ins: %w", err)
	}
	return nil
}

// replayChunk is how many rows are read in one transaction, so that a long
// replay does not keep the WAL from being cut back.
const replayChunk = 10_000

// AllEvents walks the sign-ins that a filter chooses, oldest first. The event
// handed out is overwritten by the next.
func (s *Store) AllEvents(ctx context.Context, f EventFilter) iter.Seq2[*signin.Event, error] {
	return func(yield func(*signin.Event, error) bool) {
		f, err := s.Resolve(ctx, f)
		if err != nil {
			yield(nil, err)
			return
		}
		where, args := f.where()
		query := `SELECT ` + eventColumns + ` FROM events WHERE ` + where + ` AND (at, n) > (?, ?) ORDER BY at, n LIMIT ` + fmt.Sprint(replayChunk)
		in := newInterner()
		for at := (Cursor{At: -1 << 62}); ; {
			read, stopped := 0, false
			err := s.eachEvent(ctx, in, query, append(slices.Clone(args), at.At, at.N), func(ev *signin.Event, n int64) bool {
				read++
				at = Cursor{nanos(ev.At), n}
				stopped = f.Match(ev) && !yield(ev, nil)
				return !stopped
			})
			if err != nil && !stopped {
				yield(nil, err)
			}
			if err != nil || stopped || read < replayChunk {
				return
			}
		}
	}
}

// NameHash is what replaces a stranger's name after a day: equal names stay
// equal, but nobody without the key can tell which.
func (s *Store) NameHash(name string) string {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(strings.ToLower(name)))
	return hashedPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)[:15]))
}

// hashedPrefix marks a name that was replaced; no address begins with it.
const hashedPrefix = "#"

func (s *Store) nameKey(ctx context.Context, given []byte) ([]byte, error) {
	if len(given) > 0 {
		return given, nil
	}
	kept, err := s.meta(ctx, metaNameKey)
	if err == nil {
		return hex.DecodeString(kept)
	}
	if !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	key := make([]byte, 32)
	rand.Read(key) // ends the program rather than return an error
	return key, s.Write(ctx, func(tx *Tx) error { return tx.setMeta(metaNameKey, hex.EncodeToString(key)) })
}
