package cli

import (
	"encoding/json"
	"net/http"

	"github.com/spf13/cobra"
)

func (a *app) userCut() *cobra.Command {
	c := verb("cut ADDRESS", "Shut somebody out who leaves: sessions, tokens, app passwords, windows, rights to mailboxes", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		var cut struct {
			Value []json.RawMessage `json:"value"`
		}
		if err := a.client().do(cmd.Context(), http.MethodPost, path(people, args[0], "cut"), nil, nil, &cut); err != nil {
			return err
		}
		rows := make([]row, len(cut.Value))
		for i, raw := range cut.Value {
			r, err := newRow(raw)
			if err != nil {
				return err
			}
			rows[i] = r
		}
		return a.output().list(rows, when("time", "at"), field("what", "what"), field("detail", "detail"))
	})
	c.Long = `Shut somebody out who leaves, at once and in one change: the person is disabled, what
they have open is closed, and tokens, app passwords, approval windows, remembered
browsers, a temporary access pass and their rights to others' mailboxes are taken back.
Each is printed with its time. The mailbox stays, and whoever has a right to it still
opens it. Disabling alone (user disable, or the directory) closes and refuses as well,
but leaves the rest for the day the person is enabled again.`
	c.ValidArgsFunction = a.names(people, "address")
	return c
}

func (a *app) userImport() *cobra.Command {
	var dry, makeGroups bool
	c := verb("import FILE", "Add and change people as a CSV list says: all of it or nothing", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		file, err := a.readFile(args[0])
		if err != nil {
			return err
		}
		var raw json.RawMessage
		q := values("dryRun", truth(dry), "makeGroups", truth(makeGroups))
		if err := a.client().do(cmd.Context(), http.MethodPost, people+"/import", q, file, &raw); err != nil {
			return inFile(args[0], err)
		}
		r, err := newRow(raw)
		if err != nil {
			return err
		}
		if a.format != "table" {
			return a.output().object(r, nil)
		}
		would := map[bool]string{true: "would be ", false: ""}[dry]
		a.done("%s rows: %s%s added, %s%s changed, %s as they are", text(r.fields["rows"]), would, text(r.fields["added"]), would, text(r.fields["changed"]), text(r.fields["unchanged"]))
		return nil
	})
	c.Long = `Add and change people as a CSV list says. Its first line names the columns, in any order:

  address,displayName,passwordHash,groups,aliases,disabled,backend

Only address is needed. An empty cell leaves what is there. Several groups or aliases in
a cell are separated by semicolons; what the list does not name stays. Hashes are those
that user add --hash-stdin takes. Everything at fault is told with its line, and then
nothing is changed.`
	c.Flags().BoolVar(&dry, "dry-run", false, "say what would change, and change nothing")
	c.Flags().BoolVar(&makeGroups, "make-groups", false, "make groups that are not there yet")
	return c
}
