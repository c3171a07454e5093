package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/span"
)

const templates = ours + "/templates"

// policyNew makes a policy from a template; without one that is known it lists them.
func (a *app) policyNew() *cobra.Command {
	var name, display string
	var dry bool
	var seen string
	c := verb("new --template TEMPLATE", "Make a policy from a template, report-only at first, and say what it would have done", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		known, err := a.client().rows(cmd.Context(), templates, nil, 0)
		if err != nil {
			return err
		}
		if !hasTemplate(known, name) {
			return noTemplate(known, name)
		}
		n, err := span.Days(seen)
		if err != nil {
			return usage("--seen: %v", err)
		}
		var raw json.RawMessage
		body := map[string]any{"displayName": display, "days": n, "dryRun": dry}
		if err := a.client().do(cmd.Context(), http.MethodPost, path(templates, name), nil, body, &raw); err != nil {
			return err
		}
		r, err := newRow(raw)
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) { a.tellTemplate(w, r.fields) })
	})
	c.Example = `  portreeve policy new --template password-alone-opens-nothing --dry-run
  portreeve policy new --template password-alone-opens-nothing
  portreeve policy enable "A password alone opens nothing"`
	c.Flags().StringVar(&name, "template", "", "which one; without it they are listed")
	c.Flags().StringVar(&display, "name", "", "the policy's name, if not the template's")
	c.Flags().BoolVar(&dry, "dry-run", false, "make nothing, only say what it would have done")
	c.Flags().StringVar(&seen, "seen", "30d", "how far back sign-ins are judged by it: 7d, 12w, 1y")
	a.confirmFlag(c)
	a.liveFlag(c, "template", templates, "id")
	return c
}

func hasTemplate(known []row, name string) bool {
	for _, t := range known {
		if text(t.fields["id"]) == name {
			return true
		}
	}
	return false
}

func noTemplate(known []row, name string) error {
	what := "say which template"
	if name != "" {
		what = fmt.Sprintf("there is no template %q", name)
	}
	for _, t := range known {
		what += fmt.Sprintf("\n  %s: %s", text(t.fields["id"]), text(t.fields["description"]))
	}
	return &failure{exit: exitUsage, what: what, next: "`portreeve policy new --template NAME --dry-run` says what one would have done"}
}

func (a *app) tellTemplate(w io.Writer, f map[string]any) {
	s := sheet{w: w}
	made := fmt.Sprintf("%q, report-only, and its authentication strength", text(at(f, "policy.displayName")))
	if f["dryRun"] == true {
		made = "nothing: this is a dry run"
	}
	s.line("Made", made)
	p, _ := f["preview"].(map[string]any)
	s.line("Judged", looked(a.output(), p))
	s.line("Would pass", share(p))
	rows := items(p["left"])
	s.head(fmt.Sprintf("Would be refused if it were enforced: %d", len(rows)))
	for _, x := range rows[:min(len(rows), listed)] {
		program := strings.TrimSpace(orUnknown(text(x["program"])) + " " + text(x["country"]))
		s.item("  ", fmt.Sprintf("%s: %s of %s, %s by %s: %s", text(x["user"]), text(x["signIns"]), counted(float64(number(x["of"])), "sign-in"), text(x["protocol"]), program, text(x["why"])))
		s.item("      ", text(x["do"]))
	}
	more(w, len(rows))
	if f["dryRun"] != true {
		s.head("Next")
		s.text(fmt.Sprintf("Adopt what is in use (`portreeve approval adopt --dry-run`), then `portreeve policy enable %q`.", text(at(f, "policy.displayName"))))
	}
}
