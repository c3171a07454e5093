package cli

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

// valueKinds are what has versions without being an object with a text.
var valueKinds = []string{"switch", "assignment", "setting"}

const valueHelp = `A switch is HOLDER/SWITCH, an assignment of an authentication policy is its HOLDER, a
setting its name. HOLDER is organization, domain:NAME, group:NAME or mailbox:ADDRESS.
Policies, locations and authentication policies have their history under their own nouns.`

func (a *app) history() *cobra.Command {
	return noun("history", "What switches, assignments and settings were, and who changed them", a.valueList(), a.valueDiff(), a.valueRestore())
}

// kindOfValue reads the first word.
func kindOfValue(word string) error {
	for _, k := range valueKinds {
		if word == k {
			return nil
		}
	}
	return usage("there is a history of switch, assignment and setting here, not of %q; policies, locations and authentication policies have theirs under their own nouns", word)
}

func (a *app) valueList() *cobra.Command {
	var limit int
	c := verb("list KIND [WHAT]", "List the versions of a switch, an assignment or a setting, newest first; without WHAT the changes of all", cobra.RangeArgs(1, 2), func(cmd *cobra.Command, args []string) error {
		if err := kindOfValue(args[0]); err != nil {
			return err
		}
		if limit < 1 {
			return usage("--limit is 1 or more, not %d", limit)
		}
		columns := []column{when("time", "at"), field("actor", "actor"), field("origin", "origin"),
			of("before", func(f map[string]any) string { return jsonText(f["before"]) }), of("after", func(f map[string]any) string { return jsonText(f["after"]) }), field("reason", "reason")}
		if len(args) == 1 {
			rows, err := a.client().rows(cmd.Context(), ours+"/audits", values("kind", args[0], "top", page(limit)), limit)
			if err != nil {
				return err
			}
			return a.output().list(rows, append([]column{field("name", "name"), field("holder", "object")}, columns...)...)
		}
		rows, err := a.client().rows(cmd.Context(), path(histories, args[0], args[1]), values("top", page(limit)), limit)
		if err != nil {
			return err
		}
		return a.output().list(rows, append([]column{field("version", "version")}, columns...)...)
	})
	c.Long = "List the versions of a switch, an assignment or a setting, newest first.\n\n" + valueHelp
	c.Example = "  portreeve history list switch mailbox:leela@example.org/ImapEnabled\n  portreeve history list assignment group:staff\n  portreeve history list setting mfaAlsoAccepts"
	c.Flags().IntVar(&limit, "limit", 100, "at most so many")
	c.ValidArgsFunction = cobra.FixedCompletions(valueKinds, cobra.ShellCompDirectiveNoFileComp)
	return c
}

func (a *app) valueDiff() *cobra.Command {
	c := verb("diff KIND WHAT [VERSION] [VERSION]", "Show what a version changed, or what lies between two", cobra.RangeArgs(2, 4), func(cmd *cobra.Command, args []string) error {
		if err := kindOfValue(args[0]); err != nil {
			return err
		}
		var from, to string
		switch len(args) {
		case 3:
			to = args[2]
		case 4:
			from, to = args[2], args[3]
		}
		r, err := a.client().object(cmd.Context(), path(histories, args[0], args[1], "diff"), values("from", from, "to", to))
		if err != nil {
			return err
		}
		if a.format != "table" {
			return a.output().object(r, nil)
		}
		a.done("%s %s, version %s → %s", args[0], printable(args[1]), text(r.fields["from"]), text(r.fields["to"]))
		for _, x := range items(r.fields["value"]) {
			fmt.Fprintf(a.out, "~ %s → %s\n", printable(jsonText(x["before"])), printable(jsonText(x["after"])))
		}
		return nil
	})
	c.Long = "Show what a version changed, or what lies between two. Version 0 is before anybody set it.\n\n" + valueHelp
	c.ValidArgsFunction = cobra.FixedCompletions(valueKinds, cobra.ShellCompDirectiveNoFileComp)
	return c
}

func (a *app) valueRestore() *cobra.Command {
	var version int64
	c := verb("restore KIND WHAT --version N", "Set a switch, an assignment or a setting to what it was in a version, as a change of its own", cobra.ExactArgs(2), func(cmd *cobra.Command, args []string) error {
		if err := kindOfValue(args[0]); err != nil {
			return err
		}
		var raw json.RawMessage
		if err := a.client().do(cmd.Context(), http.MethodPost, path(histories, args[0], args[1], "restore"), nil, map[string]int64{"version": version}, &raw); err != nil {
			return err
		}
		return a.changed(raw, fmt.Sprintf("restored %s %s as it was in version %d", args[0], args[1], version))
	})
	c.Long = "Set a switch, an assignment or a setting to what it was in a version. Version 0 is before\nanybody set it.\n\n" + valueHelp
	c.Flags().Int64Var(&version, "version", 0, "the version to go back to; 0: before anybody set it")
	_ = c.MarkFlagRequired("version")
	a.confirmFlag(c)
	c.ValidArgsFunction = cobra.FixedCompletions(valueKinds, cobra.ShellCompDirectiveNoFileComp)
	return c
}
