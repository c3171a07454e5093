package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// CASSheet is one imported list of mailboxes. Format is its reader's own JSON
// (delimiter, encoding, type line), kept so that the list is written as it came.
type CASSheet struct {
	ID       string
	Name     string
	Imported time.Time
	Format   json.RawMessage
	Columns  []string
}

// sheetKind is what the audit calls a list.
const sheetKind = "casSheet"

// CASRow is one line of it; a nil cell is null, which is not the empty cell.
type CASRow struct {
	Mailbox string // id of the person, or the list's own name for a mailbox nobody has
	Cells   []*string
}

func scanSheet(r scanner) (c CASSheet, err error) {
	var imported int64
	var format, columns []byte
	if err = r.Scan(&c.ID, &c.Name, &imported, &format, &columns); err != nil {
		return c, err
	}
	c.Format, c.Imported = format, fromNanos(imported)
	return c, json.Unmarshal(columns, &c.Columns)
}

func scanCASRow(r scanner) (c CASRow, err error) {
	var cells []byte
	if err = r.Scan(&c.Mailbox, &cells); err != nil {
		return c, err
	}
	return c, json.Unmarshal(cells, &c.Cells)
}

// CASSheets lists the imported lists, latest first.
func (s *Store) CASSheets(ctx context.Context) ([]CASSheet, error) {
	return collect(ctx, s, scanSheet, `SELECT id, name, imported, format, columns FROM cas_sheets ORDER BY imported DESC, id DESC`)
}

// CASRows lists the lines of one list in their order.
func (s *Store) CASRows(ctx context.Context, sheet string) ([]CASRow, error) {
	return collect(ctx, s, scanCASRow, `SELECT mailbox, cells FROM cas_rows WHERE sheet = ? ORDER BY position`, sheet)
}

// AddCASSheet keeps an imported list; an empty ID is filled in.
func (tx *Tx) AddCASSheet(c *CASSheet, rows []CASRow) error {
	if tx.audit == nil {
		return errUnaudited
	}
	c.ID, c.Imported = newObjectID(c.ID), tx.audit.at
	columns, err := json.Marshal(c.Columns)
	if err != nil {
		return fmt.Errorf("keeping %q: %w", c.Name, err)
	}
	if c.Format == nil {
		c.Format = json.RawMessage("null")
	}
	err = tx.exec(`INSERT INTO cas_sheets (id, name, imported, format, columns) VALUES (?, ?, ?, ?, ?)`, c.ID, c.Name, nanos(c.Imported), []byte(c.Format), columns)
	if err != nil {
		return fmt.Errorf("keeping %q: %w", c.Name, exists(err))
	}
	for i, r := range rows {
		cells, err := json.Marshal(r.Cells)
		if err != nil {
			return fmt.Errorf("keeping %q: %w", c.Name, err)
		}
		if err := tx.exec(`INSERT INTO cas_rows (sheet, position, mailbox, cells) VALUES (?, ?, ?, ?)`, c.ID, i, r.Mailbox, cells); err != nil {
			return fmt.Errorf("keeping %q: %w", c.Name, err)
		}
	}
	tx.touched(CASMailboxes)
	return tx.record("create", sheetKind, c.ID, c.Name, nil, map[string]int{"rows": len(rows)})
}

// DeleteCASSheet forgets an imported list.
func (tx *Tx) DeleteCASSheet(id string) error {
	c, err := oneIn(tx, scanSheet, `SELECT id, name, imported, format, columns FROM cas_sheets WHERE id = ?`, id)
	if err != nil {
		return fmt.Errorf("forgetting list %s: %w", id, err)
	}
	if err := tx.exec(`DELETE FROM cas_sheets WHERE id = ?`, id); err != nil {
		return fmt.Errorf("forgetting list %q: %w", c.Name, err)
	}
	tx.touched(CASMailboxes)
	return tx.record("delete", sheetKind, c.ID, c.Name, map[string]int{"columns": len(c.Columns)}, nil)
}
