package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// metaKeyMark is what tells one master key from another, and nothing of either.
const metaKeyMark = "master_key_mark"

// ErrOtherKey says that the database was written under another master key, so
// that what is sealed in it (seeds, app passwords) could not be read.
var ErrOtherKey = errors.New("the database was written under another master key: put that one back")

// checkKey holds a key that hangs on the master key against the one that the
// database was first opened with.
func (s *Store) checkKey(ctx context.Context, key []byte) error {
	if len(key) == 0 {
		return nil
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte("which master key"))
	mark := hex.EncodeToString(h.Sum(nil)[:16])
	was, err := s.meta(ctx, metaKeyMark)
	switch {
	case errors.Is(err, ErrNotFound):
		return s.Write(ctx, func(tx *Tx) error { return tx.setMeta(metaKeyMark, mark) })
	case err != nil:
		return err
	case was != mark:
		return ErrOtherKey
	}
	return nil
}

// forgetKey lets a database be opened under another master key.
func forgetKey(ctx context.Context, path string) error {
	db, err := openPool(path, readGrace, 1, false)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `DELETE FROM meta WHERE name = ?`, metaKeyMark)
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("forgetting the master key: %w", err)
	}
	return nil
}
