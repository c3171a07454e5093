package span

import (
	"strings"
	"testing"
	"time"
)

func TestParseAndWords(t *testing.T) {
	for typed, want := range map[string]struct {
		d     time.Duration
		words string
	}{
		"90m": {90 * time.Minute, "1h30m"}, "8h": {8 * time.Hour, "8h"}, "30d": {30 * Day, "30d"}, "2w": {14 * Day, "14d"}, "1y": {365 * Day, "365d"},
		"1d12h": {36 * time.Hour, "1d12h"}, "1h30m": {90 * time.Minute, "1h30m"}, "1.5h": {90 * time.Minute, "1h30m"}, " 45s ": {45 * time.Second, "45s"}, "0s": {0, "0s"}, "720h": {30 * Day, "30d"},
	} {
		d, err := Parse(typed)
		if err != nil || d != want.d || Words(d) != want.words {
			t.Errorf("%q: %v as %q, %v", typed, d, Words(d), err)
		}
		if again, err := Parse(Words(d)); err != nil || again != d {
			t.Errorf("%q is printed as %q, which is read as %v, %v", typed, Words(d), again, err)
		}
	}
	for typed, want := range map[string]string{
		"8": "write 8m, 8h or 8d", "": "is no time: write 90m", "soon": "write 90m, 8h or 30d", "8x": "is no time", "-8h": "is no time", "h": "is no time", "8hh": "is no time",
		"1.2.3h": "is no time", "101y": "longer than 36500d", "99999999999999999999y": "longer than", "8é": "is no time",
	} {
		if d, err := Parse(typed); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v", typed, d, err)
		}
	}
}

func TestDays(t *testing.T) {
	for typed, want := range map[string]int{"30d": 30, "2w": 14, "1y": 365, "48h": 2, "1w1d": 8} {
		if n, err := Days(typed); n != want || err != nil {
			t.Errorf("%q: %d, %v", typed, n, err)
		}
	}
	for typed, want := range map[string]string{
		"30": "write 30d, 30w or 30y", "6m": "is 6m, and whole days are wanted", "36h": "whole days", "0d": "whole days", "soon": "write 30d, 12w or 1y", "": "write 30d", "101y": "longer",
	} {
		if n, err := Days(typed); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %d, %v", typed, n, err)
		}
	}
}

func TestMoments(t *testing.T) {
	zone := time.FixedZone("", 3600)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, zone)
	for _, c := range []struct {
		read  func(string, time.Time) (time.Time, error)
		typed string
		want  string
	}{
		{Ahead, "2026-11-30", "2026-12-01T00:00:00+01:00"}, {Ahead, "2026-11-30T09:00:00Z", "2026-11-30T09:00:00Z"}, {Ahead, "30d", "2026-12-21T12:00:00+01:00"}, {Ahead, "90m", "2026-11-21T13:30:00+01:00"},
		{Start, "2026-11-30", "2026-11-30T00:00:00+01:00"}, {Start, "2h", "2026-11-21T14:00:00+01:00"},
		{Ago, "2026-11-20", "2026-11-20T00:00:00+01:00"}, {Ago, "24h", "2026-11-20T12:00:00+01:00"}, {Ago, "2026-11-20 09:00", "2026-11-20T09:00:00+01:00"},
		{UpTo, "2026-11-20", "2026-11-21T00:00:00+01:00"}, {UpTo, "1d", "2026-11-20T12:00:00+01:00"},
	} {
		if got, err := c.read(c.typed, now); err != nil || got.Format(time.RFC3339) != c.want {
			t.Errorf("%q: %v, %v, want %s", c.typed, got, err, c.want)
		}
	}
	for typed, want := range map[string]string{"soon": "write a day (2026-11-30), a moment (2026-11-30T09:00:00Z) or how long", "7": "write 7m, 7h or 7d", "2026-13-01": "write a day", "30.11.2026": "write a day"} {
		for _, read := range []func(string, time.Time) (time.Time, error){Ahead, Start, Ago, UpTo} {
			if got, err := read(typed, now); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, %v", typed, got, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"90m", "1d12h", "1.5h", "8", "1e9y", "NaN"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := Parse(s)
		if err != nil {
			return
		}
		if d < 0 || d > most {
			t.Fatalf("%q is %v", s, d)
		}
		if again, err := Parse(Words(d)); err != nil || again != d.Truncate(time.Second) {
			t.Fatalf("%q is printed as %q, read as %v, %v", s, Words(d), again, err)
		}
	})
}
