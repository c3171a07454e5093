package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

const (
	// sheetRows is how many numbers of events one sheet covers; the migration's
	// triggers say it too. A site of 2,000 people fills one a day.
	sheetRows = 32_768
	// sealAfter is how old the last sign-in of a sheet must be: equal ones are
	// counted into a row for an hour, and a count that comes later only costs
	// the making of the sheet.
	sealAfter = 2 * time.Hour
	// sheetMade is the format of a sheet that is being made.
	sheetMade = 0
)

func sheetOf(n int64) int64 { return n / sheetRows }

// sealed is a sheet that there is.
type sealed struct{ sheet, first, last int64 }

func scanSealed(r scanner) (x sealed, err error) {
	err = r.Scan(&x.sheet, &x.first, &x.last)
	return x, err
}

func (s *Store) sealedSheets(ctx context.Context) (map[int64]sealed, error) {
	list, err := collect(ctx, s, scanSealed, `SELECT sheet, first, last FROM replay_sheets WHERE format = ?`, sheetFormat)
	all := make(map[int64]sealed, len(list))
	for _, x := range list {
		all[x.sheet] = x
	}
	return all, err
}

// SealSheets packs what of the log has come to rest, so that judging it again
// need not read every row: about 25 MB for a million sign-ins. Half the time it
// waits, so that sign-ins have the other core and more.
func (s *Store) SealSheets(ctx context.Context, now time.Time) (made int, err error) {
	there, err := s.sealedSheets(ctx)
	if err != nil {
		return 0, fmt.Errorf("packing sign-ins: %w", err)
	}
	lo, hi, err := s.rowBounds(ctx)
	if err != nil || hi < lo {
		return 0, err
	}
	r := newRowReader()
	for sheet := sheetOf(lo); sheet < sheetOf(hi); sheet++ {
		if _, done := there[sheet]; done {
			continue
		}
		began := time.Now()
		ok, err := s.seal(ctx, r, sheet, now)
		if err != nil {
			return made, fmt.Errorf("packing sign-ins: %w", err)
		}
		if !ok {
			continue
		}
		made++
		select {
		case <-ctx.Done():
			return made, ctx.Err()
		case <-time.After(time.Since(began)):
		}
	}
	return made, nil
}

// seal makes one sheet. It first writes down that it does so; the triggers
// delete that if a row is changed while it is read, and then nothing is kept.
func (s *Store) seal(ctx context.Context, r *rowReader, sheet int64, now time.Time) (bool, error) {
	// Rows are numbered on from the last: while the sheet's own last one is
	// there, none can come into it, and when it goes, so does the sheet.
	type last struct{ at int64 }
	x, err := one(ctx, s, func(r scanner) (x last, err error) { err = r.Scan(&x.at); return x, err }, `SELECT at FROM events WHERE n = ?`, (sheet+1)*sheetRows-1)
	if errors.Is(err, ErrNotFound) || err == nil && x.at > nanos(now.Add(-sealAfter)) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	made := time.Now().UnixNano()
	err = s.Write(ctx, func(tx *Tx) error {
		return tx.exec(`INSERT OR REPLACE INTO replay_sheets (sheet, format, made, first, last, data) VALUES (?, ?, ?, 0, 0, x'')`, sheet, sheetMade, made)
	})
	if err != nil {
		return false, err
	}
	r.maker.begin()
	err = s.withReader(ctx, func(q driver.QueryerContext) error {
		return r.read(ctx, q, ReplayWindow{}, sheet*sheetRows, (sheet+1)*sheetRows-1)
	})
	if err != nil || len(r.maker.sheet.SignIns) == 0 {
		return false, err
	}
	first, end := r.maker.sheet.span()
	data := appendSheet(nil, &r.maker.sheet)
	var kept int64
	err = s.Write(ctx, func(tx *Tx) (err error) {
		kept, err = tx.affected(`UPDATE replay_sheets SET format = ?, first = ?, last = ?, data = ? WHERE sheet = ? AND format = ? AND made = ?`,
			sheetFormat, first, end, data, sheet, sheetMade, made)
		return err
	})
	return kept == 1, err
}

// span is the earliest and the latest time in a sheet.
func (s *Sheet) span() (first, last int64) {
	first, last = s.SignIns[0].At, s.SignIns[0].At
	for i := range s.SignIns {
		first, last = min(first, s.SignIns[i].At), max(last, s.SignIns[i].At)
	}
	return first, last
}

// rowBounds are the first and the last number of events; hi < lo if there are none.
func (s *Store) rowBounds(ctx context.Context) (lo, hi int64, err error) {
	row := s.read.QueryRowContext(ctx, `SELECT coalesce((SELECT min(n) FROM events), 1), coalesce((SELECT max(n) FROM events), 0)`)
	if err := row.Scan(&lo, &hi); err != nil {
		return 0, 0, fmt.Errorf("reading sign-ins: %w", err)
	}
	return lo, hi, nil
}

// withReader lends a connection for reading by the driver's own calls, which
// make less garbage than database/sql.
func (s *Store) withReader(ctx context.Context, do func(driver.QueryerContext) error) error {
	conn, err := s.read.Conn(ctx)
	if err != nil {
		return fmt.Errorf("reading sign-ins: %w", err)
	}
	defer conn.Close()
	return conn.Raw(func(c any) error {
		q, ok := c.(driver.QueryerContext)
		if !ok {
			return errors.New("the database's driver has changed")
		}
		return do(q)
	})
}
