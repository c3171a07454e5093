package admin

import (
	"reflect"
	"testing"

	"github.com/portreeve/portreeve/internal/filter"
	"github.com/portreeve/portreeve/internal/signin"
)

// A grant is asked for by the id that lists of grants show.
func TestSignInsAreFoundByTheirGrant(t *testing.T) {
	for grant, want := range map[string]filter.Value{"oauth:g1": filter.String("g1"), "apppw:a1": filter.String("a1"), "": filter.Null} {
		if got := signInLookup(&signin.Event{Grant: grant})("grant"); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v", grant, got)
		}
	}
}
