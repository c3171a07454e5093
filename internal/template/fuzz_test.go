package template

import (
	"errors"
	"testing"

	"github.com/portreeve/portreeve/internal/policy/graph"
)

// Whatever is given as a parameter is refused by its name or makes objects that
// the engine reads: no value can say more than the value that it is.
func FuzzMake(f *testing.F) {
	f.Add("scanners", "10.0.4.0/24", "PT", "2027-01-31", "ana")
	f.Add("${group}", "::1", "pt", "2027-01-31T06:00:00+01:00", `"}, "state": "enabled`)
	f.Add("", "10.0.0.1-10.0.0.9", "", "x", "\x00\xff")
	f.Fuzz(func(t *testing.T, group, network, country, date, text string) {
		values := map[Kind]string{Group: group, Network: network, Country: country, Date: date, Text: text}
		for _, x := range All() {
			set := map[string][]string{}
			for _, p := range x.Parameters {
				set[p.Name] = []string{values[p.Kind]}
				if p.Name == "from" {
					set[p.Name] = []string{"2020-01-01"}
				}
			}
			out, err := x.Make(Request{Set: set, Now: now, NewID: func() string { return "00000000-0000-4000-8000-000000000001" }})
			if f := (*Fault)(nil); errors.As(err, &f) {
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", x.Name, err)
			}
			for _, o := range out.Policies {
				p, err := graph.Policy(o.JSON)
				if err != nil || p.State.String() != reportOnly || len(p.Unsupported) > 0 {
					t.Fatalf("%s: %v, %+v\n%s", x.Name, err, p.Unsupported, o.JSON)
				}
			}
			if out.Location != nil {
				if _, err := graph.Location(out.Location.JSON); err != nil {
					t.Fatalf("%s: %v\n%s", x.Name, err, out.Location.JSON)
				}
			}
		}
	})
}
