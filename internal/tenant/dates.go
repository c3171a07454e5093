package tenant

import (
	"io"
	"strconv"
	"strings"
	"time"
)

// dateOrder is how 9/11/2026 is meant in a file.
type dateOrder uint8

const (
	monthFirst dateOrder = iota
	dayFirst
)

var (
	isoLayouts   = []string{time.RFC3339Nano, "2006-01-02T15:04:05.9999999", "2006-01-02 15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly}
	clockLayouts = []string{"15:04:05", "15:04", "3:04:05 PM", "3:04 PM", "15.04.05", "15.04"}
)

// parseTime reads a time of Graph, of .NET's JSON, or of a culture; zero if it
// is none. Times without a zone are taken as UTC, as the portal writes them.
func parseTime(s string, order dateOrder) time.Time {
	s = strings.TrimSpace(strings.Map(func(r rune) rune { // .NET separates AM and PM with a narrow no-break space
		if r == '\u202f' || r == '\u00a0' {
			return ' '
		}
		return r
	}, s))
	if millis, ok := strings.CutPrefix(strings.ReplaceAll(s, `\/`, "/"), "/Date("); ok {
		millis, _, _ = strings.Cut(millis, ")")
		if n, err := strconv.ParseInt(millis, 10, 64); err == nil && inRange(time.UnixMilli(n)) {
			return time.UnixMilli(n).UTC()
		}
		return time.Time{}
	}
	for _, layout := range isoLayouts {
		if t, err := time.Parse(layout, s); err == nil && inRange(t) {
			return t.UTC()
		}
	}
	day, clock, _ := strings.Cut(strings.Replace(s, ", ", " ", 1), " ")
	a, b, year, ok := dateParts(day)
	if !ok {
		return time.Time{}
	}
	month, dayOfMonth := a, b
	if order == dayFirst || a > 12 {
		month, dayOfMonth = b, a
	}
	if month < 1 || month > 12 || dayOfMonth < 1 || dayOfMonth > 31 {
		return time.Time{}
	}
	t := time.Date(year, time.Month(month), dayOfMonth, 0, 0, 0, 0, time.UTC)
	for _, layout := range clockLayouts {
		if c, err := time.Parse(layout, strings.ToUpper(strings.TrimSpace(clock))); err == nil {
			return t.Add(time.Duration(c.Hour())*time.Hour + time.Duration(c.Minute())*time.Minute + time.Duration(c.Second())*time.Second)
		}
	}
	if clock != "" {
		return time.Time{}
	}
	return t
}

// inRange keeps to times that nanoseconds since 1970 can tell.
func inRange(t time.Time) bool { return t.Year() > 1970 && t.Year() < 2200 }

// dateParts cuts 9/14/2026, 14.09.2026 or 14-9-26 in three numbers.
func dateParts(s string) (a, b, year int, ok bool) {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '/' || r == '.' || r == '-' })
	if len(parts) != 3 {
		return
	}
	var n [3]int
	for i, p := range parts {
		var err error
		if n[i], err = strconv.Atoi(p); err != nil {
			return 0, 0, 0, false
		}
	}
	if n[2] < 100 {
		n[2] += 2000
	}
	if n[2] <= 1970 || n[2] >= 2200 {
		return 0, 0, 0, false
	}
	return n[0], n[1], n[2], true
}

// datesOf finds out whether the day or the month comes first in the dates of
// this file, before a row of it is taken: by a number above 12 in one of the
// two places; failing that by dots and by AM and PM.
func (r *reader) datesOf(header []string) (dateOrder, error) {
	column := -1
	for i, name := range header {
		if column < 0 && (strings.EqualFold(name, "Date (UTC)") || strings.EqualFold(name, "Date") || strings.EqualFold(name, "createdDateTime")) {
			column = i
		}
	}
	if column < 0 {
		return monthFirst, nil
	}
	in, err := r.again()
	if err != nil {
		return monthFirst, err
	}
	if f, ok := in.(io.Closer); ok {
		defer f.Close()
	}
	c, err := newCSVStream(utf8Text(in))
	if err != nil {
		return monthFirst, err
	}
	const looked = 200_000 // rows; a log that is ambiguous for that long is told
	guess, ambiguous := monthFirst, 0
	for range looked {
		line, err := c.next()
		if err != nil {
			if _, bad := err.(*rowError); bad {
				continue
			}
			break
		}
		day, clock, _ := strings.Cut(strings.Replace(c.cells[column], ", ", " ", 1), " ")
		a, b, _, ok := dateParts(day)
		switch {
		case !ok:
			continue
		case a > 12:
			return dayFirst, nil
		case b > 12:
			return monthFirst, nil
		}
		if ambiguous == 0 {
			ambiguous = line
			if strings.ContainsRune(day, '.') || c.delimiter == ';' && !strings.ContainsAny(clock, "MAPmap") {
				guess = dayFirst
			}
		}
	}
	if ambiguous > 0 {
		r.note(ambiguous, "", "no date of this file tells whether the day or the month comes first: the %s was taken to", map[dateOrder]string{monthFirst: "month", dayFirst: "day"}[guess])
	}
	return guess, nil
}
