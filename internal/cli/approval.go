package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/span"
)

const approvals = ours + "/approvals"

func (a *app) approval() *cobra.Command {
	return noun("approval", "What programs that know only a password were granted, and what waits to be", a.approvalList(), a.approvalAllow(),
		a.approvalDeny(), a.approvalWithdraw(), a.approvalAdopt())
}

// approvalColumns are how each kind of row is shown.
var approvalColumns = map[string][]column{
	"requests": {field("id", "id"), field("person", "user"), field("state", "state"), field("protocol", "protocol"), field("program", "program"),
		field("address", "ipAddress"), field("country", "country"), field("network owner", "owner"), field("tries", "count"), when("last", "last"), field("reference", "reference"), field("why", "why")},
	"windows": {field("id", "id"), field("person", "user"), field("kind", "kind"), field("protocols", "protocols"), field("program", "program"),
		of("place", placeOf), when("expires", "expires"), when("last used", "lastUsed"), field("by", "by")},
	"denials": {field("id", "id"), field("person", "user"), field("network", "network"), when("since", "at"), when("until", "until"), field("by", "by")},
}

// placeOf is where a window holds.
func placeOf(f map[string]any) string {
	var words []string
	if n := text(f["network"]); n != "" {
		words = append(words, n)
	}
	if number(f["asn"]) != 0 {
		words = append(words, strings.TrimSpace(fmt.Sprintf("AS%d %s", number(f["asn"]), text(f["owner"]))))
	}
	if c := text(f["country"]); c != "" {
		words = append(words, c)
	}
	return strings.Join(words, ", ")
}

func (a *app) approvalList() *cobra.Command {
	var requests, windows, denials bool
	c := verb("list [PERSON]", "List requests that wait, windows that were granted, and sources that were denied", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		q := values("user", strings.Join(args, ""))
		for name, wanted := range map[string]bool{"requests": requests, "windows": windows, "denials": denials} {
			if !wanted {
				continue
			}
			rows, err := a.client().rows(cmd.Context(), approvals+"/"+name, q, 0)
			if err != nil {
				return err
			}
			return a.output().list(rows, approvalColumns[name]...)
		}
		r, err := a.client().object(cmd.Context(), approvals, q)
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) { a.showApprovals(w, r) })
	})
	c.ValidArgsFunction = a.names(people, "address")
	c.Flags().BoolVar(&requests, "requests", false, "requests only")
	c.Flags().BoolVar(&windows, "windows", false, "windows only")
	c.Flags().BoolVar(&denials, "denials", false, "denied sources only")
	c.MarkFlagsMutuallyExclusive("requests", "windows", "denials")
	return c
}

func (a *app) showApprovals(w io.Writer, r row) {
	var all map[string][]json.RawMessage
	if json.Unmarshal(r.raw, &all) != nil {
		return
	}
	o := a.output()
	for _, name := range []string{"requests", "windows", "denials"} {
		var rows []row
		for _, raw := range all[name] {
			if one, err := newRow(raw); err == nil {
				rows = append(rows, one)
			}
		}
		fmt.Fprintf(w, "%s: %d\n", strings.ToUpper(name[:1])+name[1:], len(rows))
		if len(rows) > 0 {
			_ = o.table(rows, approvalColumns[name]) // a write error is the reader's going away
		}
	}
}

func (a *app) approvalAllow() *cobra.Command {
	var person, cidr, program, ja4, country string
	var protocols []string
	var asn uint32
	var last days
	c := verb("allow [REQUEST]", "Grant a request, or make a window from what you know", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		var window struct {
			ID       string `json:"id"`
			User     string `json:"user"`
			Findings []any  `json:"@portreeve.findings"`
		}
		target, body := approvals+"/windows", map[string]any{"user": person, "protocols": protocols, "cidr": cidr, "program": program, "ja4": ja4, "asn": asn, "country": country, "days": last}
		switch {
		case len(args) == 1 && (person != "" || cidr != "" || len(protocols) > 0 || asn != 0):
			return usage("say a request, or describe a window with --person, --protocol and --cidr, not both")
		case len(args) == 1:
			target, body = path(approvals+"/requests", args[0])+"/allow", map[string]any{"days": last}
		case person == "" || len(protocols) == 0 || cidr == "" && (asn == 0 || country == ""):
			return usage("say a request's id or reference, or --person, --protocol and --cidr (or --asn with --country)")
		}
		if err := a.client().do(cmd.Context(), http.MethodPost, target, nil, body, &window); err != nil {
			return err
		}
		a.done("granted to %s: window %s", printable(window.User), printable(window.ID))
		objects{app: a}.tellFindings(map[string]any{"@portreeve.findings": window.Findings})
		return nil
	})
	c.Long = `Grant a request that waits, by its id or a reference that the program showed, or make a
window for a program that has not tried yet. What is not given is not pinned.`
	c.Example = `  portreeve approval allow 7K4Q-9ZMD-2XWT --reason "called from his desk"
  portreeve approval allow --person leela@example.org --protocol imap,submission --cidr 192.0.2.0/24 --days 30`
	c.Flags().StringVar(&person, "person", "", "whose programs")
	c.Flags().StringSliceVar(&protocols, "protocol", nil, "over these protocols")
	c.Flags().StringVar(&cidr, "cidr", "", "from this network")
	c.Flags().StringVar(&program, "program", "", "only this program, as the log names it")
	c.Flags().StringVar(&ja4, "ja4", "", "only with this TLS hello (JA4), as the log shows it")
	c.Flags().Uint32Var(&asn, "asn", 0, "from the network owner with this number; needs --country")
	c.Flags().StringVar(&country, "country", "", "only in this country")
	c.Flags().Var(&last, "days", "for so many days (30, 12w, 1y); without it the site's choice")
	complete(c, "protocol", "imap", "pop3", "submission", "sieve")
	a.liveFlag(c, "person", people, "address")
	return c
}

func (a *app) approvalDeny() *cobra.Command {
	return verb("deny REQUEST", "Deny a request and mark its network: its passwords are no longer looked at for this person", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if err := a.client().do(cmd.Context(), http.MethodPost, path(approvals+"/requests", args[0])+"/deny", nil, nil, nil); err != nil {
			return err
		}
		a.done("denied; the password is known to somebody else if the person did not try it: have it changed")
		return nil
	})
}

func (a *app) approvalWithdraw() *cobra.Command {
	return verb("withdraw ID…", "Take back windows, with the connections they let in, or the marks of denied sources", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		for _, id := range args {
			if err := a.client().do(cmd.Context(), http.MethodDelete, path(approvals+"/windows", id), nil, nil, nil); err != nil {
				return err
			}
			a.done("withdrawn %s", printable(id))
		}
		return nil
	})
}

func (a *app) approvalAdopt() *cobra.Command {
	var seen, group, widen string
	onDays := days(3)
	var dry bool
	var exclude, include []string
	c := verb("adopt", "Make windows of what the log shows to be in use, and name what looks like somebody else", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		n, err := span.Days(seen)
		if err != nil {
			return usage("--seen: %v", err)
		}
		body := map[string]any{"seen": fmt.Sprintf("%dd", n), "group": group, "days": onDays, "dryRun": dry, "exclude": exclude, "include": include,
			"widen": widen, "complete": a.format != "table"}
		r, err := a.answered(cmd.Context(), http.MethodPost, approvals+"/adopt", nil, body)
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) { a.tellAdopted(w, r.fields) })
	})
	c.Long = `Make windows (known programs) of what the sign-in log shows: who used which program over which
protocols, from which network, on at least so many days. Observed and imported sign-ins count.
Who is seen in three networks of one owner is known in that part of them; who is seen in three
parts is known at that owner in that country; a program that is carried about is known at all
network owners of the country at which the organisation's people are: then by the TLS hello.

What looks like somebody else's use is named, with reasons, and left out. Look at it with
--dry-run first; adopt one all the same with --include and its id.`
	c.Example = `  portreeve approval adopt --seen 30d --dry-run
  portreeve approval adopt --seen 30d --group Staff --exclude leela@example.org`
	c.Flags().StringVar(&seen, "seen", "30d", "how far back the log is read: 7d, 12w, 1y")
	c.Flags().StringVar(&group, "group", "", "only members of this group")
	c.Flags().Var(&onDays, "days", "on how many days something must have been used")
	c.Flags().BoolVar(&dry, "dry-run", false, "change nothing")
	c.Flags().StringSliceVar(&exclude, "exclude", nil, "leave out these people, programs or networks")
	c.Flags().StringSliceVar(&include, "include", nil, "adopt these suspicious ones all the same, by their ids")
	c.Flags().StringVar(&widen, "widen", "country", "how far a place may be widened for who moves about: country, owner, pool (a /16 or /40 of one), no")
	complete(c, "widen", "country", "owner", "pool", "no")
	a.liveFlag(c, "group", ours+"/groups", "name")
	return c
}

// listed is how many rows of a report a terminal is shown; -o json has all.
const listed = 40

func (a *app) tellAdopted(w io.Writer, f map[string]any) {
	s := sheet{w: w}
	word := "Windows made"
	if f["dryRun"] == true {
		word = "Windows to be made"
	}
	s.line("Looked at", looked(a.output(), f))
	s.line(word, text(f["windowCount"])+reach(f["reach"]))
	s.line("Would still pass", share(f))
	rows := items(f["suspicious"])
	s.head(fmt.Sprintf("Looks like somebody else: %d", len(rows)))
	for _, x := range rows[:min(len(rows), listed)] {
		state := "left out"
		if x["included"] == true {
			state = "adopted all the same"
		}
		s.item("  ", fmt.Sprintf("%s  %s: %s by %s from %s (%s), %s on %s, %s", text(x["id"]), text(x["address"]), text(x["protocols"]),
			orUnknown(text(x["program"])), text(x["networks"]), orUnknown(strings.TrimSpace(text(x["owner"])+" "+text(x["country"]))),
			counted(float64(number(x["count"])), "sign-in"), counted(float64(number(x["days"])), "day"), state))
		reasons, _ := x["reasons"].([]any)
		for _, reason := range reasons {
			s.item("      ", text(reason))
		}
	}
	more(w, len(rows))
	rows = items(f["left"])
	s.head(fmt.Sprintf("Would be refused: %d", len(rows)))
	for _, x := range rows[:min(len(rows), listed)] {
		s.item("  ", fmt.Sprintf("%s: %s of %s, %s by %s, last from %s: %s", text(x["address"]), text(x["signIns"]), counted(float64(number(x["of"])), "sign-in"),
			text(x["protocols"]), orUnknown(text(x["program"])), strings.TrimSpace(text(x["network"])+" "+text(x["country"])), text(x["why"])))
		s.item("      ", text(x["do"]))
	}
	more(w, len(rows))
}

// reach says how far windows hold, and what the widest of them mean.
func reach(v any) string {
	of, _ := v.(map[string]any)
	var parts []string
	for _, k := range []struct{ key, words string }{{"network", "for one network"}, {"part", "for a part of an owner's networks"}, {"owner", "for an owner in a country"},
		{"country", "for a country: the very same program passes from providers at which your people are (--widen owner makes none)"}} {
		if n := number(of[k.key]); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, k.words))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

func more(w io.Writer, n int) {
	if n > listed {
		fmt.Fprintf(w, "  … and %d more: -o json has all\n", n-listed)
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// looked is how many sign-ins of how many people a report is made from.
func looked(o *output, f map[string]any) string {
	people := "1 person"
	if n := number(f["people"]); n != 1 {
		people = fmt.Sprintf("%d people", n)
	}
	return fmt.Sprintf("%s of %s since %s", counted(float64(number(f["signIns"])), "sign-in"), people, o.time(text(f["from"])))
}

// share is how many of the sign-ins looked at pass.
func share(f map[string]any) string {
	all, _ := f["signIns"].(float64)
	pass, _ := f["pass"].(float64)
	if all == 0 {
		return "there are no sign-ins to judge by"
	}
	return fmt.Sprintf("%.0f of %s (%.2f %%)", pass, counted(all, "sign-in"), 100*pass/all)
}
