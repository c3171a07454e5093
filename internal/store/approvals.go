package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// Window is what was granted to a program that knows only a password. A member
// that is empty pins nothing; what is pinned must all be found again.
type Window struct {
	ID        string              `json:"id"`
	Person    string              `json:"person"` // id
	Kind      string              `json:"kind"`   // ApprovalWindow or AdoptedWindow
	Protocols []protocol.Protocol `json:"protocols"`
	Program   string              `json:"program"`
	JA4       string              `json:"ja4"`
	Network   netip.Prefix        `json:"network"`
	ASN       uint32              `json:"asn"`
	Owner     string              `json:"owner"` // of the network, for people to read
	Country   string              `json:"country"`
	Created   time.Time           `json:"created"`
	Expires   time.Time           `json:"expires"` // zero: it does not end by a date
	LastUsed  time.Time           `json:"lastUsed"`
	By        string              `json:"by"`
}

// The kinds of window.
const (
	ApprovalWindow = "approval" // somebody approved it
	AdoptedWindow  = "adopted"  // the log showed that it was in use
)

// Request is a right password that was refused for want of a window, counted
// together with the equal ones.
type Request struct {
	ID         string             `json:"id"`
	Person     string             `json:"person"`
	Reference  signin.Reference   `json:"reference"` // the last that the program was shown
	References []signin.Reference `json:"-"`         // those it was shown, newest first
	Protocol   protocol.Protocol  `json:"protocol"`
	Program    string             `json:"program"`
	JA4        string             `json:"ja4"`
	Addr       netip.Addr         `json:"ipAddress"`
	Country    string             `json:"country"`
	ASN        uint32             `json:"asn"`
	Owner      string             `json:"owner"`
	First      time.Time          `json:"first"`
	Last       time.Time          `json:"last"`
	Count      int                `json:"count"`
	State      string             `json:"state"`
}

// The states of a request. It leaves waiting once.
const (
	RequestWaiting  = "waiting"
	RequestApproved = "approved"
	RequestDenied   = "denied"
	RequestExpired  = "expired"
)

// Denial is a network of which a person has said that it is not them.
type Denial struct {
	ID      string       `json:"id"`
	Person  string       `json:"person"`
	Network netip.Prefix `json:"network"`
	At      time.Time    `json:"at"`
	Until   time.Time    `json:"until"`
	By      string       `json:"by"`
}

const windowColumns = `id, person, kind, protocols, program, ja4, network, asn, owner, country, created, expires, used, made_by`

func scanWindow(r scanner) (w Window, err error) {
	var protocols, network string
	var created, expires, used int64
	if err = r.Scan(&w.ID, &w.Person, &w.Kind, &protocols, &w.Program, &w.JA4, &network, &w.ASN, &w.Owner, &w.Country, &created, &expires, &used, &w.By); err != nil {
		return w, err
	}
	w.Created, w.Expires, w.LastUsed = fromNanos(created), fromNanos(expires), fromNanos(used)
	for name := range strings.SplitSeq(protocols, ",") {
		p, ok := protocol.Parse(name)
		if !ok {
			return w, fmt.Errorf("window %s is for the protocol %q, which is not known", w.ID, name)
		}
		w.Protocols = append(w.Protocols, p)
	}
	w.Network, err = readPrefix(network)
	return w, err
}

func readPrefix(s string) (netip.Prefix, error) {
	if s == "" {
		return netip.Prefix{}, nil
	}
	return netip.ParsePrefix(s)
}

func writePrefix(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

// ofPerson chooses a person's rows by their index, or all.
func ofPerson(person string) (where string, args []any) {
	if person == "" {
		return "", nil
	}
	return " WHERE person = ?", []any{person}
}

// GrantOfWindow is what a session that a window let in hangs on.
func GrantOfWindow(id string) string { return "window:" + id }

// Windows lists a person's windows, oldest first; everybody's for an empty person.
func (s *Store) Windows(ctx context.Context, person string) ([]Window, error) {
	where, args := ofPerson(person)
	return collect(ctx, s, scanWindow, `SELECT `+windowColumns+` FROM windows`+where+` ORDER BY person, created, id`, args...)
}

// Window finds a window; ErrNotFound.
func (s *Store) Window(ctx context.Context, id string) (Window, error) {
	return one(ctx, s, scanWindow, `SELECT `+windowColumns+` FROM windows WHERE id = ?`, id)
}

// PutWindow makes a window; an empty ID is filled in.
func (tx *Tx) PutWindow(w *Window) error {
	if err := tx.insertWindow(w); err != nil {
		return err
	}
	tx.touched(Windows, w.Person)
	return tx.record("create", "window", w.ID, w.Person, nil, w)
}

// PutWindows makes several windows of one person with one audit row.
func (tx *Tx) PutWindows(person string, all []Window) error {
	for i := range all {
		all[i].Person = person
		if err := tx.insertWindow(&all[i]); err != nil {
			return err
		}
	}
	tx.touched(Windows, person)
	return tx.record("create", "windows", person, person, nil, all)
}

func (tx *Tx) insertWindow(w *Window) error {
	if tx.audit == nil {
		return errUnaudited
	}
	w.ID, w.Created = newObjectID(w.ID), tx.audit.at
	var names []string
	for _, p := range w.Protocols {
		names = append(names, p.String())
	}
	err := tx.exec(`INSERT INTO windows (`+windowColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, w.ID, w.Person, w.Kind,
		strings.Join(names, ","), clipTo(w.Program, maxName), clipTo(w.JA4, maxName), writePrefix(w.Network), w.ASN, clipTo(w.Owner, maxName), w.Country,
		nanos(w.Created), nanos(w.Expires), nanos(w.LastUsed), clipTo(w.By, maxName))
	if err != nil {
		return fmt.Errorf("making a window: %w", exists(err))
	}
	return nil
}

// UseWindow keeps when a window was last used, and the TLS hello that it was
// used with.
func (tx *Tx) UseWindow(id string, at time.Time, ja4 string) error {
	return tx.exec(`UPDATE windows SET used = max(used, ?), ja4 = ? WHERE id = ?`, nanos(at), clipTo(ja4, maxName), id)
}

// EndWindow takes a window back, and the sessions that hang on it; ErrNotFound
// if it is gone already.
func (tx *Tx) EndWindow(id string) (Window, error) {
	w, err := oneIn(tx, scanWindow, `SELECT `+windowColumns+` FROM windows WHERE id = ?`, id)
	if err != nil {
		return w, fmt.Errorf("ending window %s: %w", id, err)
	}
	if err := tx.exec(`DELETE FROM windows WHERE id = ?`, id); err != nil {
		return w, fmt.Errorf("ending window %s: %w", id, err)
	}
	tx.touched(Windows, w.Person)
	tx.ended(Windows, GrantOfWindow(id))
	return w, tx.record("delete", "window", w.ID, w.Person, w, nil)
}

// EndWindows takes back every window of a person, and what waits to become one.
func (tx *Tx) EndWindows(person string) (ended []Window, err error) {
	ended, err = collectIn(tx, scanWindow, `SELECT `+windowColumns+` FROM windows WHERE person = ? ORDER BY created`, person)
	if err != nil {
		return nil, fmt.Errorf("ending windows: %w", err)
	}
	for _, w := range ended {
		if _, err := tx.EndWindow(w.ID); err != nil {
			return nil, err
		}
	}
	if err := tx.exec(`UPDATE requests SET state = 'expired' WHERE person = ? AND state = 'waiting'`, person); err != nil {
		return nil, fmt.Errorf("ending requests: %w", err)
	}
	tx.touched(Windows, person)
	return ended, nil
}

const requestColumns = `id, person, refs, protocol, program, ja4, addr, country, asn, owner, first, last, count, state`

func scanRequest(r scanner) (q Request, err error) {
	var refs, proto, addr string
	var first, last int64
	if err = r.Scan(&q.ID, &q.Person, &refs, &proto, &q.Program, &q.JA4, &addr, &q.Country, &q.ASN, &q.Owner, &first, &last, &q.Count, &q.State); err != nil {
		return q, err
	}
	q.First, q.Last = fromNanos(first), fromNanos(last)
	q.Protocol, _ = protocol.Parse(proto)
	if err := json.Unmarshal([]byte(refs), &q.References); err != nil {
		return q, fmt.Errorf("reading request %s: %w", q.ID, err)
	}
	if len(q.References) > 0 {
		q.Reference = q.References[0]
	}
	q.Addr, err = netip.ParseAddr(addr)
	return q, err
}

// Requests lists a person's requests, newest first; everybody's for an empty person.
func (s *Store) Requests(ctx context.Context, person string) ([]Request, error) {
	where, args := ofPerson(person)
	return collect(ctx, s, scanRequest, `SELECT `+requestColumns+` FROM requests`+where+` ORDER BY last DESC, id`, args...)
}

// Request finds a request; ErrNotFound.
func (s *Store) Request(ctx context.Context, id string) (Request, error) {
	return one(ctx, s, scanRequest, `SELECT `+requestColumns+` FROM requests WHERE id = ?`, id)
}

// PutRequest writes a request, or what a waiting one has grown to; that of a
// person who is gone is not kept. It is no administrator's change.
func (tx *Tx) PutRequest(q *Request) error {
	refs, err := json.Marshal(q.References)
	if err != nil {
		return fmt.Errorf("keeping a request: %w", err)
	}
	err = tx.exec(`INSERT INTO requests (`+requestColumns+`) SELECT ?, id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM people WHERE id = ?
		ON CONFLICT (id) DO UPDATE SET refs = excluded.refs, addr = excluded.addr, last = excluded.last, count = excluded.count WHERE state = 'waiting'`,
		q.ID, string(refs), q.Protocol.String(), clipTo(q.Program, maxName), clipTo(q.JA4, maxName), q.Addr.String(), q.Country, q.ASN, clipTo(q.Owner, maxName),
		nanos(q.First), nanos(q.Last), q.Count, q.State, q.Person)
	if err != nil {
		return fmt.Errorf("keeping a request: %w", err)
	}
	return nil
}

// DropRequest forgets a waiting request that gave way to another.
func (tx *Tx) DropRequest(id string) error {
	return tx.exec(`DELETE FROM requests WHERE id = ? AND state = 'waiting'`, id)
}

// SettleRequest takes a request out of waiting; ErrConflict if somebody else did.
func (tx *Tx) SettleRequest(id, state string) error {
	if tx.audit == nil {
		return errUnaudited
	}
	n, err := tx.affected(`UPDATE requests SET state = ? WHERE id = ? AND state = 'waiting'`, state, id)
	if err != nil {
		return fmt.Errorf("settling a request: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("settling request %s: %w", id, ErrConflict)
	}
	var person string
	if err := tx.row([]any{&person}, `SELECT person FROM requests WHERE id = ?`, id); err != nil {
		return fmt.Errorf("settling a request: %w", err)
	}
	tx.touched(Windows, person)
	return tx.record("update", "request", id, person, RequestWaiting, state)
}

// ExpireRequests ends the waiting requests last made before a time, and
// forgets those that were settled before another.
func (tx *Tx) ExpireRequests(before, forget time.Time) error {
	if err := tx.exec(`UPDATE requests SET state = 'expired' WHERE state = 'waiting' AND last < ?`, nanos(before)); err != nil {
		return fmt.Errorf("ending old requests: %w", err)
	}
	return tx.exec(`DELETE FROM requests WHERE state <> 'waiting' AND last < ?`, nanos(forget))
}

func scanDenial(r scanner) (d Denial, err error) {
	var network string
	var at, until int64
	if err = r.Scan(&d.ID, &d.Person, &network, &at, &until, &d.By); err != nil {
		return d, err
	}
	d.At, d.Until = fromNanos(at), fromNanos(until)
	d.Network, err = readPrefix(network)
	return d, err
}

// Denials lists the networks that a person has disowned; everybody's for an empty person.
func (s *Store) Denials(ctx context.Context, person string) ([]Denial, error) {
	where, args := ofPerson(person)
	return collect(ctx, s, scanDenial, `SELECT id, person, network, at, until, made_by FROM denials`+where+` ORDER BY person, at`, args...)
}

// PutDenial marks a network, or marks it for longer.
func (tx *Tx) PutDenial(d *Denial) error {
	if tx.audit == nil {
		return errUnaudited
	}
	d.ID, d.At = newObjectID(d.ID), tx.audit.at
	err := tx.exec(`INSERT INTO denials (id, person, network, at, until, made_by) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (person, network) DO UPDATE SET until = excluded.until, at = excluded.at, made_by = excluded.made_by`,
		d.ID, d.Person, writePrefix(d.Network), nanos(d.At), nanos(d.Until), clipTo(d.By, maxName))
	if err == nil {
		err = tx.row([]any{&d.ID}, `SELECT id FROM denials WHERE person = ? AND network = ?`, d.Person, writePrefix(d.Network))
	}
	if err != nil {
		return fmt.Errorf("marking a source: %w", err)
	}
	tx.touched(Windows, d.Person)
	return tx.record("create", "denial", d.ID, d.Person, nil, d)
}

// DeleteDenial takes a mark back; ErrNotFound if there is none.
func (tx *Tx) DeleteDenial(id string) (Denial, error) {
	d, err := oneIn(tx, scanDenial, `SELECT id, person, network, at, until, made_by FROM denials WHERE id = ?`, id)
	if err == nil {
		err = tx.exec(`DELETE FROM denials WHERE id = ?`, id)
	}
	if err != nil {
		return d, fmt.Errorf("taking back mark %s: %w", id, err)
	}
	tx.touched(Windows, d.Person)
	return d, tx.record("delete", "denial", d.ID, d.Person, d, nil)
}

// ForgetDenials forgets the marks that have run out.
func (tx *Tx) ForgetDenials(now time.Time) error {
	return tx.exec(`DELETE FROM denials WHERE until <= ?`, nanos(now))
}
