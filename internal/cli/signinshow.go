package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/signin"
)

func (a *app) signinsShow() *cobra.Command {
	return verb("show REFERENCE", "Tell the story of one sign-in: every step, every policy, every condition", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		r, err := a.client().object(cmd.Context(), path(signIns, args[0]), nil)
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) { a.tellSignIn(w, r.fields) })
	})
}

// tellSignIn tells a sign-in as a person reads it: who, from where, with what,
// how far they got, and why.
func (a *app) tellSignIn(w io.Writer, f map[string]any) {
	s := sheet{w: w}
	own, _ := f["portreeve"].(map[string]any)
	story, _ := f["portreeve.story"].(map[string]any)
	x, explained := story["explanation"].(map[string]any)
	fmt.Fprintf(w, "%s  %s\n\n", printable(text(own["reference"])), headline(own, x))
	a.tellWho(&s, f, own, x)
	if steps := items(own["steps"]); len(steps) > 0 {
		s.head("Steps")
		var rows [][]string
		for _, step := range steps {
			rows = append(rows, []string{text(step["name"]), text(step["result"]), fmt.Sprintf("%.2f ms", step["milliseconds"])})
		}
		s.table("  ", rows)
	}
	if explained {
		if own["outcome"] != signin.EndAllowed.String() && own["stage"] == "none" && own["observed"] != true {
			s.head("No rule refused this sign-in: " + text(own["title"]))
		}
		tellExplanation(&s, x)
	} else {
		s.head("Policies")
		s.text("The rules that judged this sign-in are kept no more.")
	}
	a.tellSessions(&s, story)
	s.head("What it means")
	if own["wouldBlock"] == true {
		s.text(text(own["source"]) + " let this person in. If policy were enforced here, it would have refused: " + signin.Code(number(x["code"])).Meaning().Admin)
		return
	}
	s.text(text(at(story, "meaning.admin")))
}

// headline is how it ended, in one line.
func headline(own, x map[string]any) string {
	if own["wouldBlock"] == true {
		return "allowed by " + printable(text(own["source"])) + "; policy would refuse it (" + signin.Code(number(x["code"])).String() + ")"
	}
	return printable(text(own["outcome"]) + ": " + text(own["title"]) + " (" + text(own["code"]) + ")")
}

func number(v any) int {
	n, _ := v.(float64)
	return int(n)
}

func (a *app) tellWho(s *sheet, f, own, x map[string]any) {
	o := a.output()
	at_ := o.time(text(f["createdDateTime"]))
	if n := text(own["count"]); n != "1" {
		at_ += fmt.Sprintf(", %s equal ones until %s", n, o.time(text(own["lastDateTime"])))
	}
	s.line("When", at_)
	who := text(f["userPrincipalName"])
	if typed := text(own["typed"]); typed != who {
		who += fmt.Sprintf(" (typed %q)", typed)
	}
	switch {
	case who == "":
		who = "nobody knows: no name was shown"
	case text(f["userId"]) == "":
		who += ", whom nobody here knows"
	}
	s.line("Who", strings.TrimSpace(who))
	if m := text(own["mailbox"]); m != "" {
		s.line("Mailbox", m+", as a delegate")
	}
	s.line("From", whence(f, own))
	s.line("Program", programOf(f, own))
	how := text(own["protocol"]) + " with " + text(own["credential"])
	if m := text(own["mechanism"]); m != "" {
		how += " (" + m + ")"
	}
	if l := text(own["listener"]); l != "" {
		how += " at listener " + l
	}
	s.line("How", how)
	switch kind, id, _ := strings.Cut(text(own["grant"]), ":"); kind {
	case "apppw":
		s.line("App password", id)
	case "oauth":
		s.line("Grant", id+"; `portreeve session list --grants` names its program while it lives")
	}
	s.line("TLS", tlsOf(own))
	s.line("Backend", text(own["backend"]))
	if by := text(at(f["portreeve.story"], "explanation.byName")); by != "" && own["stage"] != "none" {
		decided := "Refused by"
		if own["outcome"] == signin.EndInterrupted.String() {
			decided = "Asked by"
		}
		s.line(decided, by)
	}
	if own["observed"] == true {
		s.line("Decided by", text(own["source"])+"; here it was only observed")
	}
	would := text(own["ifAllOn"])
	if own["outcome"] == signin.EndInterrupted.String() {
		s.line("Goes on", "`portreeve signins list correlationId:"+text(f["correlationId"])+"` shows how")
		would = "" // the verdict itself
	}
	if would != "" && would != text(own["outcome"]) {
		s.line("If all on", would+": as if every report-only policy had been enforced")
	}
	s.line("Detail", text(own["detail"]))
}

func whence(f, own map[string]any) string {
	parts := []string{text(f["ipAddress"])}
	if c := text(at(f, "location.countryOrRegion")); c != "" {
		parts = append(parts, c)
	}
	if n := text(f["autonomousSystemNumber"]); n != "" && n != "0" {
		parts = append(parts, strings.TrimSpace("AS"+n+" "+text(own["networkOwner"])))
	}
	if fw := text(own["forwarder"]); fw != "" {
		parts = append(parts, "through "+fw)
	}
	if own["knownNetwork"] == true {
		parts = append(parts, "a network this person has signed in from before")
	} else if text(f["userId"]) != "" {
		parts = append(parts, "a network new for this person")
	}
	return strings.Join(parts, ", ")
}

func programOf(f, own map[string]any) string {
	s := strings.TrimSpace(text(at(own, "program.family")) + " " + text(at(own, "program.version")))
	if name := forClient(f); name != "" {
		s = name + ", as it signed in in the browser"
	} else if s == "" || s == "unknown" {
		s = "not recognised"
	} else if c := text(at(own, "program.confidence")); c != "" {
		s += " (confidence " + c + " of 100)"
	}
	if p := text(at(f, "deviceDetail.operatingSystem")); p != "" {
		s += " on " + p
	}
	return s
}

func tlsOf(own map[string]any) string {
	version := text(at(own, "tls.version"))
	if version == "none" || version == "" {
		return "none"
	}
	s := version
	if n := text(at(own, "tls.serverName")); n != "" {
		s += " for " + n
	}
	if j := text(at(own, "tls.ja4")); j != "" {
		s += ", hello " + j
	}
	return s
}

// tellExplanation prints every stage and every policy with each condition.
func tellExplanation(s *sheet, x map[string]any) {
	s.head("Rules, in their order")
	var stages [][]string
	for _, step := range items(x["steps"]) {
		holder := text(at(step, "from.kind"))
		if holder == "default" {
			holder = ""
		}
		said := text(step["text"]) + ofHolder(holder)
		if step["result"] == "notReached" {
			said = ""
		}
		stages = append(stages, []string{text(step["stage"]), text(step["result"]), said})
	}
	s.table("  ", stages)
	s.head(fmt.Sprintf("Policies (rules version %s)", text(x["version"])))
	policies := items(x["policies"])
	if len(policies) == 0 {
		s.text("There is no conditional access policy.")
	}
	for _, p := range policies {
		tellPolicy(s, p)
	}
}

func ofHolder(kind string) string {
	if kind == "" {
		return ""
	}
	return " (said by the " + kind + ")"
}

func tellPolicy(s *sheet, p map[string]any) {
	result := text(p["result"])
	if code := text(p["code"]); code != "" && code != "0" {
		result += ", PR" + code
	}
	fmt.Fprintf(s.w, "  %s: %s\n", printable(text(p["displayName"])), result)
	if result == "notEnabled" {
		return
	}
	for _, c := range items(p["conditions"]) {
		s.condition(text(c["condition"]), text(c["result"]), text(c["needed"]), text(c["seen"]))
	}
	var asked []string
	for _, c := range items(p["controls"]) {
		one := strings.TrimSpace(text(c["control"]) + " " + text(c["needed"]))
		if one != "block" {
			one += " (" + text(c["result"]) + ")"
		}
		asked = append(asked, one)
	}
	if len(asked) > 0 {
		fmt.Fprintln(s.w, "    asks for "+printable(strings.Join(asked, " "+text(p["operator"])+" ")))
	}
}

// condition prints what a policy looks at: on one line if it fits.
func (s *sheet) condition(name, result, needed, seen string) {
	width := s.width(110) // characters
	line := fmt.Sprintf("    %-28s %-13s", name, result)
	if needed != "" {
		needed = "needed: " + needed
	}
	if seen != "" {
		seen = "seen: " + seen
	}
	line, needed, seen = printable(line), printable(needed), printable(seen)
	if utf8.RuneCountInString(line+needed+seen)+len(gap) < width {
		fmt.Fprintln(s.w, strings.TrimRight(line+" "+strings.TrimSpace(needed+"  "+seen), " "))
		return
	}
	fmt.Fprintln(s.w, strings.TrimRight(line, " "))
	for _, more := range []string{needed, seen} {
		if more != "" {
			fmt.Fprintln(s.w, "        "+more)
		}
	}
}

func (a *app) tellSessions(s *sheet, story map[string]any) {
	rows := items(story["sessions"])
	if len(rows) == 0 {
		return
	}
	s.head("Connection")
	o := a.output()
	for _, r := range rows {
		line := "opened " + o.time(text(r["opened"]))
		if closed := o.time(text(r["closed"])); closed != "" {
			line += ", closed " + closed + ": " + text(r["reason"])
		} else {
			line += ", still open"
		}
		line += fmt.Sprintf("; %s bytes from the program, %s to it", text(r["bytesFromClient"]), text(r["bytesFromBackend"]))
		s.text(line)
	}
}
