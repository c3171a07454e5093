package policy

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// hoursCondition: times of the week in one zone. A zone that is not known, and
// an unknown time, are read as a time that is included and not excluded.
type hoursCondition struct {
	Hours
	zone *time.Location // nil is not known
}

const (
	minutesOfDay  = 24 * 60
	minutesOfWeek = 7 * minutesOfDay
)

func (h *hoursCondition) name() string { return "portreeve.hours" }

func (h *hoursCondition) holds(f *Facts) bool {
	if h.zone == nil || f.At.IsZero() {
		return true
	}
	return h.at(minuteOfWeek(f.At, h.zone))
}

func (h *hoursCondition) at(minute int) bool {
	in := func(list []Span) bool {
		return slices.ContainsFunc(list, func(s Span) bool { return s.holds(minute) })
	}
	return (len(h.Include) == 0 || in(h.Include)) && !in(h.Exclude)
}

// minuteOfWeek counts from Sunday 00:00 by the wall clock.
func minuteOfWeek(t time.Time, zone *time.Location) int {
	var c clock
	return c.minute(t, zone)
}

// clock remembers a zone's offset between two changes of the clocks, because
// asking the zone takes longer than all the rest.
type clock struct {
	from, to int64 // Unix seconds; equal is nothing
	offset   int64
}

func (c *clock) minute(t time.Time, zone *time.Location) int {
	const week = minutesOfWeek * 60
	// 1970-01-01 was a Thursday; many weeks more keep earlier times positive.
	const bias = 4*minutesOfDay*60 + week<<20
	at := t.Unix()
	if at < c.from || at >= c.to {
		c.learn(t.In(zone))
	}
	return int(uint64(at+c.offset+bias) % week / 60)
}

func (c *clock) learn(local time.Time) {
	_, offset := local.Zone()
	from, to := local.ZoneBounds()
	*c = clock{math.MinInt64, math.MaxInt64, int64(offset)}
	if !from.IsZero() {
		c.from = from.Unix()
	}
	if !to.IsZero() {
		c.to = to.Unix()
	}
}

// holds reads From as included and To as not; a span whose To does not lie
// after its From ends on the next day.
func (s Span) holds(minute int) bool {
	day, clock := minute/minutesOfDay, minute%minutesOfDay
	if s.To > s.From {
		return s.Days[day] && s.From <= clock && clock < s.To
	}
	yesterday := (day + 6) % 7
	return s.Days[day] && clock >= s.From || s.Days[yesterday] && clock < s.To
}

// borders are the minutes of the week at which the span may begin or end.
func (s Span) borders() (all []int) {
	for day := range 7 {
		all = append(all, day*minutesOfDay+s.From, (day*minutesOfDay+s.To)%minutesOfWeek, day*minutesOfDay)
	}
	return all
}

func (s Span) String() string {
	var days []string
	for d, on := range s.Days {
		if on {
			days = append(days, time.Weekday(d).String()[:3])
		}
	}
	return fmt.Sprintf("%s %02d:%02d-%02d:%02d", strings.Join(days, " "), s.From/60, s.From%60, s.To/60, s.To%60)
}

func (h *hoursCondition) needed() string {
	words := func(list []Span) (out []string) {
		for _, s := range list {
			out = append(out, s.String())
		}
		return out
	}
	zone := h.Zone
	if zone == "" {
		zone = "UTC"
	}
	include := words(h.Include)
	if len(include) == 0 {
		include = []string{"always"}
	}
	return sides(include, words(h.Exclude)) + " (" + zone + ")"
}

func (h *hoursCondition) seen(f *Facts) string {
	switch {
	case f.At.IsZero():
		return "an unknown time"
	case h.zone == nil:
		return f.At.UTC().Format("Mon 15:04 MST") + ", in a zone that is not known"
	}
	return f.At.In(h.zone).Format("Mon 15:04 MST")
}
