package store

import (
	"context"
	"fmt"
)

// Edition is one version of a document. The audit has them all: each change of
// a document counts its version up by one and writes one row.
type Edition struct {
	Version int64
	Audit
}

// History lists the versions of a document, newest first, at most so many.
func (s *Store) History(ctx context.Context, k DocumentKind, id string, limit int) ([]Edition, error) {
	return collect(ctx, s, scanEdition, editions+` ORDER BY n DESC LIMIT ?`, k, id, limit)
}

// Edition finds one version of a document; ErrNotFound.
func (s *Store) Edition(ctx context.Context, k DocumentKind, id string, version int64) (Edition, error) {
	e, err := one(ctx, s, scanEdition, editions+` WHERE version = ?`, k, id, version)
	if err != nil {
		return e, fmt.Errorf("reading version %d: %w", version, err)
	}
	return e, nil
}

const editions = `SELECT version, ` + auditColumns + ` FROM (SELECT row_number() OVER (ORDER BY n) AS version, ` + auditColumns + `
	FROM audit WHERE kind = ? AND object = ? AND action IN ('create', 'update', 'delete'))`

func scanEdition(r scanner) (e Edition, err error) {
	a, err := scanAudit(versioned{r, &e.Version})
	e.Audit = a
	return e, err
}

// versioned reads a column before those of an audit row.
type versioned struct {
	scanner
	version *int64
}

func (v versioned) Scan(dest ...any) error {
	return v.scanner.Scan(append([]any{v.version}, dest...)...)
}

// KnownDocument finds an object by id or name, a deleted one too if no other is
// called so now: of several the one deleted last. ErrNotFound.
func (s *Store) KnownDocument(ctx context.Context, k DocumentKind, idOrName string) (Document, error) {
	return one(ctx, s, scanDocument, `SELECT `+documentColumns+` FROM documents WHERE kind = ? AND (id = ? OR name = ?)
		ORDER BY deleted <> 0, id = ? DESC, deleted DESC LIMIT 1`, k, idOrName, idOrName, idOrName)
}
