package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/span"
	"github.com/portreeve/portreeve/internal/spelling"
)

const templates = ours + "/templates"

// making is how a template becomes a policy.
type making struct {
	template, display, seen string
	set                     []string
	dry                     bool
}

// policyNew makes a policy from a template; without one that is known it lists them.
func (a *app) policyNew() *cobra.Command {
	var m making
	var showAll bool
	c := verb("new --template TEMPLATE", "Make a policy from a template, report-only at first, and say what it would have done", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		known, err := a.client().rows(cmd.Context(), templates, nil, 0)
		if err != nil {
			return err
		}
		if showAll && a.output().tty && a.format == "table" {
			tellTemplates(a.out, known)
			return nil
		}
		if showAll {
			return a.output().list(known, field("template", "id"), field("makes", "displayName"), of("takes", takes), field("origin", "origin"), field("what it does", "description"))
		}
		if !hasTemplate(known, m.template) {
			return noTemplate(known, m.template)
		}
		r, err := a.makePolicy(cmd, &m)
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) { a.tellTemplate(w, r.fields) })
	})
	c.Example = `  portreeve policy new --list
  portreeve policy new --template password-alone-opens-nothing --dry-run
  portreeve policy new --template password-alone-opens-nothing
  portreeve policy new --template scanners-one-network --set group=scanners --set network=10.0.4.0/24
  portreeve policy enable "A password alone opens nothing"`
	c.Flags().StringVar(&m.template, "template", "", "which one (--list tells all)")
	c.Flags().BoolVar(&showAll, "list", false, "list the templates and what each takes")
	c.Flags().StringArrayVar(&m.set, "set", nil, "a parameter of the template, such as group=scanners; several times for several values")
	c.Flags().StringVar(&m.display, "name", "", "the policy's name, if not the template's")
	c.Flags().BoolVar(&m.dry, "dry-run", false, "make nothing, only say what it would have done")
	c.Flags().StringVar(&m.seen, "seen", "30d", "how far back sign-ins are judged by it: 7d, 12w, 1y")
	a.confirmFlag(c)
	a.liveFlag(c, "template", templates, "id")
	return c
}

// makePolicy asks the server for what a template makes.
func (a *app) makePolicy(cmd *cobra.Command, m *making) (row, error) {
	n, err := span.Days(m.seen)
	if err != nil {
		return row{}, usage("--seen: %v", err)
	}
	set := map[string][]string{}
	for _, s := range m.set {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return row{}, usage("--set: %q is no parameter such as group=scanners", s)
		}
		set[name] = append(set[name], value)
	}
	var raw json.RawMessage
	body := map[string]any{"displayName": m.display, "days": n, "dryRun": m.dry, "parameters": set}
	if err := a.client().do(cmd.Context(), http.MethodPost, path(templates, m.template), nil, body, &raw); err != nil {
		return row{}, err
	}
	return newRow(raw)
}

// takes are a template's parameters; those that may be left out in brackets.
func takes(f map[string]any) string {
	var all []string
	for _, p := range items(f["parameters"]) {
		s := text(p["name"])
		if p["required"] != true {
			s = "[" + s + "]"
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

func hasTemplate(known []row, name string) bool {
	for _, t := range known {
		if text(t.fields["id"]) == name {
			return true
		}
	}
	return false
}

// tellTemplates lists templates for a terminal, where what they do has no room in a column.
func tellTemplates(w io.Writer, known []row) {
	s := sheet{w: w}
	for _, t := range known {
		fmt.Fprintln(w, strings.TrimSpace(text(t.fields["id"])+"  "+takes(t.fields)))
		s.table("    ", [][]string{{text(t.fields["description"])}})
	}
}

func noTemplate(known []row, name string) error {
	var names []string
	for _, t := range known {
		names = append(names, text(t.fields["id"]))
	}
	what := "say which template"
	if name != "" {
		what = fmt.Sprintf("there is no template %q%s", name, spelling.DidYouMean(name, names))
	}
	for _, n := range names {
		what += "\n  " + n
	}
	return &failure{exit: exitUsage, what: what, next: "`portreeve policy new --list` says what each does and takes, `portreeve policy new --template NAME --dry-run` what one would have done"}
}

func (a *app) tellTemplate(w io.Writer, f map[string]any) {
	s := sheet{w: w}
	s.line("Made", madeOf(f))
	p, _ := f["preview"].(map[string]any)
	s.line("Judged", looked(a.output(), p))
	s.line("Would pass", share(p))
	if n := number(p["asked"]); n > 0 {
		s.line("Of those", fmt.Sprintf("%s would have been asked for more", counted(float64(n), "sign-in")))
	}
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
		if f["authenticationStrength"] != nil {
			fmt.Fprintln(w, "  portreeve approval adopt --dry-run      # what is in use may go on")
		}
		fmt.Fprintf(w, "  portreeve policy enable %s --confirm-within 10m\n", printable(quotedWord(text(at(f, "policy.displayName")))))
	}
}

// madeOf says what a template made.
func madeOf(f map[string]any) string {
	if f["dryRun"] == true {
		return "nothing: this is a dry run"
	}
	var names []string
	for _, p := range items(f["policies"]) {
		names = append(names, fmt.Sprintf("%q", text(p["displayName"])))
	}
	made := strings.Join(names, ", ") + ", report-only"
	if f["authenticationStrength"] != nil {
		made += ", and its authentication strength"
	}
	if l := text(at(f, "namedLocation.displayName")); l != "" {
		made += fmt.Sprintf(", and the location %q", l)
	}
	return made
}
