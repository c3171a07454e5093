package importer

import (
	"errors"
	"regexp"
	"strings"
	"time"
)

// line is a log line without its time stamp: which program says what.
type line struct {
	program string // "imap-login", "postfix/submission/smtpd"
	pid     string // digits, empty if there is none
	message string
}

var (
	// isoStamp is rsyslog's and journalctl -o short-iso's: 2026-11-21T12:14:26.123456+01:00.
	isoStamp = regexp.MustCompile(`^(?:<\d{1,3}>)?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?) +`)
	// bsdStamp is syslog's of old, and that of both servers' own files: Nov 21 12:14:26.
	bsdStamp = regexp.MustCompile(`^(?:<\d{1,3}>)?([A-Z][a-z]{2} [ \d]?\d \d\d:\d\d:\d\d(?:\.\d{1,9})?) +`)
	// tagged is "host dovecot[12]: ", "dovecot: " or "imap-login: Info: ", the program behind it.
	tagged = regexp.MustCompile(`^(?:[^\s:\[\]]+ )?([A-Za-z0-9_./-]+)(?:\[(\d+)\])?: +`)
	// inner is the process within Dovecot's single syslog name, and the level in its own file.
	inner = regexp.MustCompile(`^([a-z0-9-]+)(?:\((\d+)\))?: +`)
	level = regexp.MustCompile(`^(?:Info|Warning|Error): +`)
)

// cutStamp takes the time stamp off a line; empty if there is none.
func cutStamp(text string) (stamp, rest string) {
	for _, form := range []*regexp.Regexp{isoStamp, bsdStamp} {
		if m := form.FindStringSubmatch(text); m != nil {
			return m[1], text[len(m[0]):]
		}
	}
	return "", text
}

// cutProgram takes the host, program and level off.
func cutProgram(text string) line {
	m := tagged.FindStringSubmatch(text)
	if m == nil {
		return line{message: text}
	}
	l := line{program: m[1], pid: m[2], message: text[len(m[0]):]}
	if l.program == "dovecot" {
		if m := inner.FindStringSubmatch(l.message); m != nil {
			l.program, l.pid, l.message = m[1], m[2], l.message[len(m[0]):]
		}
	}
	l.message = strings.TrimPrefix(l.message, level.FindString(l.message))
	return l
}

// clock reads time stamps, supplying what they leave out.
type clock struct {
	location *time.Location
	latest   time.Time
	year     int // of the line before, if it was given at first
	month    time.Month
}

func newClock(o Options) clock {
	c := clock{location: o.Location, latest: o.Latest, year: o.Year}
	if c.location == nil {
		c.location = time.UTC
	}
	return c
}

var isoLayouts = []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05"}

var errStamp = errors.New("the line has no time stamp that can be read")

func (c *clock) read(stamp string) (time.Time, error) {
	if stamp == "" {
		return time.Time{}, errStamp
	}
	if stamp[0] < 'A' {
		stamp = strings.Replace(strings.Replace(stamp, " ", "T", 1), ",", ".", 1)
		for _, layout := range isoLayouts {
			if t, err := time.ParseInLocation(layout, stamp, c.location); err == nil {
				return t.UTC(), nil
			}
		}
		return time.Time{}, errStamp
	}
	// 2000 was a leap year, so that 29 February is read.
	t, err := time.Parse("2006 Jan _2 15:04:05", "2000 "+stamp)
	if err != nil {
		return time.Time{}, errStamp
	}
	return c.inYear(t)
}

// slack is how far a line may lie after Latest: the clocks of two machines and
// a file still being written.
const slack = 24 * time.Hour

func (c *clock) inYear(t time.Time) (time.Time, error) {
	in := func(year int) time.Time {
		return time.Date(year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), c.location)
	}
	if c.year != 0 {
		if c.month == time.December && t.Month() == time.January {
			c.year++
		}
		c.month = t.Month()
		return valid(in(c.year), t)
	}
	if c.latest.IsZero() {
		return time.Time{}, errors.New("the line's time has no year, and none was given")
	}
	year := c.latest.In(c.location).Year() + 1
	for in(year).After(c.latest.Add(slack)) || in(year).Month() != t.Month() {
		year--
	}
	return in(year).UTC(), nil
}

// valid refuses 29 February in a year that had none.
func valid(t, wanted time.Time) (time.Time, error) {
	if t.Month() != wanted.Month() {
		return time.Time{}, errStamp
	}
	return t.UTC(), nil
}
