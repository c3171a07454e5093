package cli

import (
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

const groups = ours + "/groups"

func (a *app) group() *cobra.Command {
	list := verb("list", "List groups", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		rows, err := a.client().rows(cmd.Context(), groups, nil, 0)
		if err != nil {
			return err
		}
		return a.output().list(rows, field("name", "name"), field("id", "id"), when("made", "created"))
	})
	show := verb("show GROUP", "Show a group and its members", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		r, err := a.client().object(cmd.Context(), path(groups, args[0]), nil)
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) { showGroup(w, r.fields) })
	})
	add := verb("add NAME", "Make a group", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if err := a.client().do(cmd.Context(), http.MethodPost, groups, nil, map[string]string{"name": args[0]}, nil); err != nil {
			return err
		}
		a.done("added group %s", printable(args[0]))
		return nil
	})
	remove := verb("delete GROUP", "Delete a group with its switches and assignment", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if err := a.client().do(cmd.Context(), http.MethodDelete, path(groups, args[0]), nil, nil, nil); err != nil {
			return err
		}
		a.done("deleted group %s", printable(args[0]))
		return nil
	})
	join := a.membership("add-member GROUP MEMBER…", "Put people or groups into a group", http.MethodPut, "added %s to %s")
	leave := a.membership("remove-member GROUP MEMBER…", "Take people or groups out of a group", http.MethodDelete, "removed %s from %s")
	for _, c := range []*cobra.Command{show, remove, join, leave} {
		c.ValidArgsFunction = a.names(groups, "name")
	}
	return noun("group", "Groups of people", list, show, add, remove, join, leave)
}

func showGroup(w io.Writer, f map[string]any) {
	s := sheet{w: w}
	s.line("Name", text(f["name"]))
	s.line("Id", text(f["id"]))
	s.head("Members")
	var rows [][]string
	for _, m := range items(f["members"]) {
		kind := "person"
		if m["isGroup"] == true {
			kind = "group"
		}
		rows = append(rows, []string{text(m["name"]), kind})
	}
	if len(rows) == 0 {
		s.text("none; `portreeve group add-member GROUP MEMBER` adds one")
	}
	s.table("  ", rows)
}

func (a *app) membership(use, short, method, said string) *cobra.Command {
	return verb(use, short, cobra.MinimumNArgs(2), func(cmd *cobra.Command, args []string) error {
		for _, member := range args[1:] {
			if err := a.client().do(cmd.Context(), method, path(groups, args[0], "members", member), nil, nil, nil); err != nil {
				return err
			}
			a.done(said, printable(member), printable(args[0]))
		}
		return nil
	})
}
