package policytest

import (
	"encoding/binary"
	"strings"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
)

func plainOwn(o *policy.Own, f *policy.Facts) bool {
	word := func(w *policy.Words, value string) bool {
		if w == nil {
			return true
		}
		in := len(w.Include) == 0
		for _, s := range w.Include {
			in = in || strings.EqualFold(s, value)
		}
		for _, s := range w.Exclude {
			in = in && !strings.EqualFold(s, value)
		}
		return in
	}
	program := f.Program
	if program == "" {
		program = "unknown"
	}
	asn := o.ASNs == nil
	if !asn {
		asn = len(o.ASNs.Include) == 0
		for _, n := range o.ASNs.Include {
			asn = asn || n == f.ASN
		}
		for _, n := range o.ASNs.Exclude {
			asn = asn && n != f.ASN
		}
	}
	return word(o.CredentialKinds, f.Credential.String()) && word(o.Programs, program) && asn && plainHours(o.Hours, f.At) && plainPeriod(o.Period, f.At) &&
		(o.NewClient == nil || *o.NewClient != f.KnownNetwork) && (o.ViaWebmail == nil || *o.ViaWebmail == f.ViaWebmail) &&
		(o.Share == nil || plainLot(f.Person) < *o.Share)
}

// plainLot mixes eight bytes at a time; the stranger has 0.
func plainLot(person string) int {
	if person == "" {
		return 0
	}
	padded := []byte(person)
	padded = append(padded, make([]byte, 8-len(person)%8)...)
	h := uint64(len(person))
	for i := 0; i < len(padded); i += 8 {
		h = (h ^ binary.LittleEndian.Uint64(padded[i:])) * 0x9e3779b97f4a7c15
		if i+8 < len(padded) {
			h ^= h >> 29
		}
	}
	return int((h >> 32) % 100)
}

// zones remembers time zones: reading one from disk for each of millions of
// judgements would take all the time there is.
var zones sync.Map

func zoneOf(name string) *time.Location {
	if z, ok := zones.Load(name); ok {
		return z.(*time.Location)
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		z = nil
	}
	zones.Store(name, z)
	return z
}

func plainPeriod(p *policy.Period, at time.Time) bool {
	if p == nil || at.IsZero() {
		return true
	}
	begun := p.Start.IsZero() || at.Equal(p.Start) || at.After(p.Start)
	ended := !p.End.IsZero() && (at.Equal(p.End) || at.After(p.End))
	return begun && !ended
}

func plainHours(h *policy.Hours, at time.Time) bool {
	if h == nil || at.IsZero() {
		return true
	}
	zone := zoneOf(h.Zone)
	if zone == nil {
		return true
	}
	local := at.In(zone)
	now := local.Hour()*60 + local.Minute()
	today, yesterday := local.Weekday(), (local.Weekday()+6)%7
	in := func(list []policy.Span) bool {
		for _, s := range list {
			if s.From < s.To && s.Days[today] && now >= s.From && now < s.To {
				return true
			}
			if s.From >= s.To && (s.Days[today] && now >= s.From || s.Days[yesterday] && now < s.To) {
				return true
			}
		}
		return false
	}
	return (len(h.Include) == 0 || in(h.Include)) && !in(h.Exclude)
}
