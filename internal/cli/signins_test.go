package cli

import (
	"testing"

	"github.com/portreeve/portreeve/internal/signin"
)

// A program that says nothing of itself is named by its token; one that does
// is named by what it says.
func TestATokenNamesAProgramThatSaysNothing(t *testing.T) {
	row := func(detail string, sure float64) map[string]any {
		return map[string]any{"portreeve": map[string]any{"detail": detail, "program": map[string]any{"family": "openssl", "confidence": sure}}}
	}
	given := signin.ForClient("portreeve token", "")
	for _, c := range []struct {
		row  map[string]any
		want string
	}{{row(given, 25), "portreeve token"}, {row(given, 0), "portreeve token"}, {row(given, 70), ""}, {row("", 25), ""}, {row("the mail server is away", 0), ""}, {map[string]any{}, ""}} {
		if got := forClient(c.row); got != c.want {
			t.Errorf("%v: %q", c.row, got)
		}
	}
}
