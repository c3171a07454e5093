package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) strengths() objects { return objects{a, "strength", strengths} }

func (a *app) strength() *cobra.Command {
	d := a.strengths()
	return noun("strength", "Authentication strengths: which methods together are enough", a.strengthList(), d.show(showStrength), d.imports(), d.export(), d.delete())
}

func (a *app) strengthList() *cobra.Command {
	return verb("list", "List authentication strengths, the built-in ones too", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		rows, err := a.client().rows(cmd.Context(), strengths, nil, 0)
		if err != nil {
			return err
		}
		return a.output().list(rows, field("name", "displayName"), field("type", "policyType"), of("methods", func(f map[string]any) string {
			all := combinationsOf(f)
			if len(all) > 3 {
				return strings.Join(all[:3], " | ") + " | …"
			}
			return strings.Join(all, " | ")
		}), field("id", "id"))
	})
}

// combinationsOf are the methods that are enough, a combination each.
func combinationsOf(f map[string]any) (all []string) {
	list, _ := f["allowedCombinations"].([]any)
	for _, c := range list {
		all = append(all, strings.ReplaceAll(text(c), ",", " + "))
	}
	return all
}

func showStrength(w io.Writer, r row) {
	s := sheet{w: w}
	s.line("Strength", text(r.fields["displayName"]))
	s.line("Enough is", strings.Join(combinationsOf(r.fields), "\n"))
}
