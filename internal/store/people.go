package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Hash is a password's hash; it prints as [redacted] and is in no audit row.
type Hash string

// Format prints [redacted] under every verb.
func (h Hash) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[redacted]") }

// MarshalText prints [redacted].
func (h Hash) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// The kinds of secret a person has.
const (
	SecretBackend  = "backend"  // none here: the mail server checks
	SecretArgon2id = "argon2id" // ours
	SecretImported = "imported" // another program's hash, verified but never made
	// SecretDirectory: none here, the directory named as source checks.
	SecretDirectory = "directory"
)

// Where a person came from.
const (
	OriginLocal     = "local"
	OriginBackend   = "backend" // made by the first sign-in that the mail server accepted
	OriginDirectory = "directory"
)

// Person is somebody who has a mailbox.
type Person struct {
	ID          string    `json:"id"`
	Address     string    `json:"address"` // canonical
	DisplayName string    `json:"displayName"`
	Disabled    bool      `json:"disabled"`
	Guest       uint8     `json:"guest"` // Graph's guestOrExternalUserTypes, 0 is a member
	SecretKind  string    `json:"secretKind"`
	Hash        Hash      `json:"-"`
	Created     time.Time `json:"created"`
	Origin      string    `json:"origin"`
	Backend     string    `json:"backend"` // routes: the backend's name, empty is the domain's
	Version     int64     `json:"version"`
	Source      string    `json:"source,omitempty"` // the directory they are mirrored from; empty is our own
}

const personColumns = `id, address, display_name, disabled, guest, secret_kind, secret_hash, created, origin, backend, version, source`

func scanPerson(r scanner) (p Person, err error) {
	var created int64
	var hash string
	err = r.Scan(&p.ID, &p.Address, &p.DisplayName, &p.Disabled, &p.Guest, &p.SecretKind, &hash, &created, &p.Origin, &p.Backend, &p.Version, &p.Source)
	p.Hash, p.Created = Hash(hash), fromNanos(created)
	return p, err
}

// People lists everybody by address.
func (s *Store) People(ctx context.Context) ([]Person, error) {
	return collect(ctx, s, scanPerson, `SELECT `+personColumns+` FROM people ORDER BY address`)
}

// Person finds somebody by id, canonical address or alias; ErrNotFound.
func (s *Store) Person(ctx context.Context, idOrAddress string) (Person, error) {
	return one(ctx, s, scanPerson, personQuery, idOrAddress, idOrAddress, idOrAddress)
}

const personQuery = `SELECT ` + personColumns + ` FROM people WHERE id = ? OR address = ?
	OR id = (SELECT person FROM aliases WHERE address = ?) LIMIT 1`

// Person is Store.Person inside a transaction.
func (tx *Tx) Person(idOrAddress string) (Person, error) {
	return oneIn(tx, scanPerson, personQuery, idOrAddress, idOrAddress, idOrAddress)
}

// AddPerson makes a person; an empty ID is filled in. ErrExists if the address
// is somebody's already, as address or as alias.
func (tx *Tx) AddPerson(p *Person) error {
	if err := tx.addressFree(p.Address); err != nil {
		return err
	}
	p.ID, p.Version = newObjectID(p.ID), 1
	if p.Created.IsZero() && tx.audit != nil {
		p.Created = tx.audit.at
	}
	if p.SecretKind == "" {
		p.SecretKind = SecretBackend
	}
	if p.Origin == "" {
		p.Origin = OriginLocal
	}
	err := tx.exec(`INSERT INTO people (`+personColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, p.ID, p.Address, p.DisplayName,
		p.Disabled, p.Guest, p.SecretKind, string(p.Hash), nanos(p.Created), p.Origin, p.Backend, p.Version, p.Source)
	if err != nil {
		return fmt.Errorf("adding %s: %w", p.Address, exists(err))
	}
	tx.touched(People, p.ID)
	return tx.record("create", "person", p.ID, p.Address, nil, p)
}

func (tx *Tx) addressFree(address string) error {
	switch other, err := tx.Person(address); {
	case err == nil:
		return fmt.Errorf("%s belongs to %s: %w", address, other.Address, ErrExists)
	case !errors.Is(err, ErrNotFound):
		return err
	}
	return nil
}

// secretChange is what the audit says of a person's secret: that it changed, never what it is.
type personAudit struct {
	Person
	SecretChanged bool `json:"secretChanged,omitempty"`
}

// PutPerson changes a person, whose Version must be the stored one or 0;
// otherwise ErrConflict.
func (tx *Tx) PutPerson(p *Person) error {
	before, err := tx.Person(p.ID)
	if err != nil {
		return fmt.Errorf("changing %s: %w", p.Address, err)
	}
	if p.Version != 0 && p.Version != before.Version {
		return fmt.Errorf("changing %s: %w", p.Address, ErrConflict)
	}
	if p.Address != before.Address {
		if err := tx.addressFree(p.Address); err != nil {
			return err
		}
	}
	p.Version, p.Created, p.Origin, p.Source = before.Version+1, before.Created, before.Origin, before.Source
	err = tx.exec(`UPDATE people SET address = ?, display_name = ?, disabled = ?, guest = ?, secret_kind = ?, secret_hash = ?,
		backend = ?, version = ? WHERE id = ?`, p.Address, p.DisplayName, p.Disabled, p.Guest, p.SecretKind, string(p.Hash), p.Backend, p.Version, p.ID)
	if err != nil {
		return fmt.Errorf("changing %s: %w", p.Address, exists(err))
	}
	tx.touched(People, p.ID)
	if p.Hash != before.Hash || p.SecretKind != before.SecretKind {
		tx.change.merge(Change{Secrets: []string{p.ID}})
		if err := tx.endByPassword(p.ID); err != nil {
			return err
		}
	}
	return tx.record("update", "person", p.ID, p.Address, before, personAudit{*p, p.Hash != before.Hash})
}

// DeletePerson takes a person out with aliases, memberships, switches,
// assignment and known networks. Sign-ins stay.
func (tx *Tx) DeletePerson(id string) error {
	before, err := tx.Person(id)
	if err != nil {
		return err
	}
	if _, err := tx.DeleteDelegationsOf(before.ID); err != nil {
		return err
	}
	if err := tx.dropDelegationsTo(OneMailbox, before.ID); err != nil {
		return err
	}
	for _, q := range []string{
		`DELETE FROM members WHERE kind = 'person' AND member = ?`,
		`DELETE FROM switches WHERE scope = 'mailbox' AND subject = ?`,
		`DELETE FROM assignments WHERE scope = 'person' AND subject = ?`,
		`DELETE FROM networks WHERE person = ?`,
		`DELETE FROM people WHERE id = ?`,
	} {
		if err := tx.exec(q, before.ID); err != nil {
			return fmt.Errorf("deleting %s: %w", before.Address, err)
		}
	}
	tx.touched(People|Groups|Switches|AuthenticationPolicies, before.ID)
	return tx.record("delete", "person", before.ID, before.Address, before, nil)
}

// Alias is another address of a person.
type Alias struct {
	Address string `json:"address"`
	Person  string `json:"person"` // id
}

func scanAlias(r scanner) (a Alias, err error) { return a, r.Scan(&a.Address, &a.Person) }

// Aliases lists every alias by address.
func (s *Store) Aliases(ctx context.Context) ([]Alias, error) {
	return collect(ctx, s, scanAlias, `SELECT address, person FROM aliases ORDER BY address`)
}

// AddAlias gives a person one more address; ErrExists if it is somebody's.
func (tx *Tx) AddAlias(a Alias) error {
	p, err := tx.Person(a.Person)
	if err != nil {
		return fmt.Errorf("adding alias %s: %w", a.Address, err)
	}
	if err := tx.addressFree(a.Address); err != nil {
		return err
	}
	a.Person = p.ID
	if err := tx.exec(`INSERT INTO aliases (address, person) VALUES (?, ?)`, a.Address, a.Person); err != nil {
		return fmt.Errorf("adding alias %s: %w", a.Address, exists(err))
	}
	tx.touched(People, p.ID)
	return tx.record("create", "alias", p.ID, a.Address, nil, a)
}

// DeleteAlias takes an alias away.
func (tx *Tx) DeleteAlias(address string) error {
	a, err := oneIn(tx, scanAlias, `SELECT address, person FROM aliases WHERE address = ?`, address)
	if err != nil {
		return fmt.Errorf("deleting alias %s: %w", address, err)
	}
	if err := tx.exec(`DELETE FROM aliases WHERE address = ?`, address); err != nil {
		return fmt.Errorf("deleting alias %s: %w", address, err)
	}
	tx.touched(People, a.Person)
	return tx.record("delete", "alias", a.Person, address, a, nil)
}
