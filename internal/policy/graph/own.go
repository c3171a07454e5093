package graph

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
)

// own reads conditions.portreeve:
//
//	"portreeve": {
//	  "credentialKinds": {"include": ["password"], "exclude": []},
//	  "programs":        {"include": [], "exclude": ["thunderbird"]},
//	  "asns":            {"include": [64500]},
//	  "hours":           {"include": [{"days": ["monday", "friday"], "from": "08:00", "to": "18:00"}], "timeZone": "Europe/Berlin"},
//	  "period":          {"startDateTime": "2026-12-01T00:00:00Z", "endDateTime": "2027-01-01T00:00:00Z"},
//	  "newClient": true, "viaWebmail": false, "share": 25
//	}
func (r *reader) own(conditions *Value) (out policy.Own) {
	v := r.object(conditions, "portreeve")
	if v == nil {
		return out
	}
	r.ownMembers(v, "credentialKinds", "programs", "newClient", "asns", "hours", "period", "share", "viaWebmail")
	sides := func(name string) *policy.Words {
		w := r.object(v, name)
		if w == nil {
			return nil
		}
		r.ownMembers(w, "include", "exclude")
		return &policy.Words{Include: r.words(w, "include"), Exclude: r.words(w, "exclude")}
	}
	out.CredentialKinds = sides("credentialKinds")
	if out.CredentialKinds != nil {
		r.kinds(v.Member("credentialKinds"))
	}
	out.Programs = sides("programs")
	if n := r.object(v, "asns"); n != nil {
		r.ownMembers(n, "include", "exclude")
		out.ASNs = &policy.Numbers{Include: r.numbers(n, "include"), Exclude: r.numbers(n, "exclude")}
	}
	out.Hours, out.Period = r.hours(v), r.period(v)
	out.NewClient, out.ViaWebmail = r.flag(v, "newClient"), r.flag(v, "viaWebmail")
	out.Share = r.integer(v, "share", 0, 100)
	return out
}

func (r *reader) kinds(v *Value) {
	for _, side := range []string{"include", "exclude"} {
		for _, item := range r.list(v, side) {
			if _, ok := policy.ParseCredentialKind(item.Text); !ok && item.Text != "unknown" {
				r.fault(item, "a kind of credential is %s", oneOf("password", "appPassword", "bearer", "certificate", "unknown"))
			}
		}
	}
}

// numbers are network numbers, as numbers or as texts such as AS64500.
func (r *reader) numbers(v *Value, name string) (all []uint32) {
	for _, item := range r.list(v, name) {
		text := item.Text
		if item.Kind == String && len(text) > 2 && strings.EqualFold(text[:2], "AS") {
			text = text[2:]
		}
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			r.fault(item, "a network number is a whole number below 4294967296")
			continue
		}
		all = append(all, uint32(n))
	}
	return all
}

func (r *reader) hours(v *Value) *policy.Hours {
	h := r.object(v, "hours")
	if h == nil {
		return nil
	}
	r.ownMembers(h, "include", "exclude", "timeZone")
	return &policy.Hours{Zone: r.text(h, "timeZone"), Include: r.spans(h, "include"), Exclude: r.spans(h, "exclude")}
}

// period reads from when until when a policy is: times, or dates, which begin at
// midnight UTC. One of the two may be missing.
func (r *reader) period(v *Value) *policy.Period {
	p := r.object(v, "period")
	if p == nil {
		return nil
	}
	r.ownMembers(p, "startDateTime", "endDateTime")
	out := &policy.Period{Start: r.time(p, "startDateTime"), End: r.time(p, "endDateTime")}
	if out.Empty() {
		r.fault(p.Member("endDateTime"), "the period ends before it begins: endDateTime is after startDateTime")
	}
	return out
}

func (r *reader) spans(v *Value, name string) (all []policy.Span) {
	for _, item := range r.list(v, name) {
		if item.Kind != Object {
			r.fault(item, "a span of time is an object with days, from and to")
			continue
		}
		r.ownMembers(item, "days", "from", "to")
		s := policy.Span{From: r.clock(item, "from", 0), To: r.clock(item, "to", minutesOfDay)}
		days := r.list(item, "days")
		for d := range s.Days {
			s.Days[d] = len(days) == 0
		}
		for _, d := range days {
			r.weekday(d, &s)
		}
		all = append(all, s)
	}
	return all
}

const minutesOfDay = 24 * 60

// clock reads 08:00; 24:00 is the end of the day.
func (r *reader) clock(v *Value, name string, otherwise int) int {
	s := r.text(v, name)
	if s == "" {
		return otherwise
	}
	hour, minute, ok := strings.Cut(s, ":")
	h, err1 := strconv.Atoi(hour)
	m, err2 := strconv.Atoi(minute)
	if !ok || err1 != nil || err2 != nil || len(minute) != 2 || h < 0 || m < 0 || m > 59 || h*60+m > minutesOfDay {
		r.fault(v.Member(name), "%s is a time of day from 00:00 to 24:00", name)
		return otherwise
	}
	return h*60 + m
}

func (r *reader) weekday(v *Value, s *policy.Span) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if name := d.String(); strings.EqualFold(v.Text, name) || strings.EqualFold(v.Text, name[:3]) {
			s.Days[d] = true
			return
		}
	}
	r.fault(v, "%s is no day of the week such as monday", fmt.Sprintf("%.20q", v.Text))
}
