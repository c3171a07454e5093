package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"
)

// bucketWords are the buckets as people read them.
var bucketWords = map[string]string{"newlyRefused": "Newly refused", "askedUnable": "Asked, but unable", "newlyAsked": "Newly asked, and able",
	"newlyAllowed": "Newly allowed", "unknown": "Unknown", "unchanged": "Unchanged"}

func (a *app) tellReplay(w io.Writer, f map[string]any, files []string, o *replayFlags) {
	s := sheet{w: w}
	s.line("Judged", looked(a.output(), f)+", in "+text(f["milliseconds"])+" ms")
	fmt.Fprintln(w)
	rows := [][]string{{"", "sign-ins", "people", "programs", "service accounts"}}
	worst := ""
	for _, b := range items(f["buckets"]) {
		rows = append(rows, []string{bucketWords[text(b["bucket"])], text(b["signIns"]), text(b["people"]), text(b["programs"]), text(b["serviceAccounts"])})
		if worst == "" && text(b["signIns"]) != "0" && text(b["bucket"]) != "unchanged" {
			worst = text(b["bucket"])
		}
	}
	s.table("  ", rows)
	a.tellHardest(&s, items(f["hardestHit"]))
	for _, b := range items(f["buckets"]) {
		a.tellHits(&s, b)
	}
	s.head("Read this with it")
	for _, n := range notesOf(f["notes"]) {
		s.text(n)
	}
	for _, x := range items(f["warnings"]) {
		s.text(fmt.Sprintf("Not enforced as it stands: %s %s %s", text(x["name"]), text(x["pointer"]), text(x["text"])))
	}
	if worst != "" {
		s.head("The sign-ins behind a number")
		fmt.Fprintf(w, "  %s\n", printable(again(files, o, worst)))
	}
}

func notesOf(v any) (all []string) {
	list, _ := v.([]any)
	for _, x := range list {
		all = append(all, text(x))
	}
	return all
}

func (a *app) tellHardest(s *sheet, people []map[string]any) {
	if len(people) == 0 {
		return
	}
	s.head("Hit the hardest")
	var rows [][]string
	for _, p := range people[:min(len(people), listed)] {
		rows = append(rows, []string{text(p["user"]), fmt.Sprintf("%s of %s sign-ins", text(p["signIns"]), text(p["of"])), serviceWords(p)})
	}
	s.table("  ", rows)
	more(s.w, len(people))
}

func serviceWords(p map[string]any) string {
	if why := text(p["serviceAccount"]); why != "" {
		return "service account? " + why
	}
	return ""
}

func (a *app) tellHits(s *sheet, b map[string]any) {
	hits := items(b["rows"])
	if len(hits) == 0 {
		return
	}
	s.head(bucketWords[text(b["bucket"])])
	var rows [][]string
	for _, h := range hits[:min(len(hits), listed)] {
		why := strings.TrimSpace(text(h["code"]) + " " + text(h["byName"]))
		first := ""
		if refs := notesOf(h["references"]); len(refs) > 0 {
			first = refs[0]
		}
		rows = append(rows, []string{cmp.Or(text(h["user"]), "(nobody known)"), text(h["signIns"]), text(h["protocol"]), text(h["credential"]), orUnknown(text(h["program"])),
			text(h["country"]), why, first, serviceWords(h)})
	}
	s.table("  ", rows)
	more(s.w, len(hits))
}

// again is the command that lists a bucket's sign-ins.
func again(files []string, o *replayFlags, bucket string) string {
	words := []string{"portreeve policy replay"}
	add := func(flag string, list ...string) {
		for _, x := range list {
			if x != "" {
				words = append(words, "--"+flag, quotedWord(x))
			}
		}
	}
	for _, f := range files {
		words = append(words, quotedWord(f))
	}
	add("last", o.last)
	add("groups", o.groups)
	add("location", o.locations...)
	add("strength", o.strengths...)
	add("enable", o.enable...)
	add("disable", o.disable...)
	add("report-only", o.report...)
	add("remove", o.remove...)
	add("group-add", o.join...)
	add("group-remove", o.leave...)
	add("switch", o.switches...)
	add("show", bucket)
	return strings.Join(words, " ")
}

// quotedWord is a word as a shell takes it.
func quotedWord(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=:@%+,", r))
	}) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
