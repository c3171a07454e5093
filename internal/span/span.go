// Package span is the one way in which how long and when are typed and printed:
// 90m, 8h, 30d, 12w, 1y and their sums, 2026-11-30, or a moment of RFC 3339.
//
// A number without a unit is refused, since nobody knows which was meant. A
// month is no unit: m are minutes everywhere.
package span

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Day is 24 hours, whatever a clock that is put forward says.
const Day = 24 * time.Hour

// units are the letters behind a number, the longest first.
var units = []struct {
	letter byte
	length time.Duration
}{{'y', 365 * Day}, {'w', 7 * Day}, {'d', Day}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}

// most is the longest that is read: what is meant to be for ever is said so.
const most = 100 * 365 * Day

// Parse reads how long: one number with its unit, or several.
func Parse(s string) (time.Duration, error) {
	rest, sum := strings.TrimSpace(s), time.Duration(0)
	if n := len(rest); n > 0 && n < len("20261130") && strings.Trim(rest, "0123456789") == "" {
		return 0, fmt.Errorf("%q has no unit: write %sm, %[2]sh or %[2]sd for minutes, hours or days", s, rest)
	}
	if rest == "" {
		return 0, wrong(s)
	}
	for rest != "" {
		n := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if n <= 0 {
			return 0, wrong(s)
		}
		count, err := strconv.ParseFloat(rest[:n], 64)
		each := lengthOf(rest[n])
		if err != nil || each == 0 {
			return 0, wrong(s)
		}
		if count*float64(each)+float64(sum) > float64(most) {
			return 0, fmt.Errorf("%q is longer than %s", s, Words(most))
		}
		sum += time.Duration(count * float64(each))
		rest = rest[n+1:]
	}
	return sum, nil
}

func lengthOf(letter byte) time.Duration {
	for _, u := range units {
		if u.letter == letter {
			return u.length
		}
	}
	return 0
}

// notATime is what has neither form.
type notATime string

func (s notATime) Error() string {
	return fmt.Sprintf("%q is no time: write 90m, 8h or 30d", string(s))
}

func wrong(s string) error { return notATime(s) }

// Days reads how long in whole days.
func Days(s string) (int, error) {
	if n, err := strconv.Atoi(strings.TrimSpace(s)); err == nil {
		return 0, fmt.Errorf("%q has no unit: write %dd, %[2]dw or %[2]dy for days, weeks or years", s, n)
	}
	d, err := Parse(s)
	switch {
	case errors.As(err, new(notATime)):
		return 0, fmt.Errorf("%q is no number of days: write 30d, 12w or 1y", s)
	case err != nil:
		return 0, err
	case d < Day || d%Day != 0:
		return 0, fmt.Errorf("%q is %s, and whole days are wanted: write 30d, 12w or 1y", s, Words(d))
	}
	return int(d / Day), nil
}

// Words prints how long, as Parse reads it: days, hours, minutes and seconds.
func Words(d time.Duration) string {
	if d < time.Second {
		return "0s"
	}
	var b strings.Builder
	for _, u := range units[2:] {
		if n := d / u.length; n > 0 {
			fmt.Fprintf(&b, "%d%c", n, u.letter)
			d -= n * u.length
		}
	}
	return b.String()
}

// layouts are a moment's, without a zone of its own at now's place.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"}

// moment reads a moment or a day; day says that it was one.
func moment(s string, zone *time.Location) (t time.Time, day, ok bool) {
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, false, true
		}
	}
	t, err := time.ParseInLocation(time.DateOnly, s, zone)
	return t, true, err == nil
}

// Ahead reads until when: a moment, a day, which itself is still part of it, or
// how long from now.
func Ahead(s string, now time.Time) (time.Time, error) {
	t, day, ok := moment(s, now.Location())
	if ok && day {
		return t.AddDate(0, 0, 1), nil
	}
	if ok {
		return t, nil
	}
	d, err := Parse(s)
	if err != nil {
		return time.Time{}, dated(err, "how long from now (30d)")
	}
	return later(now, d), nil
}

// Start reads from when something is to begin: a moment, a day, or how long from now.
func Start(s string, now time.Time) (time.Time, error) {
	if t, _, ok := moment(s, now.Location()); ok {
		return t, nil
	}
	return Ahead(s, now)
}

// Ago reads since when: a moment, a day, or how long ago.
func Ago(s string, now time.Time) (time.Time, error) {
	if t, _, ok := moment(s, now.Location()); ok {
		return t, nil
	}
	d, err := Parse(s)
	if err != nil {
		return time.Time{}, dated(err, "how long ago (24h, 30d)")
	}
	return later(now, -d), nil
}

// UpTo is Ago for the end of what is looked at: a day itself is still part of it.
func UpTo(s string, now time.Time) (time.Time, error) {
	if t, day, ok := moment(s, now.Location()); ok && day {
		return t.AddDate(0, 0, 1), nil
	}
	return Ago(s, now)
}

// later counts whole days by the calendar, so that a clock put forward between
// changes no time of day.
func later(now time.Time, d time.Duration) time.Time {
	return now.AddDate(0, 0, int(d/Day)).Add(d % Day)
}

// dated names the forms of a date, unless it is only the unit that is missing.
func dated(err error, long string) error {
	var s notATime
	if !errors.As(err, &s) {
		return err
	}
	return fmt.Errorf("%q is no time: write a day (2026-11-30), a moment (2026-11-30T09:00:00Z) or %s", string(s), long)
}
