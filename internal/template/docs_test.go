package template

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/templates.md anew")

const page = "../../docs/templates.md"

// The page lists every template with its parameters and what its file says of
// who passes; it is written by this test.
func TestThePageIsTrue(t *testing.T) {
	want := written(t)
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/templates.md is not what the templates say: go test ./internal/template -run TestThePageIsTrue -update")
	}
}

func written(t *testing.T) string {
	var b strings.Builder
	b.WriteString(`<!-- written by go test ./internal/template -run TestThePageIsTrue -update -->

# Templates

A template makes a policy and what it stands on: a strength, a location. Everything
begins report-only, and the answer says what it would have done to the sign-ins of
the last 30 days. Enforce it when that is what you want, and let it take itself back
if it hurts:

` + "```sh" + `
portreeve policy new --list
portreeve policy new --template password-alone-opens-nothing --dry-run
portreeve group add scanners
portreeve policy new --template scanners-one-network --set group=scanners --set network=10.0.4.0/24
portreeve policy enable "Scanners from one network only" --confirm-within 10m
` + "```" + `

A parameter in brackets may be left out; one with … may be given several times. A
group must be there already. A date is midnight UTC, or a time such as
2027-01-11T06:00:00Z. Programs get the same list in Graph's shape at
` + "`/v1.0/identity/conditionalAccess/templates`" + `; Microsoft's have Microsoft's ids.

Of Microsoft's templates those are here that mean something to mail. Left out are
those about risk, which nothing here computes, about insider risk, session controls of
browsers, app protection, registration, and Azure's own portals.

What stands below under each template is its test: the sign-ins that it lets through,
asks for more, and blocks, once it is enforced.
`)
	for _, x := range All() {
		fmt.Fprintf(&b, "\n## %s\n\n**%s** (%s, `%s`). %s\n", x.Name, x.DisplayName, x.Origin, x.ID, x.Description)
		if len(x.Parameters) > 0 {
			b.WriteString("\n| Parameter | | Example |\n|---|---|---|\n")
		}
		for _, p := range x.Parameters {
			name := p.Name
			if p.Many {
				name += " …"
			}
			if !p.Required {
				name = "[" + name + "]"
			}
			fmt.Fprintf(&b, "| `%s` | %s | `--set %s=%s` |\n", name, p.Description, p.Name, p.Example)
		}
		raw, err := os.ReadFile("testdata/" + x.Name + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "\n```text\n%s```\n", raw)
	}
	return b.String()
}
