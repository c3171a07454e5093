package cli

import (
	"regexp"
	"strings"
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

// Whoever showed no name is not a name that nobody knows.
func TestWhoShowedNoName(t *testing.T) {
	for _, c := range []struct{ name, id, want string }{
		{"", "", "nobody knows: no name was shown"},
		{"ana@example.org", "", "ana@example.org, whom nobody here knows"},
		{"ana@example.org", "1", "ana@example.org"},
	} {
		var out strings.Builder
		a := &app{out: &out, format: "table"}
		a.tellWho(&sheet{&out}, map[string]any{"userPrincipalName": c.name, "userId": c.id}, map[string]any{"count": 1.0, "typed": c.name}, nil)
		if m := regexp.MustCompile(`(?m)^Who +(.*)$`).FindStringSubmatch(out.String()); m == nil || m[1] != c.want {
			t.Errorf("%q of %q: %s", c.name, c.id, out.String())
		}
	}
}
