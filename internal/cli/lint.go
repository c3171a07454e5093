package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/span"
)

const findings = ours + "/lint"

// policyLint tells what the authors of policies and locations may not have meant.
func (a *app) policyLint() *cobra.Command {
	var seen string
	var strict bool
	c := verb("lint [NAME]", "Find what was hardly meant: what never applies, is shadowed, shuts out too many, or runs out", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		n, err := span.Days(seen)
		if err != nil {
			return usage("--seen: %v", err)
		}
		name := ""
		if len(args) == 1 {
			name = args[0]
		}
		rows, err := a.client().rows(cmd.Context(), findings, values("object", name, "days", strconv.Itoa(n)), 0)
		if err != nil {
			return err
		}
		if err := a.tellLint(rows, name != ""); err != nil {
			return err
		}
		if worse := slices.ContainsFunc(rows, func(r row) bool { return text(r.fields["severity"]) != "note" }); strict && worse {
			return &failure{exit: exitFailed, what: "something was found"}
		}
		return nil
	})
	c.Example = `  portreeve policy lint
  portreeve policy lint "Block legacy authentication" -o json
  portreeve policy lint --strict && echo clean`
	c.Flags().StringVar(&seen, "seen", "30d", "how far back sign-ins are counted as evidence: 7d, 12w, 1y")
	c.Flags().BoolVar(&strict, "strict", false, "end with an error if there is more than notes")
	c.ValidArgsFunction = a.names(policies, "displayName")
	return c
}

// tellLint tells all findings; of one object with the JSON that mends it.
func (a *app) tellLint(rows []row, one bool) error {
	if a.format != "table" {
		return a.output().list(rows, field("severity", "severity"), field("finding", "id"), of("about", aboutWords), field("sentence", "sentence"))
	}
	if len(rows) == 0 {
		a.done("nothing found")
		return nil
	}
	for _, r := range rows {
		tellFinding(a.out, r.fields, "")
		if fix := at(r.fields, "fix.json"); fix != nil && one {
			tellJSON(a.out, fix)
		}
	}
	return nil
}

// tellJSON writes what is to be changed of an object, as a PATCH takes it.
func tellJSON(w io.Writer, v any) {
	raw, err := json.MarshalIndent(v, "      ", "  ")
	if err != nil {
		return
	}
	for line := range strings.Lines("      " + string(raw) + "\n") {
		fmt.Fprintln(w, printable(strings.TrimRight(line, "\n")))
	}
}

func aboutWords(f map[string]any) string {
	name := text(at(f, "object.displayName"))
	if name == "" {
		name = text(at(f, "object.id"))
	}
	return text(at(f, "object.kind")) + " " + name
}

// tellFinding writes one finding: what, what it rests on, and how to mend it.
func tellFinding(w io.Writer, f map[string]any, indent string) {
	s := sheet{w: w}
	s.item(indent, fmt.Sprintf("%s: %s: %s (%s)", text(f["severity"]), aboutWords(f), text(f["sentence"]), text(f["id"])))
	if all, ok := f["evidence"].([]any); ok {
		for _, e := range all {
			s.item(indent+"    ", text(e))
		}
	}
	if fix := text(at(f, "fix.text")); fix != "" {
		s.item(indent+"    ", "mend: "+fix)
	}
	if command := text(at(f, "fix.command")); command != "" {
		fmt.Fprintln(w, indent+"    `"+printable(command)+"`") // in one line, to be copied
	}
}

// findingsBy counts findings by the object that they are about; nil if they
// could not be asked for.
func (a *app) findingsBy(ctx context.Context) map[string]int {
	rows, err := a.client().rows(ctx, findings, values("days", "0"), 0)
	if err != nil {
		return nil
	}
	by := map[string]int{}
	for _, r := range rows {
		by[text(at(r.fields, "object.id"))]++
	}
	return by
}

// tellFound prints what is found of an object in force, but for what its
// warnings have said.
func (d objects) tellFound(ctx context.Context, w io.Writer, id string) {
	rows, err := d.client().rows(ctx, findings, values("object", id, "days", "0"), 0)
	if err != nil {
		return
	}
	rows = slices.DeleteFunc(rows, func(r row) bool { id := text(r.fields["id"]); return id == "not-enforced" || id == "refers-to-nothing" })
	if len(rows) == 0 {
		return
	}
	s := sheet{w: w}
	s.head("Hardly meant so")
	for _, r := range rows {
		tellFinding(w, r.fields, "  ")
	}
}

// tellFindings prints what was found of an object that was saved, and returns
// the warnings that say the same.
func (d objects) tellFindings(f map[string]any) (told map[string]bool) {
	told = map[string]bool{}
	for _, x := range items(f["@portreeve.findings"]) {
		told[text(x["warning"])] = true
		fmt.Fprintf(d.err, "  %s: %s (%s)\n", printable(text(x["severity"])), printable(text(x["sentence"])), printable(text(x["id"])))
		if text(x["severity"]) == "note" {
			continue // `policy lint` says how to mend it
		}
		fmt.Fprintf(d.err, "    mend: %s\n", printable(text(at(x, "fix.text"))))
		if command := text(at(x, "fix.command")); command != "" {
			fmt.Fprintf(d.err, "    `%s`\n", printable(command))
		}
	}
	return told
}
