package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// matrixFlags ask for many imagined sign-ins at once.
type matrixFlags struct {
	on            bool
	users, places []string
	group         string
}

func (m *matrixFlags) flags(c *cobra.Command) {
	c.Flags().BoolVar(&m.on, "matrix", false, "judge people, protocols, kinds of credential and places at once; --protocol and --credential take several, with commas")
	c.Flags().StringArrayVar(&m.users, "and-user", nil, "with --matrix: one more person")
	c.Flags().StringVar(&m.group, "group", "", "with --matrix: everybody in this group")
	c.Flags().StringArrayVar(&m.places, "place", nil, "with --matrix: an address, or a country's two letters")
}

func (a *app) whatifMatrix(ctx context.Context, m *matrixFlags, user, protocols, credentials string) error {
	words := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
	}
	body := map[string]any{"users": append(words(user), m.users...), "group": m.group, "protocols": words(protocols), "credentials": words(credentials), "places": m.places}
	var answer struct {
		Value []json.RawMessage `json:"value"`
	}
	if err := a.client().do(ctx, http.MethodPost, ours+"/whatIf/matrix", nil, body, &answer); err != nil {
		return err
	}
	rows := []row{}
	for _, raw := range answer.Value {
		r, err := newRow(raw)
		if err != nil {
			return err
		}
		rows = append(rows, r)
	}
	return a.output().list(rows, field("user", "user"), field("protocol", "protocol"), field("credential", "credential"), field("place", "place"),
		field("verdict", "effect"), field("code", "code"), field("by", "byName"))
}

// tellBeyond says what an imagined sign-in hangs on and what would turn it round.
func tellBeyond(s *sheet, f map[string]any) {
	if on := items(f["dependsOn"]); len(on) > 0 {
		s.head("It depends on what was not stated")
		for _, d := range on {
			var rows [][]string
			fmt.Fprintf(s.w, "  %s\n", printable(text(d["fact"])))
			for _, v := range items(d["values"]) {
				rows = append(rows, []string{text(v["value"]), strings.Join(notesOf(v["effects"]), " or ")})
			}
			s.table("    ", rows)
		}
	}
	if r, ok := f["withReportOnly"].(map[string]any); ok {
		s.head("If every report-only policy were enforced")
		s.text(strings.TrimSpace(text(r["effect"]) + " " + text(r["code"]) + " " + text(r["byName"])))
	}
	if flips := items(f["flips"]); len(flips) > 0 {
		s.head("Single changes that would turn it round")
		var rows [][]string
		for _, x := range flips[:min(len(flips), listed)] {
			rows = append(rows, []string{text(x["text"]), text(x["effect"])})
		}
		s.table("  ", rows)
		more(s.w, len(flips))
	}
}
