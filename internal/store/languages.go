package store

import (
	"context"
	"fmt"
)

// Spoken is the language (BCP 47) that a person reads.
type Spoken struct{ Person, Lang string }

// Languages lists which languages people read, as far as it is known.
func (s *Store) Languages(ctx context.Context) ([]Spoken, error) {
	return collect(ctx, s, func(r scanner) (p Spoken, err error) {
		err = r.Scan(&p.Person, &p.Lang)
		return p, err
	}, `SELECT person, lang FROM languages`)
}

// PutLanguage keeps which language a person reads. A person who is gone is
// passed over.
func (tx *Tx) PutLanguage(p Spoken) error {
	err := tx.exec(`INSERT INTO languages (person, lang) SELECT id, ? FROM people WHERE id = ?
		ON CONFLICT (person) DO UPDATE SET lang = excluded.lang`, p.Lang, p.Person)
	if err != nil {
		return fmt.Errorf("keeping a person's language: %w", err)
	}
	return nil
}
