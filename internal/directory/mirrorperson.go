package directory

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/store"
)

func lower(s string) string { return strings.ToLower(s) }

// putPerson mirrors one person. isNew says that they were made or adopted; a row
// without a person could not be mirrored, which is warned of.
func (m *mirror) putPerson(tx *store.Tx, p *record) (row store.DirectoryPerson, isNew bool, err error) {
	row, known := m.rows[p.entry]
	if len(p.own) == 0 {
		return row, false, nil // no mailbox: no address in a domain that is routed here
	}
	if _, there := m.people[row.Person]; !known || !there {
		if row, err = m.newPerson(tx, p); err != nil || row.Person == "" {
			return row, false, err
		}
		isNew = true
	}
	before := row
	before.Aliases = slices.Clone(row.Aliases)
	now, err := tx.Person(row.Person)
	if err != nil {
		return row, false, err
	}
	if p.disabled && !now.Disabled && !(isNew && now.Version == 1) { // who was made just now has nothing that could be taken
		if now, err = m.cut(tx, &row); err != nil {
			return row, isNew, err
		}
	}
	after := m.stated(tx, &row, p, now)
	if after != now {
		if err := m.change(tx, &row, &after, now.Address); err != nil {
			return row, isNew, err
		}
	}
	if err := m.putAliases(tx, &row, p, after.Address); err != nil {
		return row, isNew, err
	}
	moved := !isNew && row.Stamp != p.stamp && p.stamp != ""
	row.DN, row.Stamp = p.dn, p.stamp
	m.l.secrets.stamped(row.Person, p.stamp)
	if isNew || moved || row.DN != before.DN || row.Stamp != before.Stamp || row.Closed != before.Closed || !slices.Equal(row.Aliases, before.Aliases) {
		err = tx.PutDirectoryPerson(row, moved)
	}
	m.rows[p.entry] = row
	return row, isNew, err
}

// stated is a person as the directory has them. Whom an administrator disabled
// here, the directory does not enable again.
func (m *mirror) stated(tx *store.Tx, row *store.DirectoryPerson, p *record, now store.Person) store.Person {
	after := now
	if after.Address = p.own[0]; slices.Contains(p.own, now.Address) {
		after.Address = now.Address // one of several equal ones: it stays
	}
	if after.Address != now.Address && !m.free(tx, row, after.Address, p) {
		after.Address = now.Address
	}
	after.DisplayName, after.SecretKind, after.Hash = p.name, store.SecretDirectory, ""
	switch {
	case p.disabled && !now.Disabled:
		after.Disabled, row.Closed = true, true
	case !p.disabled && now.Disabled && row.Closed:
		after.Disabled, row.Closed = false, false
	}
	return after
}

// cut shuts somebody out as `portreeve user cut` does: the directory says that
// they have left.
func (m *mirror) cut(tx *store.Tx, row *store.DirectoryPerson) (store.Person, error) {
	row.Closed = true
	c, err := tx.CutPerson(row.Person, m.l.Everything(row.Person, time.Now()))
	return c.Person, err
}

// newPerson makes a person of an entry, unless the address is somebody's.
func (m *mirror) newPerson(tx *store.Tx, p *record) (store.DirectoryPerson, error) {
	row := store.DirectoryPerson{Source: m.l.Name, Entry: p.entry, DN: p.dn, Stamp: p.stamp}
	other, err := tx.Person(p.own[0])
	switch {
	case errors.Is(err, store.ErrNotFound):
		made := store.Person{Address: p.own[0], DisplayName: p.name, SecretKind: store.SecretDirectory, Origin: store.OriginDirectory, Source: m.l.Name}
		err := tx.AddPerson(&made)
		row.Person = made.ID
		m.people[made.ID] = made
		return row, err
	case err != nil:
		return row, err
	case other.Address == p.own[0] && other.Source == "" && other.Origin == store.OriginBackend:
		row.Person = other.ID
		m.people[other.ID] = other
		return row, tx.Adopt(other.ID, m.l.Name)
	}
	if old, ok := m.rebuilt(other, p); ok {
		row.Person, row.Aliases, row.Closed = old.Person, old.Aliases, old.Closed
		delete(m.rows, old.Entry)
		return row, tx.ReplaceDirectoryPerson(old, row)
	}
	m.warnf("%s of %s is already %s: %s is left out", p.own[0], p.dn, whose(other), p.dn)
	return row, nil
}

// rebuilt says that a person is known under an id that the directory no longer
// has, at the same place: it was set up again, not given to somebody else.
func (m *mirror) rebuilt(other store.Person, p *record) (store.DirectoryPerson, bool) {
	if other.Source != m.l.Name || other.Address != p.own[0] || !m.r.complete {
		return store.DirectoryPerson{}, false
	}
	for _, row := range m.rows {
		if row.Person == other.ID {
			still := slices.ContainsFunc(m.r.people, func(x record) bool { return x.entry == row.Entry })
			return row, !still && foldDN(row.DN) == foldDN(p.dn)
		}
	}
	return store.DirectoryPerson{}, false
}

func whose(p store.Person) string {
	switch p.Source {
	case "":
		return "that of " + p.Address + ", who is kept here"
	default:
		return "that of " + p.Address + " from " + p.Source
	}
}

// free says whether an address can be taken for a person; one of their own
// aliases can.
func (m *mirror) free(tx *store.Tx, row *store.DirectoryPerson, address string, p *record) bool {
	other, err := tx.Person(address)
	if errors.Is(err, store.ErrNotFound) || err == nil && other.ID == row.Person {
		return true
	}
	if err == nil {
		m.warnf("%s of %s is already %s", address, p.dn, whose(other))
	}
	return false
}

// change writes a person; an alias that becomes the address is an alias no more.
func (m *mirror) change(tx *store.Tx, row *store.DirectoryPerson, after *store.Person, address string) error {
	if after.Address != address {
		if other, err := tx.Person(after.Address); err == nil && other.ID == row.Person {
			if err := tx.DeleteAlias(after.Address); err != nil {
				return err
			}
			row.Aliases = slices.DeleteFunc(row.Aliases, func(a string) bool { return a == after.Address })
		}
	}
	return tx.PutPerson(after)
}

// putAliases gives a person the further addresses that the directory states and
// takes away those that it no longer does. Others are an administrator's.
func (m *mirror) putAliases(tx *store.Tx, row *store.DirectoryPerson, p *record, address string) error {
	var kept []string
	for _, a := range slices.Concat(p.own, p.other) {
		if a == address || slices.Contains(kept, a) {
			continue
		}
		other, err := tx.Person(a)
		switch {
		case errors.Is(err, store.ErrNotFound):
			if err := tx.AddAlias(store.Alias{Address: a, Person: row.Person}); err != nil {
				return err
			}
		case err != nil:
			return err
		case other.ID != row.Person:
			m.warnf("%s of %s is already %s", a, p.dn, whose(other))
			continue
		case !slices.Contains(row.Aliases, a):
			continue // an administrator's, who gave it first
		}
		kept = append(kept, a)
	}
	for _, a := range row.Aliases {
		if slices.Contains(kept, a) || a == address {
			continue
		}
		if err := tx.DeleteAlias(a); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	slices.Sort(kept)
	row.Aliases = kept
	return nil
}
