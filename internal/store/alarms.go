package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// AlarmTarget is where alarms go.
type AlarmTarget struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Shown   string    `json:"address"` // without what of it is secret
	Sealed  Sealed    `json:"-"`
	Kinds   []string  `json:"kinds"` // empty: all
	Created time.Time `json:"created"`
	Gone    bool      `json:"gone"` // it answered that nothing is to be sent there any more
}

const targetColumns = `id, name, shown, sealed, kinds, created, gone`

func scanTarget(r scanner) (t AlarmTarget, err error) {
	var kinds string
	var created int64
	err = r.Scan(&t.ID, &t.Name, &t.Shown, (*[]byte)(&t.Sealed), &kinds, &created, &t.Gone)
	t.Kinds, t.Created = strings.Fields(kinds), fromNanos(created)
	return t, err
}

// AlarmTargets lists where alarms go, by name.
func (s *Store) AlarmTargets(ctx context.Context) ([]AlarmTarget, error) {
	return collect(ctx, s, scanTarget, `SELECT `+targetColumns+` FROM alarm_targets ORDER BY name`)
}

// AddAlarmTarget adds one; ErrExists if its name is taken.
func (tx *Tx) AddAlarmTarget(t *AlarmTarget) error {
	if tx.audit == nil {
		return errUnaudited
	}
	t.ID, t.Created = newObjectID(""), tx.audit.at
	err := tx.exec(`INSERT INTO alarm_targets (id, name, shown, sealed, kinds, created) VALUES (?, ?, ?, ?, ?, ?)`,
		t.ID, t.Name, t.Shown, []byte(t.Sealed), strings.Join(t.Kinds, " "), nanos(t.Created))
	if err != nil {
		return fmt.Errorf("adding a target of alarms: %w", exists(err))
	}
	return tx.record("create", "alarm", t.ID, t.Name, nil, t)
}

// DeleteAlarmTarget takes one away, and what waits to go there.
func (tx *Tx) DeleteAlarmTarget(t AlarmTarget) error {
	n, err := tx.affected(`DELETE FROM alarm_targets WHERE id = ?`, t.ID)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("deleting a target of alarms: %w", err)
	}
	return tx.record("delete", "alarm", t.ID, t.Name, t, nil)
}

// MarkGone notes that a target wants nothing more: what waits to go there is
// given up, for the reason given.
func (tx *Tx) MarkGone(target, fault string) error {
	if err := tx.exec(`UPDATE alarm_targets SET gone = 1 WHERE id = ?`, target); err != nil {
		return err
	}
	return tx.exec(`UPDATE alarm_deliveries SET state = ?, fault = ? WHERE target = ? AND state = ?`, Dead, fault, target, Waiting)
}

// Alarm is something that happened which somebody wants to hear of.
type Alarm struct {
	ID      string
	At      time.Time
	Kind    string
	Source  string // tells it from others: what was raised once is not raised again
	Payload []byte
}

// Raise keeps an alarm and has it go to all targets that want its kind. One whose
// source is known already is passed over, and false is the answer.
func (tx *Tx) Raise(a Alarm) (bool, error) {
	n, err := tx.affected(`INSERT INTO alarms (id, at, kind, source, payload) VALUES (?, ?, ?, ?, ?) ON CONFLICT (source) DO NOTHING`,
		a.ID, nanos(a.At), a.Kind, a.Source, a.Payload)
	if err != nil || n == 0 {
		return false, err
	}
	return true, tx.exec(`INSERT INTO alarm_deliveries (alarm, target, state, tries, first, next, fault)
		SELECT ?, id, ?, 0, ?, ?, '' FROM alarm_targets WHERE gone = 0 AND (kinds = '' OR ' ' || kinds || ' ' LIKE '% ' || ? || ' %')`,
		a.ID, Waiting, nanos(a.At), nanos(a.At), a.Kind)
}

// The states of a delivery.
const (
	Waiting   = "waiting"
	Delivered = "delivered"
	Dead      = "dead"
)

// Delivery is an alarm on its way to a target.
type Delivery struct {
	Alarm
	Target      string // id
	State       string
	Tries       int
	First, Next time.Time
	Fault       string
}

const deliveryQuery = `SELECT a.id, a.at, a.kind, a.source, a.payload, d.target, d.state, d.tries, d.first, d.next, d.fault
	FROM alarm_deliveries d JOIN alarms a ON a.id = d.alarm `

func scanDelivery(r scanner) (d Delivery, err error) {
	var at, first, next int64
	err = r.Scan(&d.ID, &at, &d.Kind, &d.Source, &d.Payload, &d.Target, &d.State, &d.Tries, &first, &next, &d.Fault)
	d.At, d.First, d.Next = fromNanos(at), fromNanos(first), fromNanos(next)
	return d, err
}

// DueDeliveries are those to one target to be tried by a time, the oldest first,
// so many at most.
func (s *Store) DueDeliveries(ctx context.Context, target string, by time.Time, most int) ([]Delivery, error) {
	return collect(ctx, s, scanDelivery, deliveryQuery+`WHERE d.state = ? AND d.next <= ? AND d.target = ? ORDER BY d.next, a.at LIMIT ?`, Waiting, nanos(by), target, most)
}

// Deliveries lists those in a state, all if it is empty, the newest first.
func (s *Store) Deliveries(ctx context.Context, state string, most int) ([]Delivery, error) {
	return collect(ctx, s, scanDelivery, deliveryQuery+`WHERE ? IN ('', d.state) ORDER BY a.at DESC, a.id LIMIT ?`, state, most)
}

// CountDeliveries counts those in a state.
func (s *Store) CountDeliveries(ctx context.Context, state string) (int64, error) {
	return one(ctx, s, func(r scanner) (n int64, err error) { return n, r.Scan(&n) }, `SELECT count(*) FROM alarm_deliveries WHERE state = ?`, state)
}

// PutDelivery writes how a try went.
func (tx *Tx) PutDelivery(d *Delivery) error {
	return tx.exec(`UPDATE alarm_deliveries SET state = ?, tries = ?, next = ?, fault = ? WHERE alarm = ? AND target = ?`,
		d.State, d.Tries, nanos(d.Next), d.Fault, d.ID, d.Target)
}

// ReplayDead has dead deliveries tried anew, of one alarm or, if it is empty, of
// all, and says how many.
func (tx *Tx) ReplayDead(alarm string, now time.Time) (int64, error) {
	return tx.affected(`UPDATE alarm_deliveries SET state = ?, tries = 0, first = ?, next = ?, fault = '' WHERE state = ? AND ? IN ('', alarm)
		AND target IN (SELECT id FROM alarm_targets WHERE gone = 0)`, Waiting, nanos(now), nanos(now), Dead, alarm)
}

// ForgetAlarms forgets alarms of before a time, wherever they are on their way.
func (tx *Tx) ForgetAlarms(before time.Time) error {
	return tx.exec(`DELETE FROM alarms WHERE at < ?`, nanos(before))
}

// AlarmMarks are what is so now and how far was read, by name.
func (s *Store) AlarmMarks(ctx context.Context) (map[string]string, error) {
	type mark struct{ name, value string }
	all, err := collect(ctx, s, func(r scanner) (m mark, err error) { return m, r.Scan(&m.name, &m.value) }, `SELECT name, value FROM alarm_marks`)
	marks := map[string]string{}
	for _, m := range all {
		marks[m.name] = m.value
	}
	return marks, err
}

// SetAlarmMark sets a mark; an empty value takes it away.
func (tx *Tx) SetAlarmMark(name, value string) error {
	if value == "" {
		return tx.exec(`DELETE FROM alarm_marks WHERE name = ?`, name)
	}
	return tx.exec(`INSERT INTO alarm_marks (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
}

// LastAudit is the number of the newest audit row, 0 if there is none.
func (s *Store) LastAudit(ctx context.Context) (int64, error) {
	n, err := one(ctx, s, func(r scanner) (n int64, err error) { return n, r.Scan(&n) }, `SELECT ifnull(max(n), 0) FROM audit`)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	return n, err
}

// AuditsAfter lists the audit rows after one, the oldest first.
func (s *Store) AuditsAfter(ctx context.Context, n int64, most int) ([]Audit, error) {
	return collect(ctx, s, scanAudit, `SELECT `+auditColumns+` FROM audit WHERE n > ? ORDER BY n LIMIT ?`, n, most)
}
