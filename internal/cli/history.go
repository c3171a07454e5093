package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// past is the history of the objects of one kind.
type past struct {
	*app
	kind, word string // the server's word and ours
	resource   string // where those are listed that are not deleted
	member     string // their name's
}

func (a *app) pastPolicies() past { return past{a, "policy", "policy", policies, "displayName"} }

const histories = ours + "/history"

// history lists who changed what; without a name every object of the kind that
// was ever changed.
func (p past) history() *cobra.Command {
	var limit int
	c := verb("history [NAME]", "List the versions of one, newest first: who, when, why, what; without NAME the changes of all", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		if limit < 1 {
			return usage("--limit is 1 or more, not %d", limit)
		}
		if len(args) == 0 {
			rows, err := p.client().rows(cmd.Context(), ours+"/audits", values("kind", p.kind, "top", page(limit)), limit)
			if err != nil {
				return err
			}
			return p.output().list(rows, when("time", "at"), field("name", "name"), field("actor", "actor"), field("action", "action"), field("origin", "origin"), field("reason", "reason"))
		}
		rows, err := p.client().rows(cmd.Context(), path(histories, p.kind, args[0]), values("top", page(limit)), limit)
		if err != nil {
			return err
		}
		return p.output().list(rows, field("version", "version"), when("time", "at"), field("actor", "actor"), field("action", "action"), field("origin", "origin"),
			of("changes", changedMembers), field("reason", "reason"))
	})
	c.Flags().IntVar(&limit, "limit", 100, "at most so many")
	c.ValidArgsFunction = p.names(p.resource, p.member)
	return c
}

// changedMembers names the members that a version changed, each once.
func changedMembers(f map[string]any) string {
	if text(f["action"]) != "update" {
		return ""
	}
	var all []string
	for _, x := range items(f["changes"]) {
		all = append(all, strings.TrimPrefix(text(x["pointer"]), "/"))
	}
	return strings.Join(all, ", ")
}

func (p past) diff() *cobra.Command {
	c := verb("diff NAME [VERSION] [VERSION]", "Show member by member what a version changed, or what lies between two", cobra.RangeArgs(1, 3), func(cmd *cobra.Command, args []string) error {
		var from, to string
		switch len(args) {
		case 2:
			to = args[1]
		case 3:
			from, to = args[1], args[2]
		}
		r, err := p.client().object(cmd.Context(), path(histories, p.kind, args[0], "diff"), values("from", from, "to", to))
		if err != nil {
			return err
		}
		if p.format != "table" {
			return p.output().object(r, nil)
		}
		p.done("%s %q, version %s → %s", p.word, printable(text(r.fields["name"])), text(r.fields["from"]), text(r.fields["to"]))
		for _, x := range items(r.fields["value"]) {
			fmt.Fprintln(p.out, printable(differenceOf(x)))
		}
		return nil
	})
	c.Long = `Show member by member what a version changed: the newest, the VERSION named, or
everything that lies between two. Version 0 is before there was anything.`
	c.ValidArgsFunction = p.names(p.resource, p.member)
	return c
}

// differenceOf is one member's change as people read it.
func differenceOf(x map[string]any) string {
	_, was := x["before"]
	_, is := x["after"]
	pointer := text(x["pointer"])
	switch {
	case !was:
		return "+ " + pointer + ": " + jsonText(x["after"])
	case !is:
		return "- " + pointer + ": " + jsonText(x["before"])
	}
	return "~ " + pointer + ": " + jsonText(x["before"]) + " → " + jsonText(x["after"])
}

func (p past) restore() *cobra.Command {
	var version int64
	c := verb("restore NAME", "Put an old version back, as a change of its own; a deleted one too", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if version < 0 {
			return usage("--version is a number from `history`, not %d", version)
		}
		var raw json.RawMessage
		if err := p.client().do(cmd.Context(), http.MethodPost, path(histories, p.kind, args[0], "restore"), nil, map[string]int64{"version": version}, &raw); err != nil {
			return err
		}
		what := ""
		if version > 0 {
			what = fmt.Sprintf(" as it was in version %d", version)
		}
		return p.changed(raw, fmt.Sprintf("restored %s %q%s", p.word, args[0], what))
	})
	c.Flags().Int64Var(&version, "version", 0, "the version to put back; of a deleted one the last if it is not said")
	p.confirmFlag(c)
	c.ValidArgsFunction = p.names(p.resource, p.member)
	return c
}
