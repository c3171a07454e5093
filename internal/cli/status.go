package cli

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/config"
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
	if incomplete, _ := f["incomplete"].([]any); len(incomplete) > 0 {
		s.head("The configuration lacks a piece")
		for _, one := range incomplete {
			s.text(text(one))
		}
	}
	s.block("Taken back unless confirmed", f["waiting"], func(x map[string]any) []string {
		return []string{o.time(text(x["until"])), "changed by " + text(x["actor"]), touchedWords(x), text(x["reason"])}
	})
	s.block("People say it was not them", f["disowned"], func(x map[string]any) []string {
		return []string{text(x["user"]), o.time(text(x["at"])), text(x["reference"]), "`portreeve signins show " + text(x["reference"]) + "` tells"}
	})
	s.block("Listeners", f["listeners"], func(x map[string]any) []string {
		return []string{text(x["name"]), text(x["protocol"]), text(x["address"])}
	})
	s.block("Backends", f["backends"], func(x map[string]any) []string {
		how := "answered " + o.time(text(x["at"]))
		if fault := text(x["fault"]); fault != "" {
			how = "away: " + fault
		}
		return []string{text(x["backend"]), text(x["protocol"]), text(x["address"]), how}
	})
	s.block("Ports left", f["portsLeft"], func(x map[string]any) []string {
		return []string{text(x["left"]), "from " + text(x["source"]), "to " + text(x["endpoint"]), text(x["backend"])}
	})
	s.block("Certificates", f["certificates"], func(x map[string]any) []string {
		var warnings []string
		if all, ok := x["Warnings"].([]any); ok {
			for _, w := range all {
				warnings = append(warnings, text(w))
			}
		}
		return []string{text(x["Names"]), text(x["Algorithm"]), "until " + o.time(text(x["NotAfter"])), strings.Join(warnings, "; ")}
	})
	s.block("Issuers", f["issuers"], func(x map[string]any) []string {
		return []string{text(x["name"]), text(x["issuer"]), counted(float64(number(x["keys"])), "key"), text(x["fault"])}
	})
	if own := text(at(f, "issuer.issuer")); own != "" {
		s.head("Our own issuer")
		s.text(own + ": " + counted(float64(number(at(f, "issuer.programs"))), "program") + " may ask, " + counted(float64(number(at(f, "issuer.grants"))), "sign-in") + " of programs")
		if n := number(at(f, "issuer.damages")); n > 0 {
			s.text(counted(float64(n), "sign-in") + " of programs cannot be read and count as ended: " + printable(strings.Join(stringsOf(at(f, "issuer.damaged")), ", ")) + "; their people sign in anew")
		}
		if at(f, "issuer.opensDoors") != true {
			s.text(config.TokensOpenNothing)
		}
	}
	s.block("Directories", f["directories"], func(x map[string]any) []string {
		how := "read " + o.time(text(x["read"]))
		if fault := text(x["fault"]); fault != "" {
			how = "away: " + fault
		}
		return []string{text(x["name"]), text(x["people"]) + " people", how}
	})
	s.block("Sign-in providers", f["providers"], func(x map[string]any) []string {
		return []string{text(x["name"]), text(x["issuer"]), text(x["fault"])}
	})
	s.block("Forwarders", f["forwarders"], func(x map[string]any) []string {
		how := text(x["withAddress"]) + " connections with their browser's address"
		if silent := text(x["withoutAddress"]); silent != "0" {
			how += ", " + silent + " without: it hides everybody behind its own"
		}
		return []string{text(x["name"]), how}
	})
	if sent := text(at(f, "notices.sent")); sent != "" {
		s.head("Notices by mail")
		s.text(sent + " sent, " + text(at(f, "notices.waiting")) + " waiting, " + text(at(f, "notices.failed")) + " given up, " + text(at(f, "notices.dropped")) + " dropped")
	}
	if danger, warning := text(at(f, "audit.danger")), text(at(f, "audit.warning")); danger+warning != "00" && danger != "" {
		s.head("Audit")
		s.text(counted(float64(number(at(f, "audit.danger"))), "hole") + " and " + counted(float64(number(at(f, "audit.warning"))), "warning") + ": `portreeve audit self` tells")
	}
	if targets := text(at(f, "alarms.targets")); targets != "" {
		s.head("Alarms")
		s.text("to " + counted(float64(number(at(f, "alarms.targets"))), "target") + ", " + text(at(f, "alarms.waiting")) + " on their way, " + text(at(f, "alarms.dead")) + " given up")
	}
	if reports := text(at(f, "observe.reports")); reports != "" {
		s.head("Observe")
		s.text(reports + " reports, " + text(at(f, "observe.unread")) + " that could not be read")
	}
	s.block("Rules that may not do what was meant", f["findings"], func(x map[string]any) []string {
		return []string{text(x["severity"]), aboutWords(x), text(x["id"]), "`portreeve policy lint` tells"}
	})
	if warnings := items(f["warnings"]); len(warnings) > 0 {
		s.head("Rules that are not enforced as they stand")
		about := map[string]int{}
		for _, x := range warnings {
			about[text(x["object"])+" "+text(x["name"])]++
		}
		for _, what := range slices.Sorted(maps.Keys(about)) {
			s.text(fmt.Sprintf("%s: %s; `portreeve policy lint` tells", what, counted(float64(about[what]), "note")))
		}
	}
}

// block prints a list of objects under a heading, if there are any.
func (s *sheet) block(title string, list any, cells func(map[string]any) []string) {
	var rows [][]string
	for _, x := range items(list) {
		rows = append(rows, cells(x))
	}
	if len(rows) > 0 {
		s.head(title)
		s.table("  ", rows)
	}
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
