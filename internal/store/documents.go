package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// DocumentKind is a kind of object that administrators write as JSON.
type DocumentKind string

// The kinds of document.
const (
	Policy               DocumentKind = "policy"   // Graph's conditionalAccessPolicy
	Location             DocumentKind = "location" // Graph's namedLocation
	Strength             DocumentKind = "strength" // Graph's authenticationStrengthPolicy
	AuthenticationPolicy DocumentKind = "authenticationPolicy"
)

var documentFamilies = map[DocumentKind]Families{
	Policy: Policies, Location: Locations, Strength: Strengths, AuthenticationPolicy: AuthenticationPolicies,
}

// Document is one such object. Its JSON is kept byte by byte as it came.
type Document struct {
	ID       string
	Kind     DocumentKind
	Name     string // unique within its kind, in any case
	State    string // of a policy: enabled, disabled, enabledForReportingButNotEnforced
	Position int64  // order of making, by which lists are sorted
	JSON     json.RawMessage
	Version  int64 // counts changes
	Created  time.Time
	Modified time.Time
	Deleted  time.Time // zero unless deleted
}

const documentColumns = `id, kind, name, state, position, json, version, created, modified, deleted`

func scanDocument(r scanner) (d Document, err error) {
	var created, modified, deleted int64
	var raw []byte
	err = r.Scan(&d.ID, &d.Kind, &d.Name, &d.State, &d.Position, &raw, &d.Version, &created, &modified, &deleted)
	d.JSON, d.Created, d.Modified, d.Deleted = raw, fromNanos(created), fromNanos(modified), fromNanos(deleted)
	return d, err
}

// Documents lists the objects of one kind in their order, without deleted ones.
func (s *Store) Documents(ctx context.Context, k DocumentKind) ([]Document, error) {
	return collect(ctx, s, scanDocument, documentsQuery, k)
}

const documentsQuery = `SELECT ` + documentColumns + ` FROM documents WHERE kind = ? AND deleted = 0 ORDER BY position, id`

// Policies lists the conditional access policies in their order.
func (s *Store) Policies(ctx context.Context) ([]Document, error) { return s.Documents(ctx, Policy) }

// Locations lists the named locations.
func (s *Store) Locations(ctx context.Context) ([]Document, error) { return s.Documents(ctx, Location) }

// Strengths lists the authentication strengths.
func (s *Store) Strengths(ctx context.Context) ([]Document, error) { return s.Documents(ctx, Strength) }

// AuthenticationPolicies lists the authentication policies.
func (s *Store) AuthenticationPolicies(ctx context.Context) ([]Document, error) {
	return s.Documents(ctx, AuthenticationPolicy)
}

// DeletedDocuments lists the deleted objects of one kind, latest first.
func (s *Store) DeletedDocuments(ctx context.Context, k DocumentKind) ([]Document, error) {
	return collect(ctx, s, scanDocument, `SELECT `+documentColumns+` FROM documents WHERE kind = ? AND deleted <> 0 ORDER BY deleted DESC`, k)
}

const documentQuery = `SELECT ` + documentColumns + ` FROM documents WHERE kind = ? AND deleted = 0 AND (id = ? OR name = ?)
	ORDER BY id = ? DESC LIMIT 1`

// Document finds an object by id or name; ErrNotFound.
func (s *Store) Document(ctx context.Context, k DocumentKind, idOrName string) (Document, error) {
	return one(ctx, s, scanDocument, documentQuery, k, idOrName, idOrName, idOrName)
}

// Document is Store.Document inside a transaction.
func (tx *Tx) Document(k DocumentKind, idOrName string) (Document, error) {
	return oneIn(tx, scanDocument, documentQuery, k, idOrName, idOrName, idOrName)
}

// PutDocument makes or changes the object with d.ID; an empty ID makes one.
// ErrExists if another has the name; ErrConflict if d.Version is not 0 and not
// the stored one. It fills in what it decided.
func (tx *Tx) PutDocument(d *Document) error {
	family, known := documentFamilies[d.Kind]
	if !known || !json.Valid(d.JSON) {
		return fmt.Errorf("keeping %s %q: no such kind, or no JSON", d.Kind, d.Name)
	}
	d.ID = newObjectID(d.ID)
	before, err := oneIn(tx, scanDocument, `SELECT `+documentColumns+` FROM documents WHERE id = ?`, d.ID)
	isNew := errors.Is(err, ErrNotFound)
	if err != nil && !isNew {
		return fmt.Errorf("keeping %s %q: %w", d.Kind, d.Name, err)
	}
	if !isNew && (before.Kind != d.Kind || d.Version != 0 && d.Version != before.Version) {
		return fmt.Errorf("keeping %s %q: %w", d.Kind, d.Name, ErrConflict)
	}
	if tx.audit == nil {
		return errUnaudited
	}
	if err := tx.mayChange(string(d.Kind), d.ID, ""); err != nil {
		return fmt.Errorf("keeping %s %q: %w", d.Kind, d.Name, err)
	}
	d.Created, d.Modified, d.Version, d.Deleted = tx.audit.at, tx.audit.at, before.Version+1, time.Time{}
	if isNew {
		if err := tx.row([]any{&d.Position}, `SELECT coalesce(max(position), 0) + 1 FROM documents WHERE kind = ?`, d.Kind); err != nil {
			return fmt.Errorf("keeping %s %q: %w", d.Kind, d.Name, err)
		}
	} else {
		d.Created, d.Position = before.Created, before.Position
	}
	err = tx.exec(`INSERT INTO documents (`+documentColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT (id) DO UPDATE SET
		name = excluded.name, state = excluded.state, json = excluded.json, version = excluded.version,
		created = excluded.created, modified = excluded.modified, deleted = 0`, d.ID, d.Kind, d.Name,
		d.State, d.Position, []byte(d.JSON), d.Version, nanos(d.Created), nanos(d.Modified))
	if err != nil {
		return fmt.Errorf("keeping %s %q: %w", d.Kind, d.Name, exists(err))
	}
	tx.touched(family)
	if isNew || !before.Deleted.IsZero() {
		return tx.record("create", string(d.Kind), d.ID, d.Name, nil, d.JSON)
	}
	return tx.record("update", string(d.Kind), d.ID, d.Name, before.JSON, d.JSON)
}

// DeleteDocument deletes an object, given by id or name. Its row stays with
// its JSON, since sign-ins refer to it; PutDocument with its id brings it back.
func (tx *Tx) DeleteDocument(k DocumentKind, idOrName string) error {
	d, err := tx.Document(k, idOrName)
	if err != nil {
		return fmt.Errorf("deleting %s %q: %w", k, idOrName, err)
	}
	if tx.audit == nil {
		return errUnaudited
	}
	if err := tx.mayChange(string(k), d.ID, ""); err != nil {
		return fmt.Errorf("deleting %s %q: %w", k, idOrName, err)
	}
	if err := tx.exec(`UPDATE documents SET deleted = ?, version = version + 1 WHERE id = ?`, nanos(tx.audit.at), d.ID); err != nil {
		return fmt.Errorf("deleting %s %q: %w", k, idOrName, err)
	}
	if k == AuthenticationPolicy {
		given, err := collectIn(tx, scanAssignment, `SELECT scope, subject, policy FROM assignments WHERE policy = ?`, d.ID)
		if err != nil {
			return fmt.Errorf("deleting %s %q: %w", k, idOrName, err)
		}
		for _, a := range given {
			if err := tx.PutAssignment(Assignment{Scope: a.Scope, Subject: a.Subject}); err != nil {
				return fmt.Errorf("deleting %s %q: %w", k, idOrName, err)
			}
		}
	}
	tx.touched(documentFamilies[k])
	return tx.record("delete", string(k), d.ID, d.Name, d.JSON, nil)
}
