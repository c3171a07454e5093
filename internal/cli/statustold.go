package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/config"
)

// statusSheet is the answer of the status, being told.
type statusSheet struct {
	sheet
	o *output
	f map[string]any
}

func (a *app) tellStatus(w io.Writer, f map[string]any) {
	s := statusSheet{sheet{w: w}, a.output(), f}
	s.process()
	s.waits()
	s.doors()
	s.issuers()
	s.others()
	s.tellers()
	s.rules()
}

// process is how the server itself is.
func (s *statusSheet) process() {
	s.line("Version", text(s.f["version"]))
	s.line("Running", "since "+s.o.time(text(s.f["began"]))+", process "+text(s.f["pid"]))
	s.line("Rules", "version "+text(s.f["policyVersion"]))
	s.line("People", text(s.f["people"]))
	s.line("Connections", fmt.Sprintf("%s signed in, %s signing in", text(s.f["sessions"]), text(s.f["signingIn"])))
	s.line("Descriptors", fmt.Sprintf("%s of %s", text(at(s.f, "descriptors.used")), text(at(s.f, "descriptors.limit"))))
	s.line("Guard", fmt.Sprintf("%s counted, %s waiting", text(at(s.f, "guard.counted")), text(at(s.f, "guard.waiting"))))
	log := "database " + text(at(s.f, "log.database"))
	if b, ok := at(s.f, "log.fileBytes").(float64); ok {
		log += fmt.Sprintf(", %.1f MB", b/1e6)
	}
	if at(s.f, "log.journalInUse") == true {
		log += ", journal in use"
	}
	s.line("Sign-in log", log)
	if text(at(s.f, "log.warning")) != "" {
		s.line("Attention", text(at(s.f, "log.warning")))
	}
}

// waits is what waits for an administrator.
func (s *statusSheet) waits() {
	if incomplete, _ := s.f["incomplete"].([]any); len(incomplete) > 0 {
		s.head("The configuration lacks a piece")
		for _, one := range incomplete {
			s.text(text(one))
		}
	}
	s.block("Taken back unless confirmed", s.f["waiting"], func(x map[string]any) []string {
		return []string{s.o.time(text(x["until"])), "changed by " + text(x["actor"]), touchedWords(x), text(x["reason"])}
	})
	s.block("People say it was not them", s.f["disowned"], func(x map[string]any) []string {
		return []string{text(x["user"]), s.o.time(text(x["at"])), text(x["reference"]), "`portreeve signins show " + text(x["reference"]) + "` tells"}
	})
}

// doors are what listens, and the mail servers behind it.
func (s *statusSheet) doors() {
	s.block("Listeners", s.f["listeners"], func(x map[string]any) []string {
		return []string{text(x["name"]), text(x["protocol"]), text(x["address"])}
	})
	s.block("Backends", s.f["backends"], func(x map[string]any) []string {
		how := "answered " + s.o.time(text(x["at"]))
		if fault := text(x["fault"]); fault != "" {
			how = "away: " + fault
		}
		return []string{text(x["backend"]), text(x["protocol"]), text(x["address"]), how}
	})
	s.block("Ports left", s.f["portsLeft"], func(x map[string]any) []string {
		return []string{text(x["left"]), "from " + text(x["source"]), "to " + text(x["endpoint"]), text(x["backend"])}
	})
	s.block("Certificates", s.f["certificates"], func(x map[string]any) []string {
		var warnings []string
		if all, ok := x["Warnings"].([]any); ok {
			for _, w := range all {
				warnings = append(warnings, text(w))
			}
		}
		return []string{text(x["Names"]), text(x["Algorithm"]), "until " + s.o.time(text(x["NotAfter"])), strings.Join(warnings, "; ")}
	})
}

// issuers are where tokens come from.
func (s *statusSheet) issuers() {
	s.block("Issuers", s.f["issuers"], func(x map[string]any) []string {
		return []string{text(x["name"]), text(x["issuer"]), counted(float64(number(x["keys"])), "key"), text(x["fault"])}
	})
	if own := text(at(s.f, "issuer.issuer")); own != "" {
		s.head("Our own issuer")
		s.text(own + ": " + counted(float64(number(at(s.f, "issuer.programs"))), "program") + " may ask, " + counted(float64(number(at(s.f, "issuer.grants"))), "sign-in") + " of programs")
		if n := number(at(s.f, "issuer.damages")); n > 0 {
			s.text(counted(float64(n), "sign-in") + " of programs cannot be read and count as ended: " + printable(strings.Join(stringsOf(at(s.f, "issuer.damaged")), ", ")) + "; their people sign in anew")
		}
		if at(s.f, "issuer.opensDoors") != true {
			s.text(config.TokensOpenNothing)
		}
	}
}

// others are the servers that the gate asks, or is asked by.
func (s *statusSheet) others() {
	s.block("Directories", s.f["directories"], func(x map[string]any) []string {
		how := "read " + s.o.time(text(x["read"]))
		if fault := text(x["fault"]); fault != "" {
			how = "away: " + fault
		}
		return []string{text(x["name"]), text(x["people"]) + " people", how}
	})
	s.block("Sign-in providers", s.f["providers"], func(x map[string]any) []string {
		return []string{text(x["name"]), text(x["issuer"]), text(x["fault"])}
	})
	s.block("Forwarders", s.f["forwarders"], func(x map[string]any) []string {
		how := text(x["withAddress"]) + " connections with their browser's address"
		if silent := text(x["withoutAddress"]); silent != "0" {
			how += ", " + silent + " without: it hides everybody behind its own"
		}
		return []string{text(x["name"]), how}
	})
}

// tellers are what goes out, and is counted.
func (s *statusSheet) tellers() {
	if sent := text(at(s.f, "notices.sent")); sent != "" {
		s.head("Notices by mail")
		s.text(sent + " sent, " + text(at(s.f, "notices.waiting")) + " waiting, " + text(at(s.f, "notices.failed")) + " given up, " + text(at(s.f, "notices.dropped")) + " dropped")
	}
	if danger, warning := text(at(s.f, "audit.danger")), text(at(s.f, "audit.warning")); danger+warning != "00" && danger != "" {
		s.head("Audit")
		s.text(counted(float64(number(at(s.f, "audit.danger"))), "hole") + " and " + counted(float64(number(at(s.f, "audit.warning"))), "warning") + ": `portreeve audit self` tells")
	}
	if targets := text(at(s.f, "alarms.targets")); targets != "" {
		s.head("Alarms")
		s.text("to " + counted(float64(number(at(s.f, "alarms.targets"))), "target") + ", " + text(at(s.f, "alarms.waiting")) + " on their way, " + text(at(s.f, "alarms.dead")) + " given up")
	}
	if reports := text(at(s.f, "observe.reports")); reports != "" {
		s.head("Observe")
		s.text(reports + " reports, " + text(at(s.f, "observe.unread")) + " that could not be read")
	}
}

// rules are what is known of them.
func (s *statusSheet) rules() {
	s.block("Rules that may not do what was meant", s.f["findings"], func(x map[string]any) []string {
		return []string{text(x["severity"]), aboutWords(x), text(x["id"]), "`portreeve policy lint` tells"}
	})
	if warnings := items(s.f["warnings"]); len(warnings) > 0 {
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
