package cli

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"

	"github.com/spf13/cobra"
)

func (a *app) status() *cobra.Command {
	return verb("status", "The running server on one screen", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		r, err := a.client().object(cmd.Context(), ours+"/status", nil)
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) { a.tellStatus(w, r.fields) })
	})
}

func (a *app) tellStatus(w io.Writer, f map[string]any) {
	s := sheet{w: w}
	o := a.output()
	s.line("Version", text(f["version"]))
	s.line("Running", "since "+o.time(text(f["began"]))+", process "+text(f["pid"]))
	s.line("Rules", "version "+text(f["policyVersion"]))
	s.line("People", text(f["people"]))
	s.line("Connections", fmt.Sprintf("%s signed in, %s signing in", text(f["sessions"]), text(f["signingIn"])))
	s.line("Descriptors", fmt.Sprintf("%s of %s", text(at(f, "descriptors.used")), text(at(f, "descriptors.limit"))))
	s.line("Guard", fmt.Sprintf("%s counted, %s waiting", text(at(f, "guard.counted")), text(at(f, "guard.waiting"))))
	log := "database " + text(at(f, "log.database"))
	if b, ok := at(f, "log.fileBytes").(float64); ok {
		log += fmt.Sprintf(", %.1f MB", b/1e6)
	}
	if at(f, "log.journalInUse") == true {
		log += ", journal in use"
	}
	s.line("Sign-in log", log)
	if text(at(f, "log.warning")) != "" {
		s.line("Attention", text(at(f, "log.warning")))
	}
	s.block("Listeners", items(f["listeners"]), "name", "protocol", "address")
	s.block("Backends", items(f["backends"]))
	s.block("Certificates", items(f["certificates"]))
	s.block("Issuers", items(f["issuers"]))
	if warnings := items(f["warnings"]); len(warnings) > 0 {
		s.head("Rules that are not enforced as they stand")
		about := map[string]int{}
		for _, x := range warnings {
			about[text(x["object"])+" "+text(x["name"])]++
		}
		for _, what := range slices.Sorted(maps.Keys(about)) {
			s.text(fmt.Sprintf("%s: %s; `portreeve policy show NAME` tells", what, counted(float64(about[what]), "note")))
		}
	}
}

// block prints a list of objects: the members named, or each with all it has.
func (s *sheet) block(title string, list []map[string]any, members ...string) {
	if len(list) == 0 {
		return
	}
	s.head(title)
	var rows [][]string
	for _, x := range list {
		var cells []string
		names := members
		if names == nil {
			names = sortedNames(x)
		}
		for _, m := range names {
			cell := text(x[m])
			if members == nil && cell != "" {
				cell = m + " " + cell
			}
			cells = append(cells, cell)
		}
		rows = append(rows, cells)
	}
	s.table("  ", rows)
}

func (a *app) backend() *cobra.Command {
	var from string
	check := verb("check", "Try every backend port, and every way round the gate", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		if _, err := netip.ParseAddr(from); from != "" && err != nil {
			return usage("--from is an address of the server's machine, not %q", from)
		}
		rows, err := a.client().rows(cmd.Context(), ours+"/backends/check", values("from", from), 0)
		if err != nil {
			return err
		}
		if a.format != "table" {
			return a.output().list(rows, field("id", "id"), field("backend", "backend"), field("address", "address"), field("finding", "sentence"))
		}
		for _, r := range rows {
			fmt.Fprintf(a.out, "%s %s: %s\n", printable(text(r.fields["backend"])), printable(text(r.fields["address"])), printable(text(r.fields["sentence"])))
			if fix, ok := r.fields["fix"].([]any); ok {
				for _, line := range fix {
					fmt.Fprintf(a.out, "    %s\n", printable(text(line)))
				}
			}
		}
		if len(rows) > 0 {
			return &failure{exit: exitFailed, what: counted(float64(len(rows)), "finding")}
		}
		a.done("every backend answers, and nothing leads round the gate")
		return nil
	})
	check.Flags().StringVar(&from, "from", "", "try from this address, as programs outside would")
	return noun("backend", "The mail servers behind the gate", check)
}
