package graph

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestPeriodsAreReadAndSlipsInThemAreNamed(t *testing.T) {
	const with = `{"displayName": "p", "state": "enabled", "conditions": {"portreeve": {"period": %}}}`
	at := func(s string) time.Time {
		if s == "" {
			return time.Time{}
		}
		when, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, c := range []struct{ period, start, end, pointer string }{
		{`{"startDateTime": "2026-12-01", "endDateTime": "2027-01-01T06:00:00+01:00"}`, "2026-12-01T00:00:00Z", "2027-01-01T05:00:00Z", ""},
		{`{"startDateTime": "2026-12-01T09:30:00Z", "endDateTime": null}`, "2026-12-01T09:30:00Z", "", ""},
		{`{"endDateTime": "2026-12-01"}`, "", "2026-12-01T00:00:00Z", ""},
		{`{}`, "", "", ""},
		{`{"startDateTime": "2026-12-01", "endDateTime": "2026-12-01"}`, "", "", "/conditions/portreeve/period/endDateTime"},
		{`{"startDateTime": "tomorrow"}`, "", "", "/conditions/portreeve/period/startDateTime"},
		{`{"startDateTime": 20261201}`, "", "", "/conditions/portreeve/period/startDateTime"},
		{`{"start": "2026-12-01"}`, "", "", "/conditions/portreeve/period/start"},
		{`"2026-12-01"`, "", "", "/conditions/portreeve/period"},
	} {
		p, err := Policy([]byte(strings.Replace(with, "%", c.period, 1)))
		var fault *Error
		switch {
		case c.pointer != "":
			if !errors.As(err, &fault) || fault.Pointer != c.pointer {
				t.Errorf("%s: %v, want a fault at %s", c.period, err, c.pointer)
			}
		case err != nil:
			t.Errorf("%s: %v", c.period, err)
		case p.Conditions.Portreeve.Period == nil || !p.Conditions.Portreeve.Period.Start.Equal(at(c.start)) || !p.Conditions.Portreeve.Period.End.Equal(at(c.end)):
			t.Errorf("%s: read as %+v", c.period, p.Conditions.Portreeve.Period)
		}
	}
	if p, err := Policy([]byte(strings.Replace(with, "%", "null", 1))); err != nil || p.Conditions.Portreeve.Period != nil {
		t.Errorf("null: %+v, %v", p.Conditions.Portreeve.Period, err)
	}
}
