package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Names of rows in meta.
const (
	metaDemo     = "demo"     // "yes" if the demo made this database
	metaRunning  = "running"  // when the program that has not yet closed the log was started
	metaNameKey  = "name_key" // key of the hash that replaces strangers' names, hexadecimal
	settingSpace = "setting." // prefix of settings that administrators change
)

func (tx *Tx) meta(name string) (value string, err error) {
	err = tx.row([]any{&value}, `SELECT value FROM meta WHERE name = ?`, name)
	return value, err
}

func (tx *Tx) setMeta(name, value string) error {
	return tx.exec(`INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
}

func (s *Store) meta(ctx context.Context, name string) (value string, err error) {
	err = found(s.read.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = ?`, name).Scan(&value))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	return value, nil
}

// checkDemo marks a new database, and refuses an old one that is of the other kind.
func (s *Store) checkDemo(ctx context.Context, fresh, demo bool) error {
	mark, err := s.meta(ctx, metaDemo)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	switch {
	case mark == "" && (fresh || !demo):
		if !demo {
			return nil
		}
		return s.Write(ctx, func(tx *Tx) error { return tx.setMeta(metaDemo, "yes") })
	case mark == "" && demo:
		return ErrNoDemo
	case !demo:
		return ErrDemo
	}
	return nil
}

// Setting reads an organisation-wide setting; empty if it was never set.
func (s *Store) Setting(ctx context.Context, name string) (string, error) {
	v, err := s.meta(ctx, settingSpace+name)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return v, err
}

// PutSetting changes an organisation-wide setting.
func (tx *Tx) PutSetting(name, value string) error {
	before, err := tx.meta(settingSpace + name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if before == value {
		return nil
	}
	if err := tx.mayChange(ValueSetting, name, name); err != nil {
		return fmt.Errorf("setting %s: %w", name, err)
	}
	if err := tx.setMeta(settingSpace+name, value); err != nil {
		return fmt.Errorf("setting %s: %w", name, err)
	}
	tx.touched(Settings)
	return tx.record("update", "setting", name, name, before, value)
}

// Running is when the program that did not close the sign-in log was started;
// zero if the last one closed it.
func (s *Store) Running(ctx context.Context) (time.Time, error) {
	v, err := s.meta(ctx, metaRunning)
	if errors.Is(err, ErrNotFound) || err == nil && v == "" {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339Nano, v)
}

// SetRunning marks the sign-in log as open since a time; zero marks it as closed.
func (tx *Tx) SetRunning(since time.Time) error {
	if since.IsZero() {
		return tx.setMeta(metaRunning, "")
	}
	return tx.setMeta(metaRunning, since.UTC().Format(time.RFC3339Nano))
}
